"""One check over time: each series, the threshold, what was violated, and gaps that stay gaps."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from chaosjc.journal.events import CheckPlan
from chaosjc.journal.timeline import Point
from chaosjc.report import words
from chaosjc.report.canvas import LEFT, RIGHT, Canvas, path, picture, text
from chaosjc.report.markup import Child, Markup, join, tag
from chaosjc.report.scale import Scale, domain, scale_of, strokes, thin
from chaosjc.report.story import Track

COLOURED = 6  # series with a colour of their own; the rest are grey
DRAWN = 40  # series drawn at all, the worst first
COLUMNS = 330  # of a line; six points in each at most: 2,000 points a series, fewer where there are many
STEPPED = 4  # different values at most: states and codes, which do not pass through what lies between
DOTS = 120  # a series of no more points shows each of them

TOP, BOTTOM = 8.0, 148.0
LANE_TOP, LANE_HEIGHT = 156.0, 8.0
PHASES_HEIGHT = 13.0
HEIGHT = 186.0
_DURATION = re.compile(r"\d(ms|s|m|h|d)\b")
_SECONDS = re.compile(r"_seconds(_bucket)?\b")


@dataclass(frozen=True)
class Axis:
    """Heights of values; of texts, one height for each."""

    y: Scale
    names: tuple[str, ...] = ()
    unit: str = ""

    def height(self, value: float | str) -> float:
        """Where a value is drawn."""
        return self.y(float(self.names.index(words.number(value)))) if self.names else self.y(float(value))

    def labels(self) -> list[tuple[float, str]]:
        """Heights and what to write there."""
        if self.names:
            return [(self.y(float(i)), name) for i, name in enumerate(self.names)]
        values = self.y.ticks(4)
        whole = (
            [value for value in values if value == int(value)]
            if self.y.high - self.y.low < 3 and not self.y.log
            else values
        )
        chosen = whole if len(whole) >= 2 else values
        return [(self.y(value), words.number(value, unit=self.unit)) for value in chosen]


def plot(canvas: Canvas, track: Track) -> Markup:
    """The drawing of one check."""
    axis = axis_of(track)
    names = ordered(track)[:DRAWN]
    expected = f", expected {track.check.expect}" if track.check.expect else ""
    below = canvas.lane(track.judged, LANE_TOP, LANE_HEIGHT) if expected else canvas.phases(LANE_TOP - 2, PHASES_HEIGHT)
    return picture(
        HEIGHT,
        f"{track.check.name}: values over time{expected}",
        canvas.faults(TOP, BOTTOM - TOP),
        _wrong_side(track, axis),
        *(canvas.rect(s.start, s.end, TOP, BOTTOM - TOP, "gap") for s in track.judged if s.held is None),
        canvas.grid(TOP, BOTTOM, label=HEIGHT - 8),
        _levels(axis),
        _threshold(track, axis),
        *(_line(canvas, track, axis, name, i) for i, name in reversed(list(enumerate(names)))),
        below,
    )


def ordered(track: Track) -> list[str]:
    """The series, those with most violated samples first."""
    return sorted(track.series, key=lambda name: (-sum(not p.held for p in track.series[name]), name))


def colour(rank: int) -> str:
    """The class of a series' line."""
    return f"s{rank}" if rank < COLOURED else "sx"


def axis_of(track: Track) -> Axis:
    """Heights for all values and thresholds; texts in the order of their first sight, the expected one on top."""
    values = [point.value for points in track.series.values() for point in points]
    if any(isinstance(value, str) for value in values):
        held = {words.number(p.value): p.held for points in track.series.values() for p in points}
        names = tuple(sorted(held, key=lambda name: (held[name], name))[-8:])
        return Axis(Scale(-0.4, max(len(names) - 0.6, 0.6), BOTTOM, TOP), names)
    numbers = [float(value) for value in values]
    if track.check.expect:  # what a claim is about is seen at its true height
        return Axis(Scale(*domain(numbers, track.thresholds), BOTTOM, TOP), unit=unit_of(track.check))
    return Axis(scale_of(numbers, BOTTOM, TOP), unit=unit_of(track.check))


def unit_of(check: CheckPlan) -> str:
    """`s` where seconds are expected, or asked for by a metric that is named so; else nothing."""
    asked = check.options.get("promql")
    seconds = isinstance(asked, str) and _SECONDS.search(asked)
    return "s" if seconds or _DURATION.search(check.expect) else ""


def _wrong_side(track: Track, axis: Axis) -> Markup:
    """A tint where values are not as expected, if there is a side where they are."""
    if axis.names or not track.thresholds:
        return join()
    edges = [axis.y.low, *(b for b in track.thresholds if axis.y.low < b < axis.y.high), axis.y.high]
    regions = [
        (low, high, track.expect.holds((low + high) / 2, track.before)) for low, high in itertools.pairwise(edges)
    ]
    if not any(held for _, _, held in regions):
        return join()
    return join(
        *(
            tag(
                "rect",
                x=LEFT,
                y=axis.y(high),
                width=RIGHT - LEFT,
                height=axis.y(low) - axis.y(high),
                class_="wrong-side",
            )
            for low, high, held in regions
            if held is False
        )
    )


def _levels(axis: Axis) -> Markup:
    parts: list[Child] = []
    for y, label in axis.labels():
        parts.append(tag("path", d=f"M{LEFT} {y}H{RIGHT}", class_="grid"))
        shown = label if len(label) <= 9 else f"{label[:8]}…"
        parts.append(text(LEFT - 6, y + 3.5, shown, "tick end"))
    return join(*parts)


def _threshold(track: Track, axis: Axis) -> Markup:
    bounds = () if axis.names else track.thresholds
    lines = [tag("path", d=f"M{LEFT} {axis.y(bound)}H{RIGHT}", class_="threshold") for bound in bounds]
    if not track.check.expect:
        return join()
    if not bounds:
        return text(RIGHT - 4, TOP + 11, _expected(track), "threshold-label end")
    top = axis.y(bounds[-1])
    y = top - 4 if top > TOP + 14 else top + 12
    return join(*lines, text(RIGHT - 4, y, _expected(track), "threshold-label end"))


def _expected(track: Track) -> str:
    shown = track.check.expect
    return f"expected {shown if len(shown) <= 60 else shown[:59] + '…'}"


def _line(canvas: Canvas, track: Track, axis: Axis, name: str, rank: int) -> Markup:
    """One series: its line, broken at gaps, with its violated parts on top."""
    points = track.series[name]
    column = canvas.story.window.length / (COLUMNS * 8 / min(max(len(track.series), 8), DRAWN))
    stepped = len({p.value for p in points}) <= STEPPED
    drawn = [thin(run, column) for run in strokes(points, max(track.interval * 1.5, column))]
    known = [p for run in drawn for p in run if not axis.names or words.number(p.value) in axis.names]
    place = {p.time: (canvas.x(p.time), axis.height(p.value)) for p in known}
    runs = [[p for p in run if p.time in place] for run in drawn]
    lines = "".join(path([place[p.time] for p in run], stepped=stepped) for run in runs if len(run) > 1)
    wrong = "".join(path([place[p.time] for p in run], stepped=stepped) for run in _violated(runs) if len(run) > 1)
    dots = "".join(f"M{x:g} {y:g}h0" for x, y in place.values()) if len(place) <= DOTS else _lonely(runs, place)
    bad = [place[p.time] for p in known if not p.held]
    crosses = "".join(f"M{x:g} {y:g}h0" for x, y in bad[:DOTS])
    return tag(
        "g",
        tag("title", name or track.check.name),
        tag("path", d=lines, class_="line") if lines else None,
        tag("path", d=dots, class_="dots") if dots else None,
        tag("path", d=wrong, class_="line bad") if wrong else None,
        tag("path", d=crosses, class_="dots bad") if crosses else None,
        class_=colour(rank),
    )


def _violated(runs: Sequence[Sequence[Point]]) -> list[list[Point]]:
    """The parts of the runs that begin with a violated sample, each with the sample that ends it."""
    parts: list[list[Point]] = []
    for run in runs:
        part: list[Point] = []
        for point in run:
            if part or not point.held:
                part.append(point)
            if part and point.held:
                parts.append(part)
                part = []
        parts += [part] if part else []
    return parts


def _lonely(runs: Sequence[Sequence[Point]], place: dict[float, tuple[float, float]]) -> str:
    """Samples that no line goes through."""
    return "".join(f"M{place[run[0].time][0]:g} {place[run[0].time][1]:g}h0" for run in runs if len(run) == 1)
