"""`make test` as a person stops it: a suite puts away what it has started, once, and no other begins."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from chaosjc.drivers import command
from tests.contract.prometheus_process import wait_for

SUITES = Path(__file__).parents[1] / "suites.py"
MAKEFILE = """\
one two: ; @{python} suite.py $@
bad: ; @echo 1 failed, 2 passed in 0.1s; exit 1
"""
SUITE = """\
import sys, time
name = sys.argv[1]
print(name, "began", flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.5)
    print(name, "put away", flush=True)
    sys.exit(2)
"""


@pytest.fixture
def there(tmp_path: Path) -> Path:
    (tmp_path / "Makefile").write_text(MAKEFILE.format(python=sys.executable))
    (tmp_path / "suite.py").write_text(SUITE)
    return tmp_path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_one_puts_all_away_and_begins_no_other(there: Path, number: signal.Signals) -> None:
    log = there / "log"
    suites = command.spawn([sys.executable, str(SUITES), "one", "two"], log=log, cwd=there)
    wait_for(lambda: "one began" in log.read_text())
    suites.send_signal(number)
    suites.send_signal(signal.SIGINT)  # an impatient person
    assert suites.wait(10) == 1
    said = log.read_text()
    assert said.count("one put away") == 1
    assert "two" not in said


def test_a_failed_one_is_told_and_the_next_begins(there: Path) -> None:
    done = command.run([sys.executable, str(SUITES), "bad", "bad"], cwd=there, check=False, timeout=20)
    assert done.returncode == 1
    assert done.stdout.count("bad: 1 failed, 2 passed in 0.1s") == 2, "in the table"
    assert len([line for line in done.stdout.splitlines() if line.split()[::2] == ["bad", "failed"]]) == 2
