"""Where each step of a run stands, read from its events alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from chaosjc.journal.events import (
    Admitted,
    Closed,
    DebtCleared,
    Entry,
    Injected,
    InjectFailed,
    Intent,
    NotRecovered,
    Outcome,
    Planned,
    Recovered,
    Refused,
    Settling,
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
    """A run, folded; times in seconds since 1970. Who looks at one often keeps it, and applies what is new."""

    run: str
    planned: Planned
    planned_at: float
    steps: dict[str, StepState] = field(default_factory=dict[str, StepState])
    refused_at: float | None = None
    admitted_at: float | None = None
    stopping: Stopping | None = None
    stopped_at: float | None = None  # the first time that it was to stop
    recovered_since: float | None = None
    gave_up_at: float | None = None
    settling_at: float | None = None
    closed: Closed | None = None
    closed_at: float | None = None
    newest_at: float = 0.0  # of all events

    @property
    def debts(self) -> tuple[StepState, ...]:
        """The steps still owed, in the order of their intents."""
        owed = [s for s in self.steps.values() if s.owed]
        return tuple(sorted(owed, key=lambda s: (s.intent_at or 0.0, s.plan.id)))

    def apply(self, entry: Entry) -> None:
        """Take in the next event of the run."""
        self.newest_at = max(self.newest_at, entry.at)
        step = self.steps.get(getattr(entry.event, "step", ""))
        if step is None:
            self._apply(entry)
        else:
            _apply_step(step, entry)

    def copy(self) -> RunState:
        """As it stands now, whatever is applied to this one later."""
        return replace(self, steps={id: replace(step) for id, step in self.steps.items()})

    def _apply(self, entry: Entry) -> None:
        match entry.event:
            case Refused():
                self.refused_at = _first(self.refused_at, entry.at)
            case Admitted():
                self.admitted_at = _first(self.admitted_at, entry.at)
            case Stopping() as stopping:
                self.stopping, self.stopped_at = stopping, _first(self.stopped_at, entry.at)
            case Recovered(since=since):
                self.recovered_since = _first(self.recovered_since, since)
            case NotRecovered():
                self.gave_up_at = _first(self.gave_up_at, entry.at)
            case Settling():
                self.settling_at = _first(self.settling_at, entry.at)
            case Closed() as closed:
                self.closed, self.closed_at = closed, entry.at
            case _:
                pass


def fold(entries: Iterable[Entry]) -> RunState | None:
    """The state of the run that these entries tell of; None while nothing is planned."""
    state: RunState | None = None
    for entry in entries:
        state = following(state, entry)
    return state


def following(state: RunState | None, entry: Entry) -> RunState | None:
    """The state once an entry is told too: the same, brought up to date; what precedes the plan tells nothing."""
    if state is not None:
        state.apply(entry)
    elif isinstance(entry.event, Planned):
        steps = {step.id: StepState(step) for step in entry.event.steps}
        return RunState(entry.run, entry.event, entry.at, steps, newest_at=entry.at)
    return state


def _first(known: float | None, time: float) -> float:
    return time if known is None else known


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
