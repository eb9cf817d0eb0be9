"""A run as it goes on: fed with its entries as they come, it knows how things stand. For people; the journal judges."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chaosjc.journal import phases
from chaosjc.journal.events import (
    Admitted,
    CheckPlan,
    Closed,
    Entry,
    HypothesisPlan,
    Intent,
    NotRecovered,
    Planned,
    Recovered,
    Refused,
    Sample,
    Settling,
)
from chaosjc.journal.state import RunState, StepState, following
from chaosjc.journal.timeline import Quorum
from chaosjc.spec.expect import of_plan

KEPT = 120  # looks of a check, for its sparkline
JITTER = 1.5  # intervals after which what a look showed is no longer known


@dataclass(frozen=True)
class Look:
    """What a check showed at one instant.

    `value` is that of the series that decides, the first violated one if any; of an observation, the greatest.
    """

    time: float
    held: bool | None
    value: float | str | None


@dataclass
class Gauge:
    """One check as it goes on."""

    plan: CheckPlan
    looks: deque[Look] = field(default_factory=lambda: deque[Look](maxlen=KEPT))
    violated: float = 0.0  # seconds, roughly: what counts is judged at the end
    before: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    seen: set[str] = field(default_factory=set[str])

    @property
    def last(self) -> Look | None:
        """The newest look."""
        return self.looks[-1] if self.looks else None

    def state(self, now: float) -> bool | None:
        """Held, violated or no data at this moment: a look that is older than it may be says nothing."""
        fresh = self.plan.every * JITTER + self.plan.timeout
        return self.last.held if self.last and now - self.last.time <= fresh else None

    def look(self, at: float, sample: Sample, *, early: bool) -> None:
        """Take a sample in; those before admission say what to expect later."""
        answers = {reading.series: reading.value for reading in sample.readings if reading.value is not None}
        if early:
            self.seen |= answers.keys()
            for series, value in answers.items():
                if not isinstance(value, str):
                    self.before.setdefault(series, []).append(value)
        found = self._judge(answers) if self.plan.expect else _greatest(answers)
        if self.last and self.last.held is False:
            self.violated += min(at - self.last.time, self.plan.every * JITTER + self.plan.timeout)
        self.looks.append(Look(at, *found))

    def _judge(self, answers: Mapping[str, float | str]) -> tuple[bool | None, float | str | None]:
        expect = of_plan(self.plan.expect)
        medians = {series: statistics.median(self.before[series]) for series in answers if series in self.before}
        states = {series: expect.holds(value, medians.get(series)) for series, value in answers.items()}
        known = list(states.values())
        unknown = known.count(None) + len(self.seen - answers.keys())
        held = Quorum(self.plan.require, self.plan.series).state(known.count(True), known.count(False), unknown)
        deciding = next((series for series, state in states.items() if state is held), None)
        return held, answers[deciding] if deciding is not None else None


def _greatest(answers: Mapping[str, float | str]) -> tuple[bool | None, float | str | None]:
    """What there is to say of what is observed only: held, if anything answered."""
    numbers = [value for value in answers.values() if not isinstance(value, str)]
    value = max(numbers) if numbers else next(iter(answers.values()), None)
    return (True if answers else None), value


@dataclass
class Tracker:
    """Everything that a view of a running run shows."""

    entries: list[Entry] = field(default_factory=list[Entry])  # without samples
    gauges: dict[str, Gauge] = field(default_factory=dict[str, Gauge])
    phase: str = ""
    phase_since: float = 0.0
    admitted_at: float | None = None
    run: RunState | None = None
    newest: int = -1

    @property
    def planned(self) -> Planned | None:
        """The plan, once it is there."""
        return self.run.planned if self.run else None

    @property
    def hypotheses(self) -> list[Gauge]:
        """The gauges of the hypotheses."""
        return [gauge for gauge in self.gauges.values() if isinstance(gauge.plan, HypothesisPlan)]

    @property
    def observations(self) -> list[Gauge]:
        """The gauges of what is watched without a claim."""
        return [self.gauges[plan.id] for plan in self.planned.observations] if self.planned else []

    def due(self, step: StepState) -> float | None:
        """When a step that has not begun is to begin; None before the first, and where it never will."""
        if self.run is None or self.run.stopping or self.run.closed:
            return None
        first = min((s.intent_at for s in self.run.steps.values() if s.intent_at is not None), default=None)
        return None if first is None else first + step.plan.start

    def update(self, entries: Iterable[Entry]) -> None:
        """Take in what is new, in order; anything seen already is ignored."""
        for entry in entries:
            if entry.seq <= self.newest:
                continue
            self.newest = entry.seq
            if isinstance(entry.event, Sample):
                self._sample(entry.at, entry.event)
            else:
                self.entries.append(entry)
                self.run = following(self.run, entry)
                self._enter(entry)
                self.pass_time(entry.at)

    def pass_time(self, now: float) -> None:
        """What no event may tell: when all is undone, and what nothing can undo is over with its time."""
        if self.phase == "during" and (since := phases.present(self.run, now).get("recovering")):
            self._phase("recovering", since.start)

    def _sample(self, at: float, sample: Sample) -> None:
        gauge = self.gauges.get(sample.check)
        if gauge and sample.source == "live":
            gauge.look(at, sample, early=self.admitted_at is None)

    def _enter(self, entry: Entry) -> None:
        match entry.event:
            case Planned() as planned:
                # by default recovery is the hypotheses themselves, under the same ids: those are what is shown
                plans = (*planned.recovery.until, *planned.observations, *planned.hypotheses)
                self.gauges = {plan.id: Gauge(plan) for plan in plans}
                self._phase("before", entry.at)
            case Admitted():
                self.admitted_at = entry.at
            case Intent() if self.phase == "before":
                self._phase("during", entry.at)
            case Recovered() | NotRecovered():
                self._phase("recovered" if isinstance(entry.event, Recovered) else "not recovered", entry.at)
            case Settling():
                self._phase("after", entry.at)
            case Refused() | Closed():
                self._phase("closed", entry.at)
            case _:
                pass

    def _phase(self, name: str, at: float) -> None:
        self.phase, self.phase_since = name, at


def transitions(tracker: Tracker, known: dict[str, bool | None]) -> list[tuple[Gauge, Look]]:
    """The checks whose state changed since `known`, which is brought up to date."""
    changed: list[tuple[Gauge, Look]] = []
    for gauge in tracker.hypotheses:
        if gauge.last is None or (gauge.plan.id in known and known[gauge.plan.id] is gauge.last.held):
            continue
        if gauge.plan.id in known or gauge.last.held is not True:
            changed.append((gauge, gauge.last))
        known[gauge.plan.id] = gauge.last.held
    return changed
