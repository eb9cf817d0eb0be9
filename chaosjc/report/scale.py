"""From values to places on paper: linear scales, round ticks, and lines thinned without losing what matters."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chaosjc.journal.timeline import Point

_STEPS = (1.0, 2.0, 5.0, 10.0)
_TIME_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` onto places from `start` to `end`; values beyond are held at the edge.

    With `log` each decade is as long as any other; both ends must be positive then.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value, to a tenth."""
        low, held, high = self.low, min(max(value, self.low), self.high), self.high
        if self.log:
            low, held, high = math.log10(low), math.log10(held), math.log10(high)
        return round(self.start + (held - low) / (high - low) * (self.end - self.start), 1)

    def ticks(self, count: int) -> list[float]:
        """About `count` round numbers that lie on it."""
        return decades(self.low, self.high) if self.log else ticks(self.low, self.high, count)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers from `low` to `high`."""
    raw = (high - low) / max(count, 1)
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(step * size for step in _STEPS if step * size >= raw * 0.999)
    return [round(i * step, 12) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def decades(low: float, high: float) -> list[float]:
    """The powers of ten from `low` to `high`, every other one where there are many."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    return [10.0**power for power in range(first, last + 1, 1 if last - first < 6 else 2)]


def wide(values: Iterable[float]) -> bool:
    """Whether the numbers are better told apart by their decades: all positive, and more than two decades of them."""
    finite = [value for value in values if math.isfinite(value)]
    return bool(finite) and min(finite) > 0 and max(finite) > 100 * min(finite)


def scale_of(values: Sequence[float], start: float, end: float) -> Scale:
    """A scale with room for all values, logarithmic where they are wide."""
    if wide(values):
        finite = [value for value in values if math.isfinite(value)]
        return Scale(min(finite) / 1.4, max(finite) * 1.4, start, end, log=True)
    return Scale(*domain(values, ()), start, end)


def time_ticks(low: float, high: float, count: int = 8) -> list[float]:
    """About `count` times at whole steps that people count in, from `low` to `high`, in seconds."""
    raw = (high - low) / max(count, 1)
    days = max(1, math.ceil(raw / 86400)) * 86400.0
    step = next((float(step) for step in _TIME_STEPS if step >= raw), days)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def domain(values: Iterable[float], bounds: Sequence[float]) -> tuple[float, float]:
    """Room for all values and bounds, from zero where that is near, never empty."""
    finite = [value for value in (*values, *bounds) if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if low == high:
        low, high = (min(0.0, low), max(0.0, high)) if low else (0.0, 1.0)
    if 0 < low < high * 0.6:
        low = 0.0
    pad = (high - low) * 0.08
    return low - pad, high + pad


def strokes(points: Sequence[Point], join: float) -> list[list[Point]]:
    """Runs of points that follow one another within `join` seconds: between two runs nothing is known."""
    runs: list[list[Point]] = []
    last = -math.inf
    for point in points:
        if point.time - last > join:
            runs.append([])
        runs[-1].append(point)
        last = point.time
    return runs


def thin(run: Sequence[Point], bucket: float) -> list[Point]:
    """At most six points for each `bucket` seconds: first, last, least, greatest, and the first and last violated."""
    kept: list[Point] = []
    for _, group in itertools.groupby(run, key=lambda point: math.floor(point.time / bucket)):
        members = list(group)
        if len(members) > 6:
            numbers = [p for p in members if not isinstance(p.value, str)]
            wrong = [p for p in members if not p.held]
            ends = [min(numbers, key=_value), max(numbers, key=_value)] if numbers else []
            chosen = {p.time: p for p in (members[0], members[-1], *ends, *wrong[:1], *wrong[-1:])}
            members = [chosen[time] for time in sorted(chosen)]
        kept += members
    return kept


def _value(point: Point) -> float:
    return math.inf if isinstance(point.value, str) else point.value
