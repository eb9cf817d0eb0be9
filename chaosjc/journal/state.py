"""Where each step of a run stands, read from its events alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from chaosjc.journal.events import (
    Admitted,
    Closed,
    DebtCleared,
    Entry,
    Injected,
    InjectFailed,
    Intent,
    Outcome,
    Planned,
    StepPlan,
    Stopping,
    UndoClaimed,
    UndoFailed,
    Undone,
    Verified,
)


@dataclass
class StepState:
    """What is known of one step; times in seconds since 1970, None where it has not happened."""

    plan: StepPlan
    intent_at: float | None = None
    injected_at: float | None = None
    inject_failed: str = ""
    epoch: int = 0
    claimed_at: float | None = None  # the first claim
    undone_at: float | None = None
    undo_failed: str = ""
    outcome: Outcome | None = None  # of the last verify
    outcome_why: str = ""
    verified_at: float | None = None
    cleared_at: float | None = None
    abandoned: str = ""

    @property
    def settled(self) -> bool:
        """Nothing can be left of it: verified whole, or gone where that leaves no residue, or cleared since."""
        whole = self.outcome == "whole" or (self.outcome == "gone" and self.plan.gone_is_clean)
        return self.cleared_at is not None or (whole and self.verified_at is not None)

    @property
    def owed(self) -> bool:
        """Undo debt: an intent was written, and what it promised is not yet seen kept."""
        return self.intent_at is not None and not self.settled and not self.plan.irreversible

    @property
    def uncertain(self) -> bool:
        """Whether the inject was answered is not known: it may still take effect until its timeout has passed.

        A broken connection is no answer: whoever may still act on what was sent has not failed.
        """
        answered = self.injected_at is not None or (self.inject_failed and self.plan.strikes_within is None)
        return self.intent_at is not None and not answered


@dataclass
class RunState:
    """A run, folded."""

    run: str
    planned: Planned
    planned_at: float
    steps: dict[str, StepState] = field(default_factory=dict[str, StepState])
    admitted_at: float | None = None
    stopping: Stopping | None = None
    closed: Closed | None = None
    closed_at: float | None = None

    @property
    def debts(self) -> tuple[StepState, ...]:
        """The steps still owed, in the order of their intents."""
        owed = [s for s in self.steps.values() if s.owed]
        return tuple(sorted(owed, key=lambda s: (s.intent_at or 0.0, s.plan.id)))


def fold(entries: Sequence[Entry]) -> RunState | None:
    """The state of the run that these entries tell of; None while nothing is planned."""
    first = next((e for e in entries if isinstance(e.event, Planned)), None)
    if first is None or not isinstance(first.event, Planned):
        return None
    state = RunState(first.run, first.event, first.at, {s.id: StepState(s) for s in first.event.steps})
    for entry in entries:
        _apply(state, entry)
    return state


def _apply(state: RunState, entry: Entry) -> None:
    event = entry.event
    if isinstance(event, Closed):
        state.closed, state.closed_at = event, entry.at
    elif isinstance(event, Admitted):
        state.admitted_at = entry.at
    elif isinstance(event, Stopping):
        state.stopping = event
    step = state.steps.get(getattr(event, "step", ""))
    if step is not None:
        _apply_step(step, entry)


def _apply_step(step: StepState, entry: Entry) -> None:
    match entry.event:
        case Intent():
            step.intent_at = entry.at
        case Injected():
            step.injected_at = entry.at
        case InjectFailed(why=why):
            step.inject_failed = why or "failed"
        case UndoClaimed(epoch=epoch):
            step.epoch = epoch
            step.claimed_at = step.claimed_at or entry.at
        case Undone():
            step.undone_at = entry.at
        case UndoFailed(why=why):
            step.undo_failed = why
        case Verified(outcome=outcome, why=why):
            step.outcome, step.outcome_why, step.verified_at = outcome, why, entry.at
        case DebtCleared(abandoned=abandoned):
            step.cleared_at, step.abandoned = entry.at, abandoned
        case _:
            pass
