"""Whatever a run and its successors had written and done when they were killed, one more recovery makes all whole.

A whole run, on fakes, is killed before or after any event or any half of an act; so are those that take over. Undos
fail, do half of it, or say that they worked when they did not; events are told twice; an inject that nobody can end
strikes after its run has died. What is left of the journal is then any prefix that there can be.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from chaosjc.engine.recover import _clear
from chaosjc.engine.undo import Undoer, finish
from chaosjc.engine.watchdog import close_abandoned
from chaosjc.errors import CommandTimeout, FaultError, Fenced
from chaosjc.faults.fault import Fault, FaultEntry
from chaosjc.faults.world import Answer, World
from chaosjc.journal.events import Admitted, Closed, Context, Entry, Event, Injected, InjectFailed, Intent, StepPlan
from chaosjc.journal.store import Store
from chaosjc.journal.verdict import judge
from tests.unit.engine import fakes
from tests.unit.engine.fakes import RUN, planned
from tests.unit.fakes import FakeClock

HALVES = (1, 2)
UNDOS = ("works", "fails", "hangs", "fails halfway", "does half", "has a bug", "lies")


class Killed(BaseException):
    """kill -9: nothing of the process goes on, no `except Exception` sees it."""


class Later(FakeClock):
    """What was begun by others happens when its time has come."""

    def __init__(self) -> None:
        super().__init__()
        self.due: list[tuple[float, Callable[[], None]]] = []

    def sleep(self, seconds: float) -> None:
        until = self.now + max(seconds, 0.0)
        for at, act in sorted(self.due, key=lambda each: each[0]):
            if at <= until:
                self.due.remove((at, act))
                self.now = max(self.now, at)
                act()
        self.now = until


@dataclass
class Machine:
    """Things of two halves, and all that may go wrong with them. `kill_after` counts down what happens."""

    clock: Later
    broken: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    undos: list[str] = field(default_factory=list[str])
    injects: list[str] = field(default_factory=list[str])
    strikes: list[float] = field(default_factory=list[float])
    kill_after: int | None = None

    def happens(self) -> None:
        if self.kill_after is not None:
            self.kill_after -= 1
            if self.kill_after < 0:
                raise Killed

    def inject(self, step: StepPlan, _: World) -> None:
        halves = list(HALVES)
        try:
            self.happens()
            while halves:
                self.broken.add((step.id, halves.pop(0)))
                self.happens()
                if self.injects and halves and self.injects.pop() == "fails halfway":
                    raise FaultError("refused")
        except Killed:
            for half in halves:  # its own process was only asked for it, and nobody ends what does it
                wait = self.strikes.pop() if self.strikes else 0.9
                self.clock.due.append((self.clock.now + wait * step.inject_timeout, self._strike(step.id, half)))
            raise

    def _strike(self, step: str, half: int) -> Callable[[], None]:
        return lambda: self.broken.add((step, half))

    def undo(self, step: StepPlan, _: World) -> None:
        how = self.undos.pop() if self.undos else "works"
        self.happens()
        if how == "lies":
            return
        if how == "has a bug":
            raise ZeroDivisionError
        if how in ("fails", "hangs"):
            raise FaultError("busy") if how == "fails" else CommandTimeout("no end after 5 s, killed")
        self.broken.discard((step.id, 1))
        self.happens()
        if how == "fails halfway":
            raise FaultError("half of it")
        if how == "works":
            self.broken.discard((step.id, 2))
            self.happens()

    def verify(self, step: StepPlan, _: World) -> Answer:
        self.happens()
        left = [half for half in HALVES if (step.id, half) in self.broken]
        return Answer("broken", f"{left}") if left else Answer("whole")

    @property
    def fault(self) -> Fault:
        def plan(*_: object) -> tuple[StepPlan, ...]:
            return ()

        def prepare(_: StepPlan, __: World) -> None:
            return

        return Fault(FaultEntry, plan, self.inject, self.undo, self.verify, prepare)


class Telling(Store):
    """A process may die before and after each event, and tells some of them twice."""

    def __init__(self, path: Path, machine: Machine, twice: list[bool]) -> None:
        super().__init__(path, machine.clock)
        self.machine, self.twice = machine, twice

    def append_all(self, events: Sequence[Event], run: str = "") -> list[Entry]:
        self.machine.happens()
        entries = super().append_all(events, run)
        if self.twice and self.twice.pop() and not isinstance(events[0], Closed):
            with contextlib.suppress(Fenced):
                super().append_all(events, run)
        self.machine.happens()
        return entries


def a_run(undoer: Undoer, machine: Machine, each_alone: bool) -> None:
    """As `Run` does it: intents, injects, each undone at its time or all at the end, the verdict."""
    store = undoer.store
    for step in undoer.state().planned.steps:
        store.append(Intent(step=step.id, owner="run"), RUN)
        try:
            machine.inject(step, undoer.world)
        except FaultError as error:
            store.append(InjectFailed(step=step.id, why=str(error)), RUN)
            break
        store.append(Injected(step=step.id), RUN)
        undoer.clock.sleep(1)
        if each_alone:
            finish(undoer, [step.id])
    finish(undoer)
    judged = judge(store.entries(RUN))
    store.append(Closed(verdict=judged.verdict, code=judged.code, reason=judged.reason), RUN)


def recover(undoer: Undoer) -> None:
    """As `chaosjc recover` and the watchdog do it."""
    before = undoer.state()
    if before.closed is None:
        close_abandoned(undoer, "death", "it was killed")
    elif before.debts:
        _clear(undoer, before)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_prefix_of_any_journal_recovers_to_a_world_equal_to_the_initial_one(
    tmp_path: Path, data: st.DataObject
) -> None:
    clock = Later()
    machine = Machine(clock)
    machine.undos = data.draw(st.lists(st.sampled_from(UNDOS), max_size=6))
    machine.injects = data.draw(st.lists(st.sampled_from(["works", "fails halfway"]), max_size=3))
    machine.strikes = data.draw(st.lists(st.floats(0.01, 0.99), max_size=2))
    steps = [fakes.step(name) for name in "abc"[: data.draw(st.integers(1, 3))]]
    path = tmp_path / uuid.uuid4().hex
    twice = data.draw(st.lists(st.booleans(), max_size=20))
    with Telling(path / "journal.db", machine, twice) as store:
        store.append_all([planned(*steps), Admitted()], RUN)
        undoer = Undoer(store, RUN, {"switch": machine.fault}, World(Context(), RUN, clock), clock)
        machine.kill_after = data.draw(st.integers(0, 14 * len(steps)))
        with contextlib.suppress(Killed):
            a_run(undoer, machine, data.draw(st.booleans()))
        for after in data.draw(st.lists(st.integers(0, 10), max_size=2)):
            machine.kill_after = after
            with contextlib.suppress(Killed):
                recover(undoer)
        event(f"left broken: {bool(machine.broken)}, may strike: {bool(clock.due)}")
        machine.kill_after = None
        for _ in range(3):  # each tries four times, and there are at most six undos that fail
            recover(undoer)
        assert machine.broken == set()
        assert undoer.state().debts == ()
        entries = store.entries(RUN)
        clock.sleep(1000)
        assert machine.broken == set(), "nothing strikes once it was seen whole"
    closed = [entry.event for entry in entries if isinstance(entry.event, Closed)]
    judged = judge(entries)
    assert [(each.verdict, each.code) for each in closed] == [(judged.verdict, judged.code)]
