"""What the samples of a run say of each check: held or not in each phase, outages, and figures for people."""

from __future__ import annotations

import bisect
import itertools
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from chaosjc.journal import timeline
from chaosjc.journal.events import CheckPlan, Entry, HypothesisPlan, Phase, Reading, Sample
from chaosjc.journal.timeline import Point, Quorum, Span, Window
from chaosjc.spec import expect

STRETCHES: tuple[tuple[Phase, ...], ...] = (("before",), ("during", "recovering"), ("after",))
"""Phases that share one allowance of violated time; only the middle one has any."""

FEW = 10
"""A phase *recovering* of fewer samples is covered if it is together with *during*: one late answer must not decide."""

SOME = 2
"""But one in which so many were due must have had one: no data is never a pass."""

ROUNDING = 1e-6  # seconds, or parts of a whole: sums of floats are not exact


@dataclass(frozen=True)
class PhaseResult:
    """One hypothesis in one phase.

    `samples` and `expected` are counts of the series with the fewest, `violated_s` and `unknown_s` seconds of all
    series together; `coverage` is the part of the time of which something is known, `worst` the value farthest from
    what is expected. `held` is None where nobody can say.
    """

    held: bool | None
    samples: int
    expected: int
    violated_s: float
    unknown_s: float
    worst: float | str | None
    coverage: float


@dataclass(frozen=True)
class Outage:
    """A stretch in which one series of a hypothesis was violated; seconds since 1970."""

    hypothesis: str
    series: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.end - self.start


@dataclass(frozen=True)
class Distribution:
    """The numbers that a hypothesis' series showed in one phase; p95 by linear interpolation."""

    n: int
    min: float
    median: float
    p95: float
    max: float


@dataclass(frozen=True)
class HypothesisResult:
    """A hypothesis over the whole run; `held` only if it held in each of its phases, `worst` as in PhaseResult."""

    plan: HypothesisPlan
    held: bool | None
    phases: dict[Phase, PhaseResult]
    outages: tuple[Outage, ...] = ()
    violated: tuple[Span, ...] = ()  # the hypothesis itself, whatever single series did
    distributions: dict[Phase, Distribution] = field(default_factory=dict[Phase, Distribution])
    worst: float | str | None = None
    why_unknown: str = ""  # what the source said where it gave no value

    @property
    def name(self) -> str:
        """As in the file."""
        return self.plan.name

    @property
    def spent(self) -> float:
        """Of its error budget, `tolerate`: seconds of violation from the first injection to recovery."""
        return sum((result.violated_s for phase, result in self.phases.items() if phase in STRETCHES[1]), 0.0)


@dataclass(frozen=True)
class Evidence:
    """All readings of one check, and the interval in which each series is due."""

    check: CheckPlan
    interval: float
    live: tuple[Reading, ...]
    backfill: tuple[Reading, ...]

    def within(self, window: Window) -> tuple[Reading, ...]:
        """The readings of a phase: backfilled ones replace live ones, but where the source has lost them since.

        Samples from just before the phase belong to it as long as they stand for its beginning.
        """
        early = self._early(window)
        live = [r for r in self.live if early < r.time <= window.end]
        filled = [r for r in self.backfill if r.value is not None and early < r.time <= window.end]
        if not filled:
            return tuple(live)
        times: dict[str, list[float]] = {}
        for reading in sorted(filled, key=lambda r: r.time):
            times.setdefault(reading.series, []).append(reading.time)
        apart = self.interval * timeline.JITTER / 2  # from all of them: those beside it leave a gap then
        return (*filled, *(r for r in live if _distance(times.get(r.series, ()), r.time) > apart))

    def before(self, window: Window) -> tuple[Reading, ...]:
        """What the source told of the time before a phase, and is not of it."""
        return tuple(r for r in self.backfill if r.value is not None and r.time <= self._early(window))

    def _early(self, window: Window) -> float:
        return window.start - self.interval * timeline.JITTER


def evidence(check: CheckPlan, samples: Iterable[Sample]) -> Evidence:
    """Gather what was asked for one check; the interval is the first that a source named, else `every`.

    What came with a value counts first: of a series that is not there yet, a source can only guess.
    """
    live: list[Reading] = []
    backfill: list[Reading] = []
    for sample in samples:
        if sample.check == check.id:
            (backfill if sample.source == "backfill" else live).extend(sample.readings)
    told = (*live, *backfill)
    first = itertools.chain((reading for reading in told if reading.value is not None), told)
    interval = next((reading.interval for reading in first if reading.interval > 0), check.every)
    return Evidence(check, interval, tuple(live), tuple(backfill))


def _distance(times: Sequence[float], time: float) -> float:
    """Seconds to the nearest of some times, which are in order."""
    after = bisect.bisect_left(times, time)
    return min((abs(time - each) for each in times[max(after - 1, 0) : after + 1]), default=math.inf)


def samples_of(entries: Iterable[Entry]) -> tuple[Sample, ...]:
    """The sample events, in order."""
    return tuple(entry.event for entry in entries if isinstance(entry.event, Sample))


class Ruler:
    """Lays the evidence of one check along time: the one way from readings to states, live and afterwards.

    The series seen in `before` are expected ever after; without any, those seen in the stretch itself. `slack` as in
    `timeline.spans`.
    """

    def __init__(self, evidence: Evidence, before: Window | None, *, slack: float | None = None) -> None:
        self.evidence = evidence
        self._expect = expect.of_plan(evidence.check.expect)
        self._quorum = Quorum(evidence.check.require, evidence.check.series)
        self._slack = slack
        early = evidence.within(before) if before else ()
        self.reference = timeline.medians(early)
        self.seen = frozenset(reading.series for reading in early if reading.value is not None)

    def points(self, readings: Iterable[Reading]) -> dict[str, tuple[Point, ...]]:
        """The judged samples of each series."""
        return timeline.points(readings, self._expect, self.reference)

    def readings(self, windows: Sequence[Window]) -> tuple[Reading, ...]:
        """The readings of phases that follow one another."""
        chosen = {(r.series, r.time, r.value, r.why): r for window in windows for r in self.evidence.within(window)}
        return tuple(chosen.values())

    def lines(self, points: Mapping[str, Sequence[Point]], window: Window) -> dict[str, tuple[Span, ...]]:
        """The states over the window of each series that is expected or was seen in it."""
        names = sorted(self.seen | points.keys())
        return {
            name: timeline.spans(points.get(name, ()), self.evidence.interval, window, slack=self._slack)
            for name in names
        }

    def state(self, states: Mapping[str, bool | None]) -> bool | None:
        """The state of the check at an instant at which its series were in these."""
        found = [states.get(name) for name in states.keys() | self.seen]
        return self._quorum.state(found.count(True), found.count(False), found.count(None))

    def combined(self, lines: Mapping[str, Sequence[Span]]) -> tuple[Span, ...]:
        """The states of the check as a whole; a series that was not expected is not missed."""
        expected = self.seen or lines.keys()
        others = [line for name, line in lines.items() if name not in expected]
        return timeline.combine((lines[name] for name in expected), others, self._quorum)

    def coverage(self, lines: Mapping[str, Sequence[Span]], combined: Sequence[Span]) -> float:
        """The known part of the time of the series that has the least; with `require: any`, of the check.

        Of `series: N`, the Nth best counts too, whether it was seen before or not.
        """
        if self.evidence.check.require == "any":
            return timeline.known_share(combined)
        expected = self.seen or lines.keys()
        shares = {name: timeline.known_share(line) for name, line in lines.items()}
        wanted = self.evidence.check.series or 1
        if len(shares) < wanted:
            return 0.0
        return min(sorted(shares.values(), reverse=True)[wanted - 1], *(shares[name] for name in expected))

    def worst(self, points: Iterable[Point]) -> float | str | None:
        """The value farthest on the wrong side of what is expected, else nearest to it; the first text violated."""
        found = sorted(points, key=lambda point: (point.held, point.time))
        return max(found, key=self._badness).value if found else None

    def _badness(self, point: Point) -> tuple[bool, float]:
        bounds = self._expect.threshold(statistics.median(self.reference.values()) if self.reference else None)
        if isinstance(point.value, str) or not bounds:
            return not point.held, 0.0
        distance = min(abs(point.value - bound) for bound in bounds)
        return not point.held, -distance if point.held else distance


@dataclass(frozen=True)
class Stretch:
    """Phases that follow one another, laid out as one, so that a gap or an outage across their border stays whole."""

    windows: dict[Phase, Window]
    points: dict[str, tuple[Point, ...]]
    lines: dict[str, tuple[Span, ...]]
    combined: tuple[Span, ...]


def stretch(ruler: Ruler, windows: dict[Phase, Window]) -> Stretch:
    """Lay out the phases in `windows`, which is not empty."""
    points = ruler.points(ruler.readings(list(windows.values())))
    whole = Window(min(w.start for w in windows.values()), max(w.end for w in windows.values()))
    lines = ruler.lines(points, whole)
    return Stretch(windows, points, lines, ruler.combined(lines))


def measure(
    plan: HypothesisPlan, samples: Iterable[Sample], windows: Mapping[Phase, Window], *, slack: float | None = None
) -> HypothesisResult:
    """Judge one hypothesis in each of its phases that has begun."""
    ruler = Ruler(evidence(plan, samples), windows.get("before"), slack=slack)
    phases: dict[Phase, PhaseResult] = {}
    outages: list[Outage] = []
    violated: list[Span] = []
    distributions: dict[Phase, Distribution] = {}
    judged: list[Point] = []
    for names in STRETCHES:
        asked: dict[Phase, Window] = {
            phase: windows[phase] for phase in names if phase in windows and phase in plan.phases
        }
        if asked:
            laid = stretch(ruler, asked)
            phases |= _judge(plan, ruler, laid)
            outages += _outages(plan.name, laid)
            violated += _violated(laid.combined)
            distributions |= _distributions(laid)
            judged += [point for series in laid.points.values() for point in series]
    held = worst_of([phases[phase].held if phase in phases else None for phase in plan.phases])
    worst, why = ruler.worst(judged), _why_unknown(ruler.evidence)
    return HypothesisResult(plan, held, phases, tuple(outages), tuple(violated), distributions, worst, why)


def distributions(
    check: CheckPlan, samples: Iterable[Sample], windows: Mapping[Phase, Window]
) -> dict[Phase, Distribution]:
    """What a check showed in each phase, whatever is expected of it: all its series together."""
    ruler = Ruler(evidence(check, samples), windows.get("before"))
    return {
        phase: figures
        for phase, window in windows.items()
        for figures in _distributions(stretch(ruler, {phase: window})).values()
    }


def worst_of(states: Iterable[bool | None]) -> bool | None:
    """False if any is, else None if any is, else True."""
    seen = set(states)
    return False if False in seen else None if None in seen else True


def tolerated(plan: HypothesisPlan, phases: Iterable[Phase]) -> float:
    """Seconds of violation that are allowed in all in some phases of one stretch."""
    return plan.tolerate if set(STRETCHES[1]).intersection(phases) else 0.0


def _judge(plan: HypothesisPlan, ruler: Ruler, laid: Stretch) -> dict[Phase, PhaseResult]:
    too_much = timeline.seconds(laid.combined, held=False) > tolerated(plan, laid.windows) + ROUNDING
    return {phase: _phase(plan, ruler, laid, phase, too_much=too_much) for phase in laid.windows}


def _phase(plan: HypothesisPlan, ruler: Ruler, laid: Stretch, phase: Phase, *, too_much: bool) -> PhaseResult:
    window, interval = laid.windows[phase], ruler.evidence.interval
    combined = timeline.clip(laid.combined, window)
    violated = timeline.seconds(combined, held=False)
    coverage = _coverage(ruler, laid, phase)
    near = {name: [p for p in series if _stands(p, window, interval)] for name, series in laid.points.items()}
    counts = [sum(p.time >= window.start for p in near.get(name, ())) for name in ruler.seen or near]
    return PhaseResult(
        held=_held(coverage, plan.min_coverage, violated=violated > 0 and too_much),
        samples=min(counts, default=0),
        expected=max(1, round(window.length / interval)) if window.length else 0,
        violated_s=violated,
        unknown_s=timeline.seconds(combined, held=None) if combined else window.length,
        worst=ruler.worst(point for series in near.values() for point in series),
        coverage=coverage,
    )


def _coverage(ruler: Ruler, laid: Stretch, phase: Phase) -> float:
    window, interval = laid.windows[phase], ruler.evidence.interval
    if phase == "recovering" and window.length < FEW * interval:
        blind = window.length >= SOME * interval and not _sampled(ruler, laid, window)
        return 0.0 if blind else ruler.coverage(laid.lines, laid.combined)
    lines = {name: timeline.clip(line, window) for name, line in laid.lines.items()}
    return ruler.coverage(lines, timeline.clip(laid.combined, window))


def _sampled(ruler: Ruler, laid: Stretch, window: Window) -> bool:
    """Whether samples were taken in the phase itself: the last one before it stands for its beginning only."""
    points = {name: [p for p in series if window.start <= p.time <= window.end] for name, series in laid.points.items()}
    lines = ruler.lines(points, window)
    return ruler.coverage(lines, ruler.combined(lines)) > 0


def _held(coverage: float, least: float, *, violated: bool) -> bool | None:
    if violated:
        return False
    return None if coverage == 0 or coverage < least - ROUNDING else True


def _stands(point: Point, window: Window, interval: float) -> bool:
    """Whether the sample says something about the phase."""
    return window.start - interval < point.time <= window.end


def _outages(name: str, laid: Stretch) -> list[Outage]:
    return [
        Outage(name, series, span.start, span.end) for series, line in laid.lines.items() for span in _violated(line)
    ]


def _violated(line: Iterable[Span]) -> list[Span]:
    return [span for span in line if span.held is False and span.seconds > 0]


def _distributions(laid: Stretch) -> dict[Phase, Distribution]:
    found: dict[Phase, Distribution] = {}
    for phase, window in laid.windows.items():
        values = [
            float(point.value)
            for series in laid.points.values()
            for point in series
            if window.start <= point.time <= window.end and not isinstance(point.value, str)
        ]
        if values:
            found[phase] = distribution(values)
    return found


def distribution(values: Sequence[float]) -> Distribution:
    """Of at least one number."""
    ordered = sorted(values)
    return Distribution(len(ordered), ordered[0], quantile(ordered, 0.5), quantile(ordered, 0.95), ordered[-1])


def quantile(ordered: Sequence[float], q: float) -> float:
    """Of numbers in order, by linear interpolation; beside an infinite one there is nothing between."""
    place = q * (len(ordered) - 1)
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    part = place - math.floor(place)
    return low if low == high or part == 0 else low + (high - low) * part


def _why_unknown(evidence: Evidence) -> str:
    """What the source said most often where it gave no value."""
    said = Counter(reading.why for reading in evidence.live + evidence.backfill if reading.value is None)
    return said.most_common(1)[0][0] if said else ""
