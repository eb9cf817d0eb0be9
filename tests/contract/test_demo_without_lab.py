"""`make demo` on a machine where the lab cannot run: the same engine, told to be no lab, and nothing of it is left."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chaosjc.drivers import command
from chaosjc.drivers.command import Completed
from chaosjc.journal.events import Closed
from chaosjc.journal.store import Store

pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).parents[2]
DEMO = """\
import sys
from chaosjc.cli.demo import __main__ as demo
demo.lab_can_run = lambda: False
sys.exit(demo.main())
"""


def demo(out: Path) -> tuple[Completed, int]:
    """Everything of it lies in `out`; the second is how many of its processes had to be ended."""
    environment = {"CHAOSJC_DEMO": str(out), "COLUMNS": "160"}
    try:
        done = command.run([sys.executable, "-c", DEMO], check=False, timeout=150, env=environment, cwd=ROOT)
    finally:
        left = command.end_marked("CHAOSJC_DEMO", str(out))
    return done, left


def verdicts(journal: Path) -> dict[str, str]:
    """Of each run, the earliest first."""
    with Store(journal) as store:
        runs = {run: [entry.event for entry in store.entries(run)] for run in sorted(store.runs())}
    return {run: event.verdict for run, events in runs.items() for event in events if isinstance(event, Closed)}


def test_a_web_service_of_its_own_is_broken_instead(tmp_path: Path) -> None:
    done, left = demo(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "This is not the lab: no cloud, no VMs. The same engine breaks a local web service." in done.stdout
    assert "Every verdict was the true one." in done.stdout
    found = verdicts(tmp_path / "state/local/journal.db")
    assert list(found.values()) == ["PASS", "FAIL", "INCONCLUSIVE"]
    assert {path.stem for path in (tmp_path / "reports").glob("*.html")} == found.keys()
    assert not (tmp_path / "progress.json").exists(), "the next demo begins anew"
    assert left == 0
