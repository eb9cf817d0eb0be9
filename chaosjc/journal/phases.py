"""When each phase of a run was, read from its events.

before       `baseline` seconds, ending at admission (at the refusal, where there was none)
during       first intent to last undo verified; what nothing can undo is over with its time, or when the run stops
recovering   from there until recovery had come, or was given up
after        `settle` seconds from the moment when lagging data had passed
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chaosjc.journal.events import Phase, Planned
from chaosjc.journal.state import RunState, StepState
from chaosjc.journal.timeline import Window


@dataclass(frozen=True)
class Moments:
    """The instants that phases and times are counted from, seconds since 1970; None for what has not happened."""

    gate: float | None = None  # admitted, or refused
    first_intent: float | None = None
    first_injected: float | None = None
    first_undo: float | None = None  # of what nothing can undo, when the first of it was to end
    undone: float | None = None  # all undone and verified, or over; None before that
    recovered: float | None = None  # the first sample of those that showed it
    gave_up: float | None = None  # not-recovered
    settling: float | None = None
    last: float = 0.0  # the newest event before `closed`


def moments(state: RunState, now: float | None = None) -> Moments:
    """Read them from a run as it stood before `closed`. `now` is for one that goes on; else it is its newest event."""
    steps = [step for step in state.steps.values() if step.intent_at is not None]
    now = state.newest_at if now is None else now
    return Moments(
        gate=state.admitted_at if state.admitted_at is not None else state.refused_at,
        first_intent=_first(step.intent_at for step in steps),
        first_injected=_first(step.injected_at for step in steps),
        first_undo=_first_undo(steps, state.stopped_at, now),
        undone=_undone(steps, state.stopped_at, now),
        recovered=state.recovered_since,
        gave_up=state.gave_up_at,
        settling=state.settling_at,
        last=state.newest_at,
    )


def baseline(state: RunState) -> Window | None:
    """What recovery compares with: all that was asked before admission, since the slowest of its checks delays that."""
    gate = state.admitted_at
    return None if gate is None else Window(min(state.planned_at, gate - state.planned.baseline), gate)


def windows(planned: Planned, at: Moments) -> dict[Phase, Window]:
    """The phases that have begun, in order; one that still goes on ends at the newest event."""
    found: dict[Phase, Window] = {}
    if at.gate is not None:
        found["before"] = Window(at.gate - planned.baseline, at.gate)
    if at.first_intent is None:
        return found
    over = next(time for time in (at.recovered, at.gave_up, at.settling, at.last) if time is not None)
    undone = at.undone if at.undone is not None else (at.gave_up or at.settling or at.last)
    found["during"] = Window(at.first_intent, max(undone, at.first_intent))
    if at.undone is not None:
        found["recovering"] = Window(undone, max(undone, over))
    if at.settling is not None:
        found["after"] = Window(at.settling, at.settling + planned.settle)
    return found


def present(state: RunState | None, now: float) -> dict[Phase, Window]:
    """The phases of a run that goes on which share one allowance with the present one; that is the last, and ends now.

    None before admission, and between recovery and settling, where nothing is judged. *During* begins with admission:
    what is violated before the first intent need not be broken too.
    """
    if state is None or state.admitted_at is None:
        return {}
    at, start = moments(state, now), state.admitted_at
    if at.settling is not None:
        return {"after": Window(at.settling, max(at.settling, min(now, at.settling + state.planned.settle)))}
    if at.recovered is not None or at.gave_up is not None:
        return {}
    to_come = state.stopping is None and any(step.intent_at is None for step in state.steps.values())
    if to_come or at.undone is None:
        return {"during": Window(start, max(start, now))}
    return {"during": Window(start, at.undone), "recovering": Window(at.undone, max(at.undone, now))}


def _first_undo(steps: Sequence[StepState], stopped: float | None, now: float) -> float | None:
    """The first undo call; where nothing can be undone, when the first fault was over."""
    if not all(step.plan.irreversible for step in steps):
        return _first(step.claimed_at for step in steps)
    return _first(over_at(step, stopped, now) for step in steps if step.injected_at is not None)


def _undone(steps: Sequence[StepState], stopped: float | None, now: float) -> float | None:
    """When the last of the undos was seen to have worked, and what nothing can undo was over."""
    ends = [over_at(step, stopped, now) if step.plan.irreversible else _whole(step) for step in steps]
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None


def _whole(step: StepState) -> float | None:
    return None if step.owed else step.verified_at or step.injected_at or step.intent_at


def over_at(step: StepState, stopped: float | None, now: float) -> float | None:
    """When the time of what nothing can undo was over, or the run stopped; None before that."""
    due = None if step.injected_at is None else step.injected_at + step.plan.duration
    over = _first((due, stopped))
    return over if over is not None and over <= now else None


def _first(times: Iterable[float | None]) -> float | None:
    return min((time for time in times if time is not None), default=None)
