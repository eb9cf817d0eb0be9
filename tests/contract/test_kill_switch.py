"""The kill switch is audited, outlives every process, and binds every process of the site."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chaosjc.drivers import command
from chaosjc.errors import Fenced
from chaosjc.journal.events import Admitted, Halted, Intent, Planned, RecoveryPlan, Resumed
from chaosjc.journal.store import Store

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(180)
INTENT = """
import sys
from pathlib import Path
from chaosjc.journal.events import Intent
from chaosjc.journal.store import Store
with Store(Path(sys.argv[1])) as store:
    try: store.append(Intent(step="f1.a", owner="other"), "r")
    except Exception as error: print(error)
"""


def chaosjc(state: Path, *arguments: str) -> command.Completed:
    argv = [sys.executable, "-m", "chaosjc.cli.main", *arguments, "--state", str(state)]
    return command.run(argv, check=False, cwd=ROOT, env={"CHAOSJC_STATE": str(state / "root")}, timeout=60)


def test_who_and_why_are_kept_for_both(tmp_path: Path) -> None:
    assert chaosjc(tmp_path, "halt", "--reason", "exam in room 3").returncode == 0
    assert chaosjc(tmp_path, "resume", "--reason", "the exam is over").returncode == 0
    with Store(tmp_path / "journal.db") as store:
        pressed, released = (entry.event for entry in store._select("1 ORDER BY seq", ()))
    assert isinstance(pressed, Halted) and (bool(pressed.who), pressed.why) == (True, "exam in room 3")
    assert isinstance(released, Resumed) and (released.who, released.why) == (pressed.who, "the exam is over")


def test_it_binds_a_process_that_was_there_and_one_that_comes_later(tmp_path: Path) -> None:
    journal = tmp_path / "journal.db"
    with Store(journal) as mine:
        mine.append_all([Planned(experiment="e", recovery=RecoveryPlan(within=9, until=())), Admitted()], "r")
        assert chaosjc(tmp_path, "halt", "--reason", "exam").returncode == 0  # that process is gone
        with pytest.raises(Fenced, match=r"halted by .*: exam"):
            mine.append(Intent(step="f1.a", owner="me"), "r")
    told = command.run([sys.executable, "-c", INTENT, str(journal)], cwd=ROOT).stdout
    assert "halted by" in told and "exam" in told
    with Store(journal) as store:
        assert [entry.event.type for entry in store.entries("r")] == ["planned", "admitted"]
