"""After a crash, or when an undo did not work: end every debt of a site, or have a person answer for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chaosjc.clock import Clock
from chaosjc.engine.locks import Locks, run_lock
from chaosjc.engine.undo import Undoer, finish
from chaosjc.engine.watchdog import close_abandoned
from chaosjc.errors import UsageError
from chaosjc.faults.registry import FAULTS
from chaosjc.faults.world import World
from chaosjc.journal.events import DebtCleared
from chaosjc.journal.state import RunState
from chaosjc.journal.store import Store


@dataclass(frozen=True)
class Recovery:
    """What became of one run that was open; `under_way` ones are left to their own process."""

    run: str
    experiment: str
    under_way: bool = False
    cleared: tuple[str, ...] = ()
    owed: tuple[str, ...] = ()


def recover(store: Store, clock: Clock, tell: Callable[[str], None]) -> list[Recovery]:
    """Undo and verify whatever any run of this store owes, and close what was never closed. Safe to run in parallel."""
    return [_recover(store, clock, state, tell) for state in store.open_runs()]


def alive(store: Store, besides: str = "") -> frozenset[str]:
    """The open runs, `besides` one, whose own process or its watchdog still works on them."""
    locks = Locks(store.path)
    living: set[str] = set()
    for state in store.open_runs():
        if state.closed is None and state.run != besides:
            with locks.held(run_lock(state.run), wait=False) as free:
                if not free:
                    living.add(state.run)
    return frozenset(living)


def abandon(store: Store, step: str, who: str, reason: str) -> str:
    """Give up a debt: the only other way out, and the journal keeps it. Returns the run.

    UsageError if none owes it, or the run is not closed: its fault may be intended, and its verdict is still to come.
    """
    owing = [state for state in store.open_runs() if any(debt.plan.id == step for debt in state.debts)]
    if len(owing) != 1:
        known = ", ".join(f"{d.plan.id} of {s.run}" for s in store.open_runs() for d in s.debts) or "none"
        raise UsageError(f"no single open debt is called {step}", hint=f"open debts: {known}")
    if owing[0].closed is None:
        raise UsageError(f"{step}: run {owing[0].run} has not ended", hint="first `chaosjc recover`, which closes it")
    store.append(DebtCleared(step=step, abandoned=f"{who}: {reason}"), owing[0].run)
    return owing[0].run


def _recover(store: Store, clock: Clock, state: RunState, tell: Callable[[str], None]) -> Recovery:
    with Locks(store.path).held(run_lock(state.run), wait=False) as free:
        if not free:
            return Recovery(state.run, state.planned.experiment, under_way=True)
        undoer = Undoer(store, state.run, FAULTS, World(state.planned.context, state.run, clock), clock)
        before = undoer.state()
        for debt in before.debts:
            tell(f"{state.run}: {debt.plan.inject}: undo: {debt.plan.undo}")
        if before.closed is None:
            close_abandoned(undoer, "death", "the run's process died, and its watchdog with it")
        else:
            _clear(undoer, before)
        owed = [debt.plan.id for debt in undoer.state().debts]
        cleared = [debt.plan.id for debt in before.debts if debt.plan.id not in owed]
        return Recovery(state.run, state.planned.experiment, cleared=tuple(cleared), owed=tuple(owed))


def _clear(undoer: Undoer, before: RunState) -> None:
    """Undo what a closed run owes; what is seen whole now is cleared, since its verdict stands."""
    finish(undoer)
    still = {debt.plan.id for debt in undoer.state().debts}
    for debt in before.debts:
        if debt.plan.id not in still:
            undoer.store.append(DebtCleared(step=debt.plan.id), undoer.run)
