"""Figures, times and states in words: the same in the terminal and in the file."""

from __future__ import annotations

import datetime
import math

from chaosjc.journal.events import (
    Closed,
    DebtCleared,
    Event,
    Halted,
    Intent,
    Planned,
    Recovered,
    Refused,
    Resumed,
    StepPlan,
    Stopping,
    UndoClaimed,
    Verified,
)

NONE = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
GLYPHS: dict[str, str] = {
    "PASS": "✓", "FAIL": "✗", "INCONCLUSIVE": "?", "NOT-STARTED": NONE, "ABORTED": "■", "UNDO-FAILED": "!",
    "RUNNING": "▶",
}  # fmt: skip
STATES: dict[bool | None, str] = {True: "held", False: "violated", None: "no data"}
STATE_GLYPHS: dict[bool | None, str] = {True: "✓", False: "✗", None: "?"}


def number(value: float | str | None, *, unit: str = "") -> str:
    """Three significant digits, all of a whole number; NONE for none, text as it is."""
    if value is None:
        return NONE
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    whole = abs(value) < 1e9 and value == round(value)
    text = f"{value:.0f}" if whole or 1000 <= abs(value) < 1e9 else f"{value:.3g}"
    return f"{text.replace('-', MINUS)}{' ' if unit else ''}{unit}"


def seconds(value: float | None) -> str:
    """`0.012 s`, `12.3 s`, `2 min 05 s`, `1 h 02 min`: as exact as the length deserves."""
    if value is None:
        return NONE
    if round(value, 1) < 120:
        return f"{round(value, 1) or round(value, 3):g} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 120:
        return f"{minutes} min {rest:02} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02} min"


def offset(value: float) -> str:
    """`+12.3 s`, or with MINUS: counted from the first injection."""
    return (MINUS if value < 0 else "+") + seconds(abs(value))


def countdown(value: float) -> str:
    """`0:34`, `12:05`, `1:02:05`: for a figure that changes while one looks at it."""
    minutes, rest = divmod(max(0, math.ceil(value)), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def moment(at: float, *, digits: int = 1) -> str:
    """`12:34:56.7`, UTC."""
    shown = datetime.datetime.fromtimestamp(round(at, digits), tz=datetime.UTC)
    return f"{shown:%H:%M:%S}" + (f".{shown:%f}"[: digits + 1] if digits else "")


def day(at: float) -> str:
    """`Tue 24 Nov 2026 12:34:56 UTC`."""
    return f"{datetime.datetime.fromtimestamp(at, tz=datetime.UTC):%a %d %b %Y %H:%M:%S} UTC"


def what(event: Event, planned: Planned | None) -> tuple[str, str]:
    """An event for a log: on what, and what there is to say. Both may be empty; samples have nothing to say."""
    steps = {step.id: step for step in planned.steps} if planned else {}
    step = steps.get(getattr(event, "step", ""))
    subject = f"{step.fault} {step.target.name}" if step else getattr(event, "step", "")
    return subject, _detail(event, step)


def _detail(event: Event, step: StepPlan | None) -> str:
    match event:
        case Planned():
            said = f"{count(len(event.steps), 'step')}, {count(len(event.hypotheses), 'hypothesis')}, seed {event.seed}"
        case Intent() | UndoClaimed() | Verified() | DebtCleared():
            said = _step_detail(event, step)
        case Refused():
            said = f"{event.guard}: {event.reason}"
        case Stopping():
            said = f"{event.cause}: {event.why}"
        case Recovered():
            said = f"since {moment(event.since)}"
        case Closed():
            said = f"{event.verdict}: {event.reason}"
        case Halted() | Resumed():
            said = f"by {event.who}" + (f": {event.why}" if event.why else "")
        case _:
            said = getattr(event, "why", "")
    return said


def _step_detail(event: Intent | UndoClaimed | Verified | DebtCleared, step: StepPlan | None) -> str:
    match event:
        case Intent():
            return (step.inject if step else "") or f"by {event.owner}"
        case UndoClaimed():
            return f"try {event.epoch} by {event.owner}" + (f": {step.undo}" if step and step.undo else "")
        case Verified():
            return event.outcome + (f": {event.why}" if event.why else "")
        case DebtCleared():
            return f"abandoned: {event.abandoned}" if event.abandoned else "seen whole"


def count(number_: int, noun: str) -> str:
    """`1 step`, `2 steps`, `2 hypotheses`."""
    plural = f"{noun[:-2]}es" if noun.endswith("is") else f"{noun}s"
    return f"{number_} {noun if number_ == 1 else plural}"
