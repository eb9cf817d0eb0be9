"""The kill switch is audited, outlives every process, and binds every process of the site."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from chaosjc.drivers import command
from chaosjc.errors import Fenced
from chaosjc.journal.events import Admitted, Halted, Intent, Planned, RecoveryPlan, Resumed
from chaosjc.journal.store import Store
from tests.contract.test_command_line import GOOD

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


# ------------------------------------------------------------------ a halt of everything


def everything(root: Path, *arguments: str, **environment: str) -> command.Completed:
    """As a person calls it who names no state directory."""
    argv = [sys.executable, "-m", "chaosjc.cli.main", *arguments]
    done = command.run(argv, check=False, cwd=ROOT, env={"CHAOSJC_STATE": str(root), **environment}, timeout=60)
    assert "Traceback" not in done.stderr
    return done


def test_it_binds_what_nobody_has_used_yet(tmp_path: Path) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    (tmp_path / "good.yaml").write_text(GOOD)
    words = ["run", str(tmp_path / "good.yaml"), "--state", str(other)]
    assert everything(root, "halt", "--reason", "exam").returncode == 0
    forecast = everything(root, *words, "--dry-run")
    assert forecast.returncode == 4 and "exam" in forecast.stdout
    assert not other.exists()
    tried = everything(root, *words, "--json")
    assert (tried.returncode, json.loads(tried.stdout)["code"]) == (4, "halted")
    assert everything(root, "resume", "--reason", "over").returncode == 0
    assert everything(root, *words, "--dry-run").returncode == 0


def test_it_stops_a_run_whose_journal_it_cannot_reach(tmp_path: Path) -> None:
    """One that was there before any halt was, and that no list has."""
    with Store(tmp_path / "journal.db", halts=tmp_path / "root" / "halts.db") as mine:
        mine.append_all([Planned(experiment="e", recovery=RecoveryPlan(within=9, until=())), Admitted()], "r")
        assert mine.halted() is None
        assert everything(tmp_path / "root", "halt", "--reason", "exam").returncode == 0
        assert mine.halted()
        with pytest.raises(Fenced, match=r"halted by .*: exam"):
            mine.append(Intent(step="f1.a", owner="me"), "r")
        assert everything(tmp_path / "root", "resume", "--reason", "over").returncode == 0
        mine.append(Intent(step="f1.a", owner="me"), "r")


def test_no_single_site_is_taken_out_of_it(tmp_path: Path) -> None:
    everything(tmp_path, "halt", "--reason", "exam")
    done = everything(tmp_path, "resume", "--reason", "mine", "--state", str(tmp_path / "local"))
    assert done.returncode == 2 and "exam" in done.stderr and "without --state" in done.stderr
    with Store(tmp_path / "local" / "journal.db") as store:
        assert store.halted()


def test_a_site_out_of_reach_is_said_and_is_no_0(tmp_path: Path) -> None:
    gone = tmp_path / "not-mounted"
    gone.mkdir()
    (tmp_path / "elsewhere").write_text(f"{gone}\n")
    for verb, said in (("halt", "NOT halted: "), ("resume", "NOT resumed: ")):
        done = everything(tmp_path, verb, "--reason", "exam")
        assert done.returncode == 70 and f"{said}{gone}" in done.stderr
    assert list(gone.iterdir()) == [], "what is below its mount is none of its"


# ------------------------------------------------------------------ who, and journals that fail


def test_who_is_the_account_and_nothing_that_the_environment_says(tmp_path: Path) -> None:
    names = {name: "alice" for name in ("USER", "LOGNAME", "LNAME", "USERNAME")}
    names |= {"SUDO_USER": "alice"} if os.getuid() else {}
    assert everything(tmp_path, "halt", "--reason", "exam", **names).returncode == 0
    with Store(tmp_path / "local" / "journal.db") as store:
        halt = store.halted()
    assert halt and halt.who.split(" by sudo")[0] != "alice"


def test_a_resume_says_why(tmp_path: Path) -> None:
    everything(tmp_path, "halt", "--reason", "exam")
    done = everything(tmp_path, "resume")
    assert done.returncode == 2 and "--reason" in done.stderr


def test_a_journal_that_fails_keeps_no_other_from_being_resumed(tmp_path: Path) -> None:
    """Nor do both claim that nothing was injected: a fault may be there, whose journal cannot be read."""
    (tmp_path / "site" / "new").mkdir(parents=True)
    assert everything(tmp_path, "halt", "--reason", "exam").returncode == 0
    (tmp_path / "local" / "journal.db").write_bytes(b"garbage" * 1000)
    for verb in ("halt", "resume"):
        done = everything(tmp_path, verb, "--reason", "over")
        assert done.returncode == 70, "1 would say FAIL"
        assert "NOT " in done.stderr and "Nothing was injected" not in done.stderr
    with Store(tmp_path / "site" / "new" / "journal.db") as store:
        assert store.halted() is None
