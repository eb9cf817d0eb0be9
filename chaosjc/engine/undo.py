"""The one way back. The run itself, its watchdog and `recover` all call `finish`, which needs the journal alone."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaosjc.clock import Clock
from chaosjc.engine.locks import Locks, undo_lock
from chaosjc.errors import ChaosJCError, Fenced, JournalError
from chaosjc.faults.fault import Fault
from chaosjc.faults.world import Answer, World
from chaosjc.journal.events import UndoClaimed, UndoFailed, Undone, Verified
from chaosjc.journal.state import RunState, StepState
from chaosjc.journal.store import Store

TRIES = 4
BACKOFF = 1.0  # seconds before the second try, doubled for each further one
LOOK_EVERY = 0.5  # seconds between two looks at a target that is not whole yet


def owner() -> str:
    """This process, for people who read the journal."""
    return f"{socket.gethostname()}:{os.getpid()}"


@dataclass(frozen=True)
class Undoer:
    """What undoing needs. Nothing here depends on who started the run."""

    store: Store
    run: str
    faults: Mapping[str, Fault]
    world: World
    clock: Clock

    def state(self) -> RunState:
        """The run as the journal has it now."""
        state = self.store.state(self.run)
        if state is None:
            raise JournalError(f"the journal knows no run {self.run}")
        return state


def finish(undoer: Undoer, steps: Sequence[str] | None = None) -> bool:
    """Undo and verify what the run still owes, latest intent first; True when nothing of it is owed any more.

    `steps` limits it to these. Safe to call at any time, from any process, again and again. Raises JournalError where
    that cannot be told; all is undone before.
    """
    owed = [s for s in reversed(undoer.state().debts) if steps is None or s.plan.id in steps]
    untold: JournalError | None = None
    for step in owed:
        try:
            with Locks(undoer.store.path).held(undo_lock(undoer.run, step.plan.id)):
                _finish_step(undoer, step.plan.id)
        except JournalError as error:
            _finish_untold(undoer, step)
            untold = error
    if untold:
        raise untold
    return not [s for s in undoer.state().debts if steps is None or s.plan.id in steps]


def _finish_step(undoer: Undoer, step_id: str) -> None:
    """Under the step's lock: claim, undo, verify, until it is settled or the tries are used up."""
    for attempt in range(TRIES):
        step = undoer.state().steps[step_id]
        if not step.owed:
            return
        if attempt:
            undoer.clock.sleep(BACKOFF * 2 ** (attempt - 1))
        epoch = step.epoch + 1
        try:
            undoer.store.append(UndoClaimed(step=step_id, owner=owner(), epoch=epoch), undoer.run)
            if _undo(undoer, step, epoch):
                _verify(undoer, step, epoch)
        except Fenced:
            continue  # another process has claimed it since; its work is read again from the journal


def _finish_untold(undoer: Undoer, step: StepState) -> None:
    """The journal has failed: what cannot be told is done all the same. `recover` does it again, and tells."""
    for attempt in range(TRIES):
        undoer.clock.sleep(BACKOFF * 2 ** (attempt - 1) if attempt else 0)
        with contextlib.suppress(Exception):
            undoer.faults[step.plan.fault].undo(step.plan, undoer.world)
            if _until_settled(undoer, step).outcome == "whole":
                return


def _undo(undoer: Undoer, step: StepState, epoch: int) -> bool:
    try:
        undoer.faults[step.plan.fault].undo(step.plan, undoer.world)
    except Exception as error:  # noqa: BLE001 - whatever went wrong in it, the other steps must still be undone
        why = str(error) if isinstance(error, ChaosJCError) else f"{type(error).__name__}: {error}"
        undoer.store.append(UndoFailed(step=step.plan.id, epoch=epoch, why=why), undoer.run)
        return False
    undoer.store.append(Undone(step=step.plan.id, epoch=epoch), undoer.run)
    return True


def _verify(undoer: Undoer, step: StepState, epoch: int) -> None:
    """Look until the target is whole; an uncertain inject must stay undone until it can no longer take effect."""
    uncertain = _may_still_strike(undoer, step)
    answer = _until_settled(undoer, step, missed=uncertain)
    if answer.outcome in ("whole", "gone") and uncertain:
        answer = _stays(undoer, step)
    undoer.store.append(Verified(step=step.plan.id, epoch=epoch, outcome=answer.outcome, why=answer.why), undoer.run)


def _look(undoer: Undoer, step: StepState) -> Answer:
    try:
        return undoer.faults[step.plan.fault].verify(step.plan, undoer.world)
    except Exception as error:  # noqa: BLE001 - a look that fails is an answer: not known
        return Answer("unknown", f"{type(error).__name__}: {error}")


def _until_settled(undoer: Undoer, step: StepState, *, missed: bool = False) -> Answer:
    """Look until it is whole, or its time is over; `missed` says that it may have struck since it was undone.

    What is still broken then, once it cannot strike any more, is not waited for: another undo may be what it needs.
    """
    end = undoer.clock.monotonic() + step.plan.undo_timeout
    while True:
        late, struck = undoer.clock.monotonic() >= end, missed and not _may_still_strike(undoer, step)
        answer = _look(undoer, step)
        if answer.outcome in ("whole", "gone") or late or (struck and answer.outcome == "broken"):
            return answer
        undoer.clock.sleep(LOOK_EVERY)


def _may_still_strike(undoer: Undoer, step: StepState) -> bool:
    now = undoer.state().steps[step.plan.id]
    return now.uncertain and undoer.clock.time() < _last_strike(now)


def _last_strike(step: StepState) -> float:
    plan = step.plan
    return (step.intent_at or 0.0) + (plan.inject_timeout if plan.strikes_within is None else plan.strikes_within)


def _stays(undoer: Undoer, step: StepState) -> Answer:
    """The first look after the inject's time is over, or its answer has come; one that is not whole ends it."""
    while True:
        over = not _may_still_strike(undoer, step)  # asked first: it may strike between a look and what follows
        answer = _look(undoer, step)
        if answer.outcome != "whole" or over:
            return answer
        undoer.clock.sleep(LOOK_EVERY)
