"""`finish` is the one way back: whatever was promised by an intent is undone and seen whole, or the debt stays open."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaosjc.engine.locks import Locks, undo_lock
from chaosjc.engine.undo import TRIES, finish
from chaosjc.engine.watchdog import close_abandoned
from chaosjc.errors import JournalError
from chaosjc.faults.world import Answer, World
from chaosjc.journal.events import (
    Admitted,
    Closed,
    Entry,
    Event,
    Injected,
    InjectFailed,
    Intent,
    StepPlan,
    UndoClaimed,
    UndoFailed,
    Undone,
    Verified,
)
from chaosjc.journal.store import Store
from tests.unit.engine.fakes import RUN, Switches, open_store, planned, refuse, step, undoer
from tests.unit.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[Store]:
    with open_store(tmp_path, clock) as opened:
        yield opened


def begun(store: Store, *names: str, injected: bool = True) -> Switches:
    """A run that has switched these off."""
    switches = Switches(broken=set(names))
    events: list[Event] = [planned(*(step(name) for name in names)), Admitted()]
    for name in names:
        events.append(Intent(step=f"f1.{name}", owner="run"))
        if injected:
            events.append(Injected(step=f"f1.{name}"))
    store.append_all(events, RUN)
    return switches


def full(*_: object) -> None:
    raise JournalError("disk full")


def types(store: Store) -> list[str]:
    return [entry.event.type for entry in store.entries(RUN)]


def test_it_claims_undoes_and_verifies_in_this_order(store: Store, clock: FakeClock) -> None:
    switches = begun(store, "a")
    assert finish(undoer(store, switches, clock))
    assert types(store)[4:] == ["undo-claimed", "undone", "verified"]
    assert switches.broken == set()


def test_steps_are_undone_in_reverse(store: Store, clock: FakeClock) -> None:
    switches = Switches(broken={"a", "b", "c"})
    store.append_all([planned(step("a"), step("b"), step("c")), Admitted()], RUN)
    for name in ("b", "a", "c"):
        clock.sleep(1)
        store.append_all([Intent(step=f"f1.{name}", owner="run"), Injected(step=f"f1.{name}")], RUN)
    assert finish(undoer(store, switches, clock))
    assert [call for call in switches.calls if call.startswith("undo")] == ["undo f1.c", "undo f1.a", "undo f1.b"]


def test_nothing_owed_nothing_done(store: Store, clock: FakeClock) -> None:
    switches = Switches()
    store.append_all([planned(step("a")), Admitted()], RUN)
    assert finish(undoer(store, switches, clock))
    assert switches.calls == []


def test_only_the_steps_asked_for(store: Store, clock: FakeClock) -> None:
    switches = begun(store, "a", "b")
    assert finish(undoer(store, switches, clock), ["f1.a"])
    assert switches.broken == {"b"}


def test_a_second_call_changes_nothing(store: Store, clock: FakeClock) -> None:
    switches = begun(store, "a")
    finish(undoer(store, switches, clock))
    before = types(store)
    assert finish(undoer(store, switches, clock))
    assert types(store) == before


def test_an_undo_that_fails_is_tried_again(store: Store, clock: FakeClock) -> None:
    switches = begun(store, "a")
    switches.undo_errors = [refuse("busy"), ZeroDivisionError("a bug")]
    assert finish(undoer(store, switches, clock))
    failures = [e.event.why for e in store.entries(RUN) if isinstance(e.event, UndoFailed)]
    assert failures == ["busy", "ZeroDivisionError: a bug"]
    assert switches.broken == set()


def test_an_undo_that_never_works_leaves_the_debt_open(store: Store, clock: FakeClock) -> None:
    switches = begun(store, "a", "b")
    switches.undo_errors = [refuse("no")] * TRIES
    assert not finish(undoer(store, switches, clock))
    assert [debt.plan.id for debt in undoer(store, switches, clock).state().debts] == ["f1.b"]
    assert switches.broken == {"b"}, "the other step was undone all the same"


def test_an_undo_that_says_it_worked_is_not_believed(store: Store, clock: FakeClock) -> None:
    switches = begun(store, "a")
    switches.on_undo = lambda _: None
    switches.answers = [Answer("broken", "still off")] * 12
    assert finish(undoer(store, switches, clock))
    outcomes = [e.event.outcome for e in store.entries(RUN) if isinstance(e.event, Verified)]
    assert outcomes[-1] == "whole"
    assert len([call for call in switches.calls if call.startswith("verify")]) > 12


@pytest.mark.parametrize("outcome", ["broken", "unknown", "gone"])
def test_only_whole_closes_a_debt(store: Store, clock: FakeClock, outcome: str) -> None:
    switches = begun(store, "a")
    switches.answers = [Answer(outcome, "as it is")] * 10_000  # type: ignore[arg-type]
    assert not finish(undoer(store, switches, clock))


def test_gone_closes_the_debt_of_a_step_that_leaves_no_residue(store: Store, clock: FakeClock) -> None:
    switches = Switches(broken={"a"}, answers=[Answer("gone", "no such thing")] * 10)
    clean = step("a", gone_is_clean=True)
    store.append_all([planned(clean), Admitted(), Intent(step="f1.a", owner="run"), Injected(step="f1.a")], RUN)
    assert finish(undoer(store, switches, clock))


class TestUncertain:
    """An intent without an answer: the inject may still strike until its time is over."""

    def test_it_must_stay_whole_until_then(self, store: Store, clock: FakeClock) -> None:
        began = clock.time()
        switches = begun(store, "a", injected=False)
        assert finish(undoer(store, switches, clock))
        assert clock.time() >= began + 10

    def test_one_that_strikes_late_is_undone_again(self, store: Store, clock: FakeClock) -> None:
        switches = begun(store, "a", injected=False)

        def late(_: str) -> None:
            switches.answers = [Answer("whole")] * 3 + [Answer("broken", "it struck")]
            switches.on_undo = lambda _: None

        switches.on_undo = late
        assert finish(undoer(store, switches, clock))
        assert switches.calls.count("undo f1.a") == 2

    def test_one_that_struck_behind_the_undo_is_undone_again_once_it_cannot_strike_any_more(
        self, store: Store, clock: FakeClock
    ) -> None:
        """Nova shuts a server down that was still ACTIVE when it was looked at: nothing but another start mends it."""
        began, undone = clock.time(), 0
        switches = Switches()
        plan = step("a", inject_timeout=90, strikes_within=15, undo_timeout=120)

        def strike(_: str) -> None:
            nonlocal undone
            undone += 1
            if undone == 1:  # behind the undo, which finds nothing to do
                switches.answers = [Answer("broken", "Nova says SHUTOFF")] * 31

        switches.on_undo = strike
        store.append_all([planned(plan), Admitted(), Intent(step="f1.a", owner="run")], RUN)
        assert finish(undoer(store, switches, clock))
        assert undone == 2
        assert clock.time() < began + 20, "not after all the time that it may take to be whole"

    def test_what_cannot_be_looked_at_is_waited_for(self, store: Store, clock: FakeClock) -> None:
        switches = Switches(answers=[Answer("unknown", "no answer")] * 60)
        plan = step("a", inject_timeout=90, strikes_within=15, undo_timeout=120)
        store.append_all([planned(plan), Admitted(), Intent(step="f1.a", owner="run")], RUN)
        assert finish(undoer(store, switches, clock))
        assert switches.calls.count("undo f1.a") == 1

    def test_a_look_from_before_it_struck_is_not_believed(self, store: Store, clock: FakeClock) -> None:
        """It strikes, and is answered, just after a look that found all whole."""
        switches = begun(store, "a", injected=False)
        looks: list[str] = []
        found = switches.verify

        def verify(step: StepPlan, world: World) -> Answer:
            answer = found(step, world)
            looks.append(answer.outcome)
            if len(looks) == 3:
                switches.broken.add("a")
                store.append(Injected(step="f1.a"), RUN)
            return answer

        switches.verify = verify  # type: ignore[method-assign]
        assert finish(undoer(store, switches, clock))
        assert switches.broken == set()

    def test_a_fault_may_say_how_long_that_is(self, store: Store, clock: FakeClock) -> None:
        began = clock.time()
        switches = Switches(broken={"a"})
        plan = step("a", inject_timeout=90, strikes_within=3)
        store.append_all([planned(plan), Admitted(), Intent(step="f1.a", owner="run")], RUN)
        assert finish(undoer(store, switches, clock))
        assert began + 3 <= clock.time() < began + 5

    def test_an_inject_that_failed_is_certain(self, store: Store, clock: FakeClock) -> None:
        switches = begun(store, "a", injected=False)
        store.append(InjectFailed(step="f1.a", why="refused"), RUN)
        began = clock.time()
        assert finish(undoer(store, switches, clock))
        assert clock.time() < began + 5

    def test_one_whose_connection_broke_is_not_where_others_may_still_act_on_it(
        self, store: Store, clock: FakeClock
    ) -> None:
        began = clock.time()
        switches = Switches(broken={"a"})
        plan = step("a", inject_timeout=90, strikes_within=3)
        store.append_all([planned(plan), Admitted(), Intent(step="f1.a", owner="run")], RUN)
        store.append(InjectFailed(step="f1.a", why="nova: 502"), RUN)
        assert finish(undoer(store, switches, clock))
        assert began + 3 <= clock.time() < began + 5


class TestOthers:
    def test_a_dead_undoer_is_taken_over_with_a_newer_epoch(self, store: Store, clock: FakeClock) -> None:
        switches = begun(store, "a")
        store.append_all([UndoClaimed(step="f1.a", owner="dead", epoch=1), Undone(step="f1.a", epoch=1)], RUN)
        assert finish(undoer(store, switches, clock))
        epochs = [e.event.epoch for e in store.entries(RUN) if isinstance(e.event, UndoClaimed)]
        assert epochs == [1, 2]

    def test_a_loser_waits_and_finds_it_done(self, store: Store, clock: FakeClock) -> None:
        switches = begun(store, "a")
        with Locks(store.path).held(undo_lock(RUN, "f1.a")):
            loser = threading.Thread(target=finish, args=(undoer(store, switches, clock),))
            loser.start()
            loser.join(0.1)
            assert loser.is_alive()
            store.append(UndoClaimed(step="f1.a", owner="winner", epoch=1), RUN)
            store.append_all([Undone(step="f1.a", epoch=1), Verified(step="f1.a", epoch=1, outcome="whole")], RUN)
        loser.join(5)
        assert switches.calls == []

    def test_a_journal_that_fails_does_not_keep_the_fault(
        self, store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        switches = begun(store, "a")
        monkeypatch.setattr(store, "append", full)
        with pytest.raises(JournalError):
            finish(undoer(store, switches, clock))
        assert switches.broken == set()

    def test_nor_that_of_any_other_step(self, store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
        switches = begun(store, "a", "b", "c")
        switches.undo_errors = [refuse("busy")]
        monkeypatch.setattr(store, "append", full)
        with pytest.raises(JournalError):
            finish(undoer(store, switches, clock))
        assert switches.broken == set()

    def test_nor_do_locks_that_cannot_be_had(self, store: Store, clock: FakeClock) -> None:
        switches = begun(store, "a", "b")
        (store.path.parent / "locks").write_text("not a directory")
        with pytest.raises(JournalError, match="cannot be locked"):
            finish(undoer(store, switches, clock))
        assert switches.broken == set()

    def test_the_successor_of_a_dead_run_undoes_first(
        self, store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What it cannot write it says by failing, once all is undone."""
        switches = begun(store, "a", "b")
        monkeypatch.setattr(store, "append", full)
        with pytest.raises(JournalError):
            close_abandoned(undoer(store, switches, clock), "death", "killed")
        assert switches.broken == set()

    def test_a_reason_that_was_told_late_still_counts(
        self, store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The disk is full for a moment: the verdict is that of a death all the same."""
        switches = begun(store, "a")
        append, failures = store.append, [JournalError("disk full")]

        def once(event: Event, run: str = "") -> Entry:
            if failures:
                raise failures.pop()
            return append(event, run)

        monkeypatch.setattr(store, "append", once)
        assert close_abandoned(undoer(store, switches, clock), "death", "killed")
        closed = store.entries(RUN)[-1].event
        assert isinstance(closed, Closed) and closed.verdict == "ABORTED"
