"""Samples laid out in time: which stretch of it was held, which violated, and of which nothing is known.

A sample stands for the time from its own to the next one's, at most for the interval in which the next is due; what is
left is a gap. A gap beside a violated sample counts as violated, since nobody saw it end.
"""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from chaosjc.journal.events import Reading
from chaosjc.spec.expect import Expect

JITTER = 1.5
"""A next sample within this many intervals is late, not lost: no scraper and no poll is exact."""


@dataclass(frozen=True)
class Window:
    """From `start` to `end`, in seconds since 1970; it may be empty, never negative."""

    start: float
    end: float

    @property
    def length(self) -> float:
        """Seconds."""
        return self.end - self.start


@dataclass(frozen=True)
class Point:
    """A sample that could be judged."""

    time: float
    value: float | str
    held: bool


@dataclass(frozen=True)
class Span:
    """A stretch of one state: held, violated (False) or unknown (None)."""

    start: float
    end: float
    held: bool | None

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start


@dataclass(frozen=True)
class Quorum:
    """How the states of many series make one: `require` all or any, of at least `series` that answer."""

    require: Literal["all", "any"] = "all"
    series: int | None = None

    def state(self, held: int, violated: int, unknown: int) -> bool | None:
        """The one state of so many held, violated and unknown series; no series at all is unknown."""
        known = held + violated
        if self.require == "all" and violated:
            return False
        if known == 0 or known < (self.series or 0):
            return None
        if self.require == "any" and held:
            return True
        return None if unknown else held > 0


def points(readings: Iterable[Reading], expect: Expect, before: Mapping[str, float]) -> dict[str, tuple[Point, ...]]:
    """The samples of each series that have a value which can be judged, in order, one for each sample time.

    `before` is the value of each series before the faults. Of two answers with one time the violated one stays, so that
    the order in which they were asked does not matter.
    """
    found: dict[str, dict[float, Point]] = {}
    for reading in readings:
        if reading.value is None:
            continue
        held = expect.holds(reading.value, before.get(reading.series))
        if held is None:
            continue
        series = found.setdefault(reading.series, {})
        known = series.get(reading.time)
        if known is None or (known.held and not held):
            series[reading.time] = Point(reading.time, reading.value, held)
    return {name: tuple(series[time] for time in sorted(series)) for name, series in sorted(found.items())}


def spans(series: Sequence[Point], interval: float, window: Window, *, slack: float | None = None) -> tuple[Span, ...]:
    """The states of one series over the whole of `window`, in order and without overlap.

    `slack` is for a run that goes on: its newest sample stands for so many seconds more than its interval, and what
    comes then is not yet known, whatever that sample was.
    """
    standing = _standing(series, interval, window, slack or 0.0)
    if window.length == 0:
        return standing[-1:] or (Span(window.start, window.end, None),)
    return tuple(_merged(_with_gaps(standing, window, ongoing=slack is not None)))


def combine(expected: Iterable[Sequence[Span]], others: Iterable[Sequence[Span]], quorum: Quorum) -> tuple[Span, ...]:
    """One timeline of many over the same window; () of none. Only `expected` series are missed where unknown."""
    lines = [(line, True) for line in expected if line] + [(line, False) for line in others if line]
    if not lines:
        return ()
    count: Counter[bool | None] = Counter(line[0].held for line, missed in lines if missed or line[0].held is not None)
    result: list[Span] = []
    start, end = lines[0][0][0].start, lines[0][0][-1].end
    changes = [(b.start, missed, a.held, b.held) for line, missed in lines for a, b in itertools.pairwise(line)]
    for time, missed, old, new in sorted(changes, key=lambda change: change[0]):
        if time > start:
            result.append(Span(start, time, quorum.state(count[True], count[False], count[None])))
            start = time
        count[old] -= missed or old is not None
        count[new] += missed or new is not None
    result.append(Span(start, end, quorum.state(count[True], count[False], count[None])))
    return tuple(_merged(result))


def seconds(timeline: Iterable[Span], held: bool | None) -> float:
    """How long the timeline was in this state."""
    return sum((span.seconds for span in timeline if span.held is held), 0.0)


def known_share(timeline: Sequence[Span]) -> float:
    """The part of the time of which something is known, 0 to 1; that of an instant is 0 or 1."""
    if not timeline:
        return 0.0
    length = timeline[-1].end - timeline[0].start
    if length == 0:
        return float(timeline[0].held is not None)
    return 1 - seconds(timeline, None) / length


def clip(timeline: Iterable[Span], window: Window) -> tuple[Span, ...]:
    """The part of a timeline that lies in `window`."""
    cut = (Span(max(s.start, window.start), min(s.end, window.end), s.held) for s in timeline)
    inside = tuple(span for span in cut if span.end > span.start)
    if inside or window.length > 0:
        return inside
    here = next((s.held for s in timeline if s.start <= window.start <= s.end), None)
    return (Span(window.start, window.end, here),)


def medians(readings: Iterable[Reading]) -> dict[str, float]:
    """The median of the numbers of each series: what `before` means to an expectation."""
    values: dict[str, list[float]] = {}
    for reading in readings:
        if isinstance(reading.value, float | int):
            values.setdefault(reading.series, []).append(reading.value)
    return {series: statistics.median(numbers) for series, numbers in values.items()}


def _standing(series: Sequence[Point], interval: float, window: Window, slack: float) -> tuple[Span, ...]:
    """What each sample stands for, clipped to the window; samples that do not reach into it are left out."""
    result: list[Span] = []
    for i, point in enumerate(series):
        following = series[i + 1].time if i + 1 < len(series) else None
        end = point.time + interval + (slack if following is None else 0.0)
        if following is not None and following - point.time <= interval * JITTER:
            end = following
        start, end = max(point.time, window.start), min(end, window.end)
        if end > start or (window.length == 0 and start == end == window.start):
            result.append(Span(start, end, point.held))
    return tuple(result)


def _with_gaps(standing: Sequence[Span], window: Window, *, ongoing: bool) -> list[Span]:
    result: list[Span] = []
    edges: list[Span | None] = [None, *standing, None]
    for left, right in itertools.pairwise(edges):
        start, end = (left.end if left else window.start), (right.start if right else window.end)
        if end > start:
            violated = any(side is not None and side.held is False for side in (left, right))
            pending = ongoing and right is None
            result.append(Span(start, end, False if violated and not pending else None))
        if right:
            result.append(right)
    return result


def _merged(timeline: Iterable[Span]) -> list[Span]:
    """Neighbours of one state made one."""
    result: list[Span] = []
    for held, group in itertools.groupby(timeline, key=lambda span: span.held):
        members = list(group)
        result.append(Span(members[0].start, members[-1].end, held))
    return result
