"""After a crash, or when an undo did not work: end every debt of a site, or have a person answer for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chaosjc.clock import Clock
from chaosjc.engine.locks import Locks, run_lock
from chaosjc.engine.undo import LOOK_EVERY, Undoer, finish
from chaosjc.engine.watchdog import close_abandoned
from chaosjc.errors import ChaosJCError, UsageError
from chaosjc.faults.registry import FAULTS
from chaosjc.faults.world import World
from chaosjc.journal.events import DebtCleared, Outcome
from chaosjc.journal.state import RunState, StepState
from chaosjc.journal.store import Store

Tell = Callable[[str], None]
GLANCE = 2.0  # seconds in which another process that has begun to undo a run will have said so


@dataclass(frozen=True)
class Paid:
    """A debt that has ended: what undid it, and what a user of the target finds since."""

    step: str
    target: str
    undo: str
    outcome: Outcome | None
    why: str = ""


@dataclass(frozen=True)
class Recovery:
    """What became of one run that was open; those `under_way` are left to their own process, with what they owe.

    `cleared` and `owed` are steps; `failed` says why nobody can tell, where it is not empty.
    """

    run: str
    experiment: str
    under_way: bool = False
    cleared: tuple[str, ...] = ()
    owed: tuple[str, ...] = ()
    paid: tuple[Paid, ...] = ()
    failed: str = ""

    @property
    def clean(self) -> bool:
        """Whether nothing of it is owed any more."""
        return not self.owed and not self.failed


def recover(store: Store, clock: Clock, tell: Tell) -> list[Recovery]:
    """Undo and verify whatever any run of this store owes, and close what was never closed. Safe to run in parallel.

    Where another process is undoing a run, its end is waited for. A run that fails keeps no other from being undone.
    """
    return [_recover(store, clock, state, tell) for state in store.open_runs()]


def alive(store: Store, besides: str = "") -> frozenset[str]:
    """The open runs, `besides` one, whose own process or its watchdog still works on them."""
    locks = Locks(store.path)
    unended = (state.run for state in store.open_runs() if state.closed is None and state.run != besides)
    return frozenset(run for run in unended if locks.is_held(run_lock(run)))


def owing(store: Store, step: str) -> list[RunState]:
    """The runs that owe this step: `STEP`, or `RUN/STEP` where several do."""
    return [s for s in store.open_runs() if any(step in (d.plan.id, f"{s.run}/{d.plan.id}") for d in s.debts)]


def debts(stores: Sequence[Store]) -> str:
    """All open debts, for a person who named none of them."""
    return ", ".join(f"{s.run}/{d.plan.id}" for store in stores for s in store.open_runs() for d in s.debts) or "none"


def abandon(store: Store, step: str, who: str, reason: str) -> str:
    """Give up a debt (`STEP` or `RUN/STEP`): the only other way out, and the journal keeps it. Returns the run.

    UsageError if none owes it, or the run is not closed: its fault may be intended, and its verdict is still to come.
    """
    found = owing(store, step)
    if len(found) != 1:
        raise UsageError(f"no single open debt is called {step}", hint=f"open debts: {debts([store])}")
    run = found[0].run
    if found[0].closed is None:
        raise UsageError(f"{step}: run {run} has not ended", hint="first `chaosjc recover`, which closes it")
    store.append(DebtCleared(step=step.rpartition("/")[2], abandoned=f"{who}: {reason}"), run)
    return run


def _recover(store: Store, clock: Clock, state: RunState, tell: Tell) -> Recovery:
    try:
        return _take_over(store, clock, state, tell) or _wait_for_other(store, clock, state, tell)
    except Exception as error:  # noqa: BLE001 - whatever went wrong in it, the other runs must still be undone
        why = str(error) if isinstance(error, ChaosJCError) else f"{type(error).__name__}: {error}"
        tell(f"{state.run}: {why}")
        owed = tuple(debt.plan.id for debt in state.debts)
        return Recovery(state.run, state.planned.experiment, owed=owed, failed=why)


def _take_over(store: Store, clock: Clock, state: RunState, tell: Tell) -> Recovery | None:
    """None where another process works on the run."""
    with Locks(store.path).held(run_lock(state.run), wait=False) as free:
        if not free:
            return None
        undoer = Undoer(store, state.run, FAULTS, World(state.planned.context, state.run, clock), clock)
        before = undoer.state()
        for debt in before.debts:
            tell(f"{state.run}: {debt.plan.inject}: undo: {debt.plan.undo}")
        if before.closed is None:
            close_abandoned(undoer, "death", "the run's process died, and its watchdog with it")
        else:
            _clear(undoer, before)
        return _told(state, undoer.state())


def _wait_for_other(store: Store, clock: Clock, state: RunState, tell: Tell) -> Recovery:
    """Until whoever undoes the run has done so, or has died; a run that goes on is left alone.

    Who merely looks whether it lives is in the way too, for an instant.
    """
    now, until = state, clock.monotonic() + GLANCE
    tell(f"{state.run}: another process has it in hand")
    while (now.debts and (now.closed or now.stopping)) or (not now.closed and clock.monotonic() < until):
        clock.sleep(LOOK_EVERY)
        if (done := _take_over(store, clock, state, tell)) is not None:
            return done
        now = store.state(state.run) or now
    return _told(state, now, under_way=True)


def _told(before: RunState, after: RunState, *, under_way: bool = False) -> Recovery:
    owed = tuple(debt.plan.id for debt in after.debts)
    cleared = tuple(debt.plan.id for debt in before.debts if debt.plan.id not in owed)
    paid = tuple(_paid(after.steps[step]) for step in cleared)
    return Recovery(before.run, before.planned.experiment, under_way, cleared, owed, paid)


def _paid(step: StepState) -> Paid:
    return Paid(step.plan.id, step.plan.target.name, step.plan.undo, step.outcome, step.outcome_why)


def _clear(undoer: Undoer, before: RunState) -> None:
    """Undo what a closed run owes; what is seen whole now is cleared, since its verdict stands."""
    finish(undoer)
    still = {debt.plan.id for debt in undoer.state().debts}
    for debt in before.debts:
        if debt.plan.id not in still:
            undoer.store.append(DebtCleared(step=debt.plan.id), undoer.run)
