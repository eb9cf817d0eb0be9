"""A run, read once for all that show it: its plan, its judgement, and each check laid out over all of its time."""

from __future__ import annotations

import itertools
import math
import shlex
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from chaosjc.errors import JournalError
from chaosjc.journal import measure, phases, violations
from chaosjc.journal.events import (
    CheckPlan,
    Closed,
    Entry,
    HypothesisPlan,
    Intent,
    Phase,
    Planned,
    Sample,
    Stopping,
    UndoClaimed,
)
from chaosjc.journal.state import RunState, StepState, fold
from chaosjc.journal.timeline import Point, Span, Window
from chaosjc.journal.verdict import Judgement, judge
from chaosjc.spec import settings
from chaosjc.spec.expect import Expect, of_plan


@dataclass(frozen=True)
class Story:
    """One run. `judgement` is of the events so far; `closed` is None while the run goes on."""

    state: RunState
    judgement: Judgement
    entries: tuple[Entry, ...]  # without samples
    samples: tuple[Sample, ...]
    window: Window  # all that there is to show

    @property
    def planned(self) -> Planned:
        """What the run meant to do."""
        return self.state.planned

    @property
    def closed(self) -> Closed | None:
        """The recorded end."""
        return self.state.closed

    @property
    def label(self) -> str:
        """The verdict, or RUNNING."""
        return self.closed.verdict if self.closed else "RUNNING"

    @property
    def reason(self) -> str:
        """Why, in a sentence."""
        return self.closed.reason if self.closed else "the run goes on; nothing is decided yet"

    @property
    def anew(self) -> str:
        """How a closed run is judged now, in a sentence, where that is not what was recorded at its end; else empty."""
        judged, closed = self.judgement, self.closed
        if closed is None or (judged.verdict, judged.code) == (closed.verdict, closed.code):
            return ""
        return f"{judged.verdict}, by the rules of this version: {judged.reason}"

    @property
    def origin(self) -> tuple[float, str]:
        """What times are counted from, and what that was."""
        at = self.judgement.moments
        gate = "admission" if self.state.admitted_at is not None else "the refusal"
        known = (
            (at.first_injected, "the first injection"),
            (at.first_intent, "the first try to inject"),
            (at.gate, gate),
        )
        return next(((time, what) for time, what in known if time is not None), (self.state.planned_at, "the plan"))

    @property
    def zero(self) -> float:
        """The time of the origin."""
        return self.origin[0]

    @property
    def begun(self) -> bool:
        """Whether anything was injected, or tried."""
        return self.judgement.moments.first_intent is not None

    def over(self, step: StepState) -> float | None:
        """When nothing was left of a step, or, of what nothing can undo, its time had passed; None before that."""
        if not step.plan.irreversible:
            return step.verified_at if step.settled else None
        stopped = next((entry.at for entry in self.entries if isinstance(entry.event, Stopping)), None)
        return phases.over_at(step, stopped, self.judgement.moments.last)

    @property
    def steps(self) -> tuple[StepState, ...]:
        """The steps of the plan as they stand, in its order."""
        return tuple(self.state.steps.values())

    @property
    def owners(self) -> tuple[str, ...]:
        """The processes that injected and undid."""
        owners = (e.event.owner for e in self.entries if isinstance(e.event, Intent | UndoClaimed))
        return tuple(dict.fromkeys(owners))


@dataclass(frozen=True)
class Track:
    """One check over the run: the samples of each series, what was judged of it, and the bounds of what is expected.

    `judged` covers the phases that count for the check and may have holes between them.
    """

    check: CheckPlan
    interval: float
    series: dict[str, tuple[Point, ...]]
    judged: tuple[Span, ...]
    expect: Expect
    before: float | None  # the median in the phase before the faults, for an expectation that refers to it

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The bounds of what is expected, ascending."""
        return tuple(bound for bound in self.expect.threshold(self.before) if math.isfinite(bound))


def read(entries: Sequence[Entry]) -> Story:
    """Read one run. JournalError if nothing was planned."""
    state = fold(entries)
    if state is None:
        raise JournalError("this run has no plan in the journal, so there is nothing to report")
    judgement, samples = judge(entries), measure.samples_of(entries)
    if judgement.moments.first_intent is None:
        judgement = _as_at_the_gate(judgement, samples)
    story = tuple(entry for entry in entries if not isinstance(entry.event, Sample))
    return Story(state, judgement, story, samples, _extent(entries, judgement))


def _as_at_the_gate(judgement: Judgement, samples: tuple[Sample, ...]) -> Judgement:
    """With the baseline as the engine itself saw it when it decided: the next samples were not overdue then."""
    measured = tuple(
        measure.measure(each.plan, samples, judgement.windows, slack=_slack(measure.evidence(each.plan, samples)))
        for each in judgement.hypotheses
    )
    return replace(judgement, hypotheses=measured)


def _slack(evidence: measure.Evidence) -> float:
    """How long after its interval a newest sample may still be the newest: see journal.live.steady."""
    return evidence.interval + evidence.check.every


def track(story: Story, check: CheckPlan) -> Track:
    """Lay out one check, by the rules that judged it."""
    windows = story.judgement.windows
    early = windows.get("before") if isinstance(check, HypothesisPlan) else phases.baseline(story.state)
    found = measure.evidence(check, story.samples)
    ruler = measure.Ruler(found, early, slack=None if story.begun else _slack(found))
    judged = [span for chosen in _asked(story, check) for span in _judged(ruler, chosen)]
    before = statistics.median(ruler.reference.values()) if ruler.reference else None
    points = ruler.points(ruler.readings(_tiles(story)))
    return Track(check, ruler.evidence.interval, points, tuple(judged), of_plan(check.expect), before)


def _judged(ruler: measure.Ruler, windows: dict[Phase, Window]) -> tuple[Span, ...]:
    """The states over one stretch; where no series ever answered, nothing is known of all of it."""
    found = measure.stretch(ruler, windows).combined
    whole = Span(min(w.start for w in windows.values()), max(w.end for w in windows.values()), None)
    return found or (whole,)


def _asked(story: Story, check: CheckPlan) -> list[dict[Phase, Window]]:
    """The stretches of time in which the check counts: for one of recovery, from the first undo call on."""
    if not check.expect:
        return []
    windows, at = story.judgement.windows, story.judgement.moments
    if isinstance(check, HypothesisPlan):
        stretches: list[dict[Phase, Window]] = [
            {name: windows[name] for name in names if name in windows and name in check.phases}
            for names in measure.STRETCHES
        ]
        return [chosen for chosen in stretches if chosen]
    if at.first_undo is None:
        return []
    end = next(time for time in (at.recovered, at.gave_up, at.settling, at.last) if time is not None)
    return [{"recovering": Window(at.first_undo, max(end, at.first_undo))}]


def command(planned: Planned, *words_: str) -> str:
    """What to type to act on what a run left: it names the state directory where that is not the usual one."""
    state = ["--state", planned.context.state] if planned.context.state else []
    return shlex.join(["chaosjc", *words_, *state])


def repeat_command(planned: Planned) -> str:
    """What to type to run the same again: same file, site, cloud, seed and values, from where it was begun."""
    context = planned.context
    words_ = ["chaosjc", "run", planned.path or planned.experiment]
    words_ += ["--site", context.site_path or f"sites/{planned.site}.yaml"] if planned.site else []
    words_ += ["--prometheus", context.prometheus] if context.prometheus else []
    words_ += ["--state", context.state] if context.state else []
    words_ += ["--seed", str(planned.seed)]
    for name, value in planned.vars.items():
        words_ += ["--set", f"{name}={settings.write(value)}"]
    there = [f"cd {shlex.quote(context.directory)} &&"] if context.directory else []
    clouds = [f"{name}={shlex.quote(value)}" for name, value in context.environment.items() if planned.site]
    return " ".join([*there, *clouds, shlex.join(words_)])


def promise(story: Story) -> Literal["kept", "late", "not seen"] | None:
    """What became of the promised recovery; None where nothing was undone."""
    if story.judgement.moments.first_undo is None:
        return None
    took = story.judgement.time_to_recover
    if took is None:
        return "not seen"
    return "kept" if took <= story.planned.recovery.within else "late"


def budget(story: Story) -> tuple[float | None, float]:
    """Seconds of violation from the first injection to recovery, and how many were tolerated, of all hypotheses.

    The first is None where nobody can say it.
    """
    return violations.spent(story.judgement.hypotheses), sum(plan.tolerate for plan in story.planned.hypotheses)


def _extent(entries: Sequence[Entry], judgement: Judgement) -> Window:
    windows = judgement.windows.values()
    ended = [entry.at for entry in entries if not isinstance(entry.event, Sample)]
    closed = next((entry.at for entry in entries if isinstance(entry.event, Closed)), max(ended))
    start = min([window.start for window in windows], default=ended[0])
    end = max([*(window.end for window in windows), closed])
    return Window(start, max(end, start + 1.0))


def _tiles(story: Story) -> list[Window]:
    """The phases and what lies between them: each reading is taken as it was judged, the rest as it was seen."""
    edges = [story.window.start]
    for window in story.judgement.windows.values():
        edges += [max(window.start, edges[-1]), max(window.end, edges[-1])]
    edges.append(max(story.window.end, edges[-1]))
    return [Window(start, end) for start, end in itertools.pairwise(edges) if end > start]
