from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chaosjc.drivers.command import run
from chaosjc.errors import CommandError
from chaosjc.site.log import Log, silent
from tests.unit.fakes import FakeClock


def test_steps_and_commands_are_in_the_log_and_secrets_on_stdin_are_not(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", FakeClock(0.0))
    log.reporting(silent)("infra", "worker-001", "create server")
    logged = log.running(run)
    assert logged([sys.executable, "-c", "pass"], stdin="SECRET").returncode == 0
    assert logged([sys.executable, "-c", f"pass\n# {'a program ' * 100}"]).returncode == 0
    with pytest.raises(CommandError):
        logged([sys.executable, "-c", "import sys; sys.exit('no such thing')"])
    steps = (tmp_path / "log").read_text().splitlines()
    assert steps[0] == "1970-01-01T00:00:00.000Z infra: worker-001: create server"
    assert "exit code 0 after" in steps[1]
    assert "-c 'pass\\n# a program" in steps[2]
    assert "…': exit code 0 after" in steps[2]
    assert len(steps[2]) < 400
    assert steps[3].endswith(": no such thing")
    assert "SECRET" not in "".join(steps)
