"""The systemd unit: systemd itself finds nothing wrong with it, and it goes with what `chaosjc serve` does."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from chaosjc.drivers import command

UNIT = Path(__file__).parents[3] / "systemd/chaosjc.service"


def settings() -> dict[str, list[str]]:
    """What is said of each key, in whatever section; comments apart."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here: systemd is not installed")
def test_systemd_can_read_it(tmp_path: Path) -> None:
    """It is not installed here: what it starts is replaced. What systemd does not know is a warning, not an error."""
    copy = tmp_path / UNIT.name
    text, replaced = re.subn(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE)
    copy.write_text(text)
    done = command.run(["systemd-analyze", "verify", "--man=no", str(copy)], check=False)
    about = [line for line in (done.stdout + done.stderr).splitlines() if UNIT.name in line]
    assert (replaced, done.returncode, about) == (1, 0, [])


def test_its_state_outlives_it_and_is_its_own() -> None:
    said = settings()
    [directory] = said["StateDirectory"]
    assert f"CHAOSJC_STATE=/var/lib/{directory}" in said["Environment"]
    assert said["StateDirectoryMode"] == ["0700"]


def test_what_only_a_person_can_mend_is_not_tried_again() -> None:
    """Exit code 2: a mistake in arguments or files."""
    assert settings()["RestartPreventExitStatus"] == ["2"]


def test_a_run_outlives_a_controller_that_dies() -> None:
    assert settings()["KillMode"] == ["process"]
