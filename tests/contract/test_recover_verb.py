"""`chaosjc recover` as a person meets it: what it prints, what its exit code promises, and who else may be at it."""

from __future__ import annotations

import contextlib
import itertools
import json
import multiprocessing
import secrets
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pytest
from pydantic import JsonValue

from chaosjc.drivers import command
from chaosjc.engine.locks import Locks, run_lock
from chaosjc.engine.recover import alive
from chaosjc.journal.events import (
    Admitted,
    Closed,
    Context,
    DebtCleared,
    Entry,
    Injected,
    Intent,
    Planned,
    RecoveryPlan,
    StepPlan,
    Target,
)
from chaosjc.journal.store import Store
from tests.contract.prometheus_process import wait_for

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(180)


def new_run() -> str:
    """No two tests have the same: by its run an undoer finds what it must end, whoever started it."""
    return f"20261129-120000-{secrets.token_hex(4)}"


def argv(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "chaosjc.cli.main", "recover", *arguments]


class Left:
    """What a run of one step left in a directory: `broken`, and a journal that ends in the middle."""

    def __init__(self, root: Path, name: str = "", *, undo: str = "", context: JsonValue = None) -> None:
        self.root = root
        self.there = root / "site" / name if name else root / "local"
        self.there.mkdir(parents=True, exist_ok=True)
        self.broken = self.there / "broken"
        self.broken.touch()
        self.undone = self.there / "undone"
        self.run = new_run()
        undo = f"echo undone >>'{self.undone}'; {undo or 'true'} && rm -f '{self.broken}'"
        options: dict[str, JsonValue] = {
            "inject": ["true"],
            "undo": ["sh", "-c", undo],
            "verify": ["test", "!", "-e", str(self.broken)],
            "timeout": 20,
        }
        step = StepPlan(
            id="f1.local", fault="command", target=Target(id="local", name="this machine"), options=options,
            inject="break it", undo="mend it", inject_timeout=1, undo_timeout=1,
        )  # fmt: skip
        planned = Planned(
            experiment="e", steps=(step,), recovery=RecoveryPlan(within=9, until=()), context=Context(site=context)
        )
        events = [planned, Admitted(), Intent(step=step.id, owner="dead"), Injected(step=step.id)]
        with Store(self.journal) as store:
            store.append_all(events, self.run)

    @property
    def journal(self) -> Path:
        return self.there / "journal.db"

    @property
    def entries(self) -> list[Entry]:
        with Store(self.journal) as store:
            return store.entries(self.run)

    @property
    def undos(self) -> int:
        return len(self.undone.read_text().splitlines()) if self.undone.exists() else 0

    def recover(self, *arguments: str) -> command.Completed:
        env = {"CHAOSJC_STATE": str(self.root)}
        return command.run(argv(*arguments), check=False, cwd=ROOT, env=env, timeout=120)


def test_it_prints_what_it_undid_and_what_it_found_then(tmp_path: Path) -> None:
    left = Left(tmp_path)
    done = left.recover()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{left.run} (e): undone and verified",
        "  f1.local on this machine: mend it: whole",
    ]
    assert not left.broken.exists()
    closed = left.entries[-1].event
    assert isinstance(closed, Closed) and (closed.verdict, closed.code) == ("ABORTED", "death")
    again = left.recover("--json")
    assert (again.returncode, json.loads(again.stdout)) == (0, [])


def test_what_cannot_be_undone_is_6_until_a_person_answers_for_it(tmp_path: Path) -> None:
    left = Left(tmp_path, undo="false")
    done = left.recover("--json")
    assert done.returncode == 6
    (told,) = json.loads(done.stdout)
    assert (told["owed"], told["cleared"], told["paid"]) == (["f1.local"], [], [])
    given_up = left.recover("--abandon", "f1.local", "--reason", "it is scrap now")
    assert given_up.returncode == 0, given_up.stderr
    cleared = left.entries[-1].event
    assert isinstance(cleared, DebtCleared)
    who, _, why = cleared.abandoned.partition(": ")
    assert who and why == "it is scrap now", "audited: who, and why"
    assert left.recover().returncode == 0
    assert left.broken.exists(), "nobody has claimed that it was mended"


def test_two_at_once_undo_it_once_and_both_tell(tmp_path: Path) -> None:
    left = Left(tmp_path, undo="sleep 3")
    with ThreadPoolExecutor(2) as both:
        asked = [both.submit(left.recover) for _ in range(2)]
        done = [each.result() for each in asked]
    assert [each.returncode for each in done] == [0, 0], [each.stdout + each.stderr for each in done]
    assert left.undos == 1
    assert all("whole" in each.stdout for each in done if left.run in each.stdout)
    assert [entry.event.type for entry in left.entries].count("closed") == 1


def test_one_that_is_killed_is_taken_over_by_the_one_that_waits(tmp_path: Path) -> None:
    once = tmp_path / "once"
    left = Left(tmp_path, undo=f"(test -e '{once}' || {{ touch '{once}'; exec sleep 15; }})")
    env = {"CHAOSJC_STATE": str(tmp_path)}
    first = command.spawn(argv(), log=tmp_path / "log", cwd=ROOT, env=env)
    try:
        wait_for(once.exists, seconds=60)
        with ThreadPoolExecutor(1) as pool:
            second = pool.submit(left.recover)
            first.kill()
            first.wait()
            done = second.result()
    finally:
        first.kill()
    assert done.returncode == 0, done.stdout + done.stderr
    assert not left.broken.exists()


def test_a_run_that_lives_is_left_alone_and_is_no_0(tmp_path: Path) -> None:
    left = Left(tmp_path)
    with Locks(left.journal).held(run_lock(left.run)):
        done = left.recover()
    assert done.returncode == 6
    assert "under way" in done.stdout and "f1.local" in done.stdout
    assert left.undos == 0


def test_a_journal_that_fails_keeps_no_other_from_being_recovered(tmp_path: Path) -> None:
    left = Left(tmp_path, "b")
    (tmp_path / "site" / "a").mkdir()
    (tmp_path / "site" / "a" / "journal.db").write_bytes(b"garbage" * 1000)
    done = left.recover()
    assert done.returncode == 6, "nobody knows what the damaged one owes"
    assert "NOT recovered" in done.stderr
    assert not left.broken.exists()


def test_nor_does_a_run_that_cannot_be_read_any_more(tmp_path: Path) -> None:
    strange = Left(tmp_path, context={"no": "site file"})
    left = Left(tmp_path)
    done = left.recover()
    assert done.returncode == 6
    assert f"{strange.run} (e): NOT KNOWN" in done.stdout
    assert not left.broken.exists()


def test_a_debt_of_two_sites_is_given_up_by_its_full_name(tmp_path: Path) -> None:
    left = {name: Left(tmp_path, name) for name in "ab"}
    runs = {name: each.run for name, each in left.items()}
    for each in left.values():
        with Store(each.journal) as store:
            store.append(Closed(verdict="UNDO-FAILED", code="undo-failed", reason=""), each.run)
    done = left["a"].recover("--abandon", "f1.local", "--reason", "scrap")
    assert done.returncode == 2 and f"{runs['a']}/f1.local, {runs['b']}/f1.local" in done.stderr
    done = left["a"].recover("--abandon", f"{runs['b']}/f1.local", "--reason", "scrap")
    assert done.returncode == 0, done.stderr
    assert [each.entries[-1].event.type for each in left.values()] == ["closed", "debt-cleared"]
    unknown = left["a"].recover("--abandon", "f9.x", "--reason", "scrap")
    assert unknown.returncode == 2 and f"open debts: {runs['a']}/f1.local" in unknown.stderr


def test_where_it_looked_is_said(tmp_path: Path) -> None:
    left = Left(tmp_path, "a")
    assert f"looks at {left.there}" in left.recover().stderr
    empty = command.run(argv(), cwd=ROOT, env={"CHAOSJC_STATE": str(tmp_path / "new")}, check=False)
    assert (empty.returncode, empty.stdout) == (0, "nothing is owed\n")
    assert f"looks at nowhere: below {tmp_path / 'new'}" in empty.stderr


@pytest.mark.parametrize("there", [False, True])
def test_a_state_directory_without_a_journal_is_2(tmp_path: Path, there: bool) -> None:
    named = tmp_path / "misspelt"
    if there:
        named.mkdir()
    done = command.run(argv("--state", str(named)), cwd=ROOT, env={"CHAOSJC_STATE": str(tmp_path)}, check=False)
    assert done.returncode == 2 and f"{named}: no journal is there" in done.stderr
    assert "nothing is owed" not in done.stdout


def test_what_is_not_mounted_may_owe_something(tmp_path: Path) -> None:
    left, gone = Left(tmp_path), tmp_path / "not-mounted"
    (tmp_path / "elsewhere").write_text(f"{gone}\n")
    done = left.recover()
    assert done.returncode == 6, "nobody has looked there"
    assert f"NOT recovered: {gone}" in done.stderr and f"take its line out of {tmp_path / 'elsewhere'}" in done.stderr
    assert not left.broken.exists(), "what is there is undone all the same"
    assert "nothing is owed" not in left.recover().stdout
    (tmp_path / "elsewhere").write_text("")
    assert left.recover().returncode == 0


# ------------------------------------------------------------------ who looks whether a run lives

LOOKS, LOOKERS = 3000, 6


def look(journal: Path, together: Barrier, over: Event) -> None:
    """Exits with 1 should it ever find a run that lives."""
    with Store(journal) as store:
        together.wait()
        found = 0
        for number in itertools.count():
            found += len(alive(store))
            if number >= LOOKS and over.is_set():
                raise SystemExit(int(found > 0))


@contextlib.contextmanager
def looking(journal: Path) -> Generator[list[int | None]]:
    """Several processes look all the time that the block lasts; their exit codes are there when it has ended."""
    context, codes = multiprocessing.get_context("spawn"), list[int | None]()
    together, over = context.Barrier(LOOKERS + 1), context.Event()
    lookers = [context.Process(target=look, args=(journal, together, over)) for _ in range(LOOKERS)]
    for each in lookers:
        each.start()
    together.wait()
    try:
        yield codes
    finally:
        over.set()
        for each in lookers:
            each.join()
            codes.append(each.exitcode)
            each.close()


def test_those_who_look_never_take_each_other_for_the_run(tmp_path: Path) -> None:
    left = Left(tmp_path)
    with Locks(left.journal).held(run_lock(left.run)), Store(left.journal) as store:
        assert alive(store) == {left.run}
    with looking(left.journal) as codes:
        pass
    assert codes == [0] * LOOKERS


def test_nor_do_they_keep_a_dead_run_from_being_recovered(tmp_path: Path) -> None:
    """One that owes nothing any more has only to be closed, which nobody waits for."""
    left = Left(tmp_path)
    with Store(left.journal) as store:
        store.append(DebtCleared(step="f1.local"), left.run)
    with looking(left.journal):
        assert left.recover().returncode == 0
    assert left.entries[-1].event.type == "closed"
