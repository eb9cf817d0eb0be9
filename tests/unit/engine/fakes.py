"""A fault whose world is a set of names, and everything else that a run needs, in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from chaosjc.engine.undo import Undoer
from chaosjc.errors import FaultError
from chaosjc.faults.fault import Fault, FaultEntry
from chaosjc.faults.target import Chosen
from chaosjc.faults.world import Answer, World
from chaosjc.journal.events import Context, Planned, RecoveryPlan, StepPlan, Target
from chaosjc.journal.store import Store
from tests.unit.fakes import FakeClock

RUN = "20260101-000000-test"


@dataclass
class Switches:
    """What is broken, what was called, and how the next calls fail."""

    broken: set[str] = field(default_factory=set[str])
    calls: list[str] = field(default_factory=list[str])
    undo_errors: list[Exception] = field(default_factory=list[Exception])
    answers: list[Answer] = field(default_factory=list[Answer])
    on_undo: Callable[[str], None] = lambda _: None

    def inject(self, step: StepPlan, _: World) -> None:
        self.calls.append(f"inject {step.id}")
        self.broken.add(step.target.name)

    def undo(self, step: StepPlan, _: World) -> None:
        self.calls.append(f"undo {step.id}")
        self.on_undo(step.id)
        if self.undo_errors:
            raise self.undo_errors.pop(0)
        self.broken.discard(step.target.name)

    def verify(self, step: StepPlan, _: World) -> Answer:
        self.calls.append(f"verify {step.id}")
        if self.answers:
            return self.answers.pop(0)
        return Answer("broken", "it is off") if step.target.name in self.broken else Answer("whole")

    @property
    def fault(self) -> Fault:
        def plan(_: FaultEntry, __: Chosen, ___: str) -> tuple[StepPlan, ...]:
            return ()

        def prepare(_: StepPlan, __: World) -> None:
            return

        return Fault(FaultEntry, plan, self.inject, self.undo, self.verify, prepare)


def step(name: str, **changes: object) -> StepPlan:
    plan = StepPlan(
        id=f"f1.{name}",
        fault="switch",
        target=Target(id=name, name=name, kind="switch"),
        inject=f"switch {name} off",
        undo=f"switch {name} on",
        inject_timeout=10,
        undo_timeout=5,
    )
    return plan.model_copy(update=changes)


def planned(*steps: StepPlan) -> Planned:
    return Planned(experiment="switches", steps=steps, recovery=RecoveryPlan(within=60, until=()))


def undoer(store: Store, switches: Switches, clock: FakeClock) -> Undoer:
    return Undoer(store, RUN, {"switch": switches.fault}, World(Context(), RUN, clock), clock)


def open_store(directory: Path, clock: FakeClock) -> Store:
    return Store(directory / "journal.db", clock)


def refuse(why: str) -> Exception:
    return FaultError(why)
