"""The store keeps what it is told, in order, for ever, and refuses what would break another's promise."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaosjc.errors import Fenced, JournalError
from chaosjc.journal.events import (
    Admitted,
    Closed,
    DebtCleared,
    Event,
    Halted,
    Injected,
    Intent,
    Planned,
    RecoveryPlan,
    Refused,
    Resumed,
    StepPlan,
    Stopping,
    Target,
    UndoClaimed,
    Undone,
    Verified,
)
from chaosjc.journal.state import fold
from chaosjc.journal.store import KEPT, Store, View
from tests.unit.fakes import FakeClock

RUN = "r1"
STEP = "f1.a"


def planned() -> Planned:
    step = StepPlan(id=STEP, fault="command", target=Target(id="local", name="a"), inject="break a", undo="mend a")
    return Planned(experiment="e", steps=(step,), recovery=RecoveryPlan(within=60, until=()))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "journal.db", FakeClock()) as opened:
        yield opened


def fails(act: Callable[[], object]) -> JournalError:
    with pytest.raises(JournalError) as error:
        act()
    return error.value


def write(store: Store, *events: Event) -> None:
    for event in events:
        store.append(event, RUN)


def started(store: Store) -> None:
    write(store, planned(), Admitted(), Intent(step=STEP, owner="me"), Injected(step=STEP))


class TestKeeping:
    def test_what_was_appended_is_read_back_in_order(self, store: Store) -> None:
        started(store)
        entries = store.entries(RUN)
        assert [entry.event.type for entry in entries] == ["planned", "admitted", "intent", "injected"]
        assert [entry.seq for entry in entries] == sorted(entry.seq for entry in entries)
        assert entries[0].event == planned()

    def test_another_process_reads_it(self, store: Store) -> None:
        started(store)
        with Store(store.path) as other:
            assert other.entries(RUN) == store.entries(RUN)

    def test_entries_after_a_given_one(self, store: Store) -> None:
        started(store)
        second = store.entries(RUN)[1]
        assert [entry.event.type for entry in store.entries(RUN, after=second.seq)] == ["intent", "injected"]

    @pytest.mark.parametrize("statement", ["DELETE FROM events", "UPDATE events SET body = '{}'"])
    def test_nothing_can_be_taken_back(self, store: Store, statement: str) -> None:
        started(store)
        database = sqlite3.connect(store.path)
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            database.execute(statement)
        database.close()

    def test_all_or_nothing(self, store: Store) -> None:
        started(store)
        write(store, Closed(verdict="PASS", code="held", reason=""))
        with pytest.raises(Fenced):
            store.append_all([Halted(who="me", why="x"), Intent(step=STEP, owner="me")], RUN)
        assert store.halted() is None


class TestFences:
    def test_no_intent_after_a_halt(self, store: Store) -> None:
        write(store, planned(), Admitted())
        store.append(Halted(who="ada", why="exam"))
        with pytest.raises(Fenced, match="ada: exam") as fenced:
            store.append(Intent(step=STEP, owner="me"), RUN)
        assert fenced.value.code == "halted"

    def test_a_halt_binds_until_it_is_resumed(self, store: Store) -> None:
        write(store, planned(), Admitted())
        store.append(Halted(who="ada", why="exam"))
        store.append(Resumed(who="ada"))
        assert store.halted() is None
        store.append(Intent(step=STEP, owner="me"), RUN)

    def test_a_halt_of_another_journal_binds_too(self, tmp_path: Path) -> None:
        """Which comes while this one is open; each is released by itself."""
        halts = tmp_path / "halts.db"
        with Store(tmp_path / "journal.db", FakeClock(), halts=halts) as store, Store(tmp_path / "other.db") as other:
            write(store, planned(), Admitted())
            assert store.halted() is None
            assert not halts.exists(), "who looks makes none"
            with Store(halts) as above:
                above.append(Halted(who="ada", why="exam"))
                assert store.admit(RUN, lambda view: view.halted and Refused(guard="x", code="x", reason="x"))
                with pytest.raises(Fenced, match="ada: exam"):
                    store.append(Intent(step=STEP, owner="me"), RUN)
                assert other.halted() is None
                above.append(Resumed(who="ada"))
            assert store.halted() is None
            store.append(Halted(who="bob", why="mine"))
            assert (halt := store.halted()) and halt.who == "bob"

    def test_what_cannot_be_looked_at_has_not_released_it(self, tmp_path: Path) -> None:
        halts = tmp_path / "halts.db"
        halts.write_bytes(b"garbage" * 1000)
        with Store(tmp_path / "journal.db", halts=halts) as store:
            write(store, planned(), Admitted())
            with pytest.raises(JournalError, match=r"halts\.db"):
                store.append(Intent(step=STEP, owner="me"), RUN)
            assert "Nothing was injected" not in (fails(store.halted).hint)

    def test_an_undo_is_never_halted(self, store: Store) -> None:
        started(store)
        store.append(Halted(who="ada", why="exam"))
        store.append(UndoClaimed(step=STEP, owner="me", epoch=1), RUN)

    def test_no_intent_once_the_run_is_being_stopped(self, store: Store) -> None:
        write(store, planned(), Admitted(), Stopping(cause="death", why="killed"))
        with pytest.raises(Fenced) as fenced:
            store.append(Intent(step=STEP, owner="me"), RUN)
        assert fenced.value.code == "epoch"

    def test_no_intent_once_its_undo_is_claimed(self, store: Store) -> None:
        started(store)
        write(store, UndoClaimed(step=STEP, owner="watchdog", epoch=1))
        with pytest.raises(Fenced):
            store.append(Intent(step=STEP, owner="me"), RUN)

    def test_one_claim_an_epoch(self, store: Store) -> None:
        started(store)
        write(store, UndoClaimed(step=STEP, owner="me", epoch=1))
        with pytest.raises(Fenced):
            store.append(UndoClaimed(step=STEP, owner="other", epoch=1), RUN)
        write(store, UndoClaimed(step=STEP, owner="other", epoch=2))

    def test_who_was_taken_over_may_not_speak_for_the_step(self, store: Store) -> None:
        started(store)
        write(store, UndoClaimed(step=STEP, owner="me", epoch=1), UndoClaimed(step=STEP, owner="other", epoch=2))
        with pytest.raises(Fenced):
            store.append(Undone(step=STEP, epoch=1), RUN)
        with pytest.raises(Fenced):
            store.append(Verified(step=STEP, epoch=1, outcome="whole"), RUN)

    def test_a_closed_run_takes_undo_events_only(self, store: Store) -> None:
        started(store)
        write(store, Closed(verdict="UNDO-FAILED", code="undo-failed", reason=""))
        with pytest.raises(Fenced) as fenced:
            store.append(Closed(verdict="PASS", code="held", reason=""), RUN)
        assert fenced.value.code == "closed"
        write(store, UndoClaimed(step=STEP, owner="later", epoch=1), Undone(step=STEP, epoch=1))
        write(store, Verified(step=STEP, epoch=1, outcome="whole"), DebtCleared(step=STEP))


class TestAdmission:
    def test_the_guards_answer_is_written(self, store: Store) -> None:
        write(store, planned())
        refusal = Refused(guard="halted", code="halted", reason="no")
        assert store.admit(RUN, lambda view: refusal) == refusal
        assert store.entries(RUN)[-1].event == refusal

    def test_the_guards_see_halts_and_open_runs(self, store: Store) -> None:
        started(store)
        store.append(Halted(who="ada", why="exam"))
        seen: list[View] = []
        store.admit("r2", seen.append)
        assert seen[0].halted == Halted(who="ada", why="exam")
        assert [(run.run, [debt.plan.id for debt in run.debts]) for run in seen[0].runs] == [(RUN, [STEP])]

    def test_an_admission_sees_the_runs_that_have_just_ended(self, tmp_path: Path) -> None:
        clock = FakeClock()
        store = Store(tmp_path / "other.db", clock)
        started(store)
        write(store, Verified(step=STEP, epoch=0, outcome="whole"), Closed(verdict="PASS", code="held", reason=""))
        seen: list[View] = []
        for since in (clock.time() - 5, clock.time() + 5, math.inf):
            store.admit("r2", seen.append, since)
        assert [[state.run for state in view.runs] for view in seen] == [[RUN], [], []]
        store.close()

    def test_a_guard_that_fails_admits_nothing(self, store: Store) -> None:
        write(store, planned())

        def broken(_: View) -> Refused | None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            store.admit(RUN, broken)
        assert [entry.event.type for entry in store.entries(RUN)] == ["planned"]

    def test_a_settled_closed_run_is_not_open(self, store: Store) -> None:
        started(store)
        write(store, UndoClaimed(step=STEP, owner="me", epoch=1), Undone(step=STEP, epoch=1))
        write(store, Verified(step=STEP, epoch=1, outcome="whole"), Closed(verdict="PASS", code="held", reason=""))
        assert store.open_runs() == []


class TestBrokenStores:
    def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.db"
        path.write_bytes(b"no database" * 500)
        with pytest.raises(JournalError, match=r"journal\.db cannot be used"):
            Store(path)

    def test_a_newer_schema(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.db"
        Store(path).close()
        database = sqlite3.connect(path)
        database.execute("PRAGMA user_version=99")
        database.close()
        with pytest.raises(JournalError, match="newer chaosjc"):
            Store(path)

    def test_a_locked_store(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.db"
        with Store(path, busy_seconds=0.05) as store:
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(JournalError, match="locked"):
                store.append(Halted(who="me", why="x"))
            other.execute("ROLLBACK")
            other.close()

    def test_a_full_disk_leaves_the_store_as_it_was(self, store: Store) -> None:
        started(store)
        store._db.execute("PRAGMA max_page_count=1")
        before = store.entries(RUN)
        with pytest.raises(JournalError, match="full"):
            for _ in range(200):
                store.append(UndoClaimed(step="other", owner="x" * 5000, epoch=1), RUN)
        assert store.entries(RUN)[: len(before)] == before


class TestStates:
    """Of a run that is looked at again and again only what is new is read."""

    def test_a_state_is_that_of_all_events_whoever_wrote_them(self, store: Store) -> None:
        started(store)
        with Store(store.path, FakeClock()) as other:
            assert store.state(RUN) == other.state(RUN) == fold(store.entries(RUN))
            write(other, UndoClaimed(step=STEP, owner="other", epoch=1))
            assert store.state(RUN) == fold(store.entries(RUN))
            with pytest.raises(Fenced):
                write(store, UndoClaimed(step=STEP, owner="me", epoch=1))

    def test_a_state_stays_as_it_was(self, store: Store) -> None:
        started(store)
        before = store.state(RUN)
        write(store, UndoClaimed(step=STEP, owner="me", epoch=1))
        assert before and before.steps[STEP].epoch == 0

    def test_what_was_taken_back_with_its_transaction_is_not_remembered(self, store: Store) -> None:
        started(store)
        claim = UndoClaimed(step=STEP, owner="me", epoch=1)
        with pytest.raises(Fenced):
            store.append_all([claim, claim], RUN)
        assert store.state(RUN) == fold(store.entries(RUN))
        write(store, claim)

    def test_no_event_is_read_twice(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        read = list[str]()
        entry = Store._entry
        monkeypatch.setattr(Store, "_entry", lambda self, *row: read.append(row[3]) or entry(self, *row))  # type: ignore[misc]
        started(store)
        for _ in range(5):
            store.state(RUN)
        assert len(read) == len(set(read)) == 4

    def test_few_runs_are_remembered(self, store: Store) -> None:
        runs = [f"r{number}" for number in range(2 * KEPT)]
        for run in runs:
            store.append(planned(), run)
        assert [store.state(run) for run in runs] == [fold(store.entries(run)) for run in runs]
        assert len(store._known) == KEPT

    def test_runs_that_were_closed_lately_can_be_asked_for(self, store: Store) -> None:
        write(store, planned(), Closed(verdict="PASS", code="held", reason="x"))
        closed = store.state(RUN)
        assert closed and closed.closed_at is not None
        assert store.open_runs() == []
        assert store.open_runs(since=closed.closed_at) == [closed]
        assert store.open_runs(since=closed.closed_at + 1) == []
