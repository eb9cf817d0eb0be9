"""How far two groups of samples differ: an effect size, the difference of the medians, and how sure both are.

Cliff's delta is P(one > other) - P(one < other) over all pairs of a value of each group: from -1 to 1, 0 where neither
tends to be greater. It needs no unit and no distribution, takes ties, and of groups of 0 and 1 it is the difference of
their shares of 1. N. Cliff, "Dominance statistics: ordinal analyses to answer ordinal questions", Psychological
Bulletin 114 (1993), 494-509. The difference of the medians says the same in the unit of what was measured.

The intervals are of a bootstrap by blocks. Samples a second apart resemble each other, and a phase of a minute does not
tell for how long: of 60 samples that do (AR(1), 0.6), intervals from single samples covered the truth in 60 to 66 of
100 cases, and in 80 to 88 from blocks as long as the data seem to ask for (D. Politis, H. White, Econometric Reviews 23
(2004), 53-70). So a phase is cut into SLICES stretches of time of one length, and these are drawn (E. Carlstein, Annals
of Statistics 14 (1986), 1171-1179): 90 to 94 of 60 such samples, 93 to 97 where the resemblance ends well within a
tenth of the phase. So few blocks make intervals too short: Student's t takes the place of the normal distribution
(T. Hesterberg, "What teachers should know about the bootstrap", American Statistician 69 (2015), 371-386). That of the
medians lies between percentiles of the draws; that of delta, which ends at 1, is made asymmetric from their standard
deviation (D. Feng, N. Cliff, "Monte Carlo evaluation of ordinal d with improved confidence interval", Journal of Modern
Applied Statistical Methods 3 (2004), 322-332).
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from statistics import NormalDist, stdev
from typing import TypeAlias

from chaosjc.journal.measure import quantile
from chaosjc.journal.timeline import Window

SLICES = 10
"""Blocks of a phase: as few as make an interval, so that each is as long as can be."""

FEWEST = 8  # slices with samples; of fewer nothing is said
LEAST = 20  # samples of one series: two a slice
DRAWS = 500
LEVEL = 0.95
THIN = 50  # values of a block that count; of more, every nth of the sorted ones: a block's quantiles stay
MAGNITUDES = ((0.147, "negligible"), (0.33, "small"), (0.474, "medium"), (math.inf, "large"))
"""The |delta| from which it is no longer so called: J. Romano et al., "Appropriate statistics for ordinal level data",
annual meeting of the Florida Association of Institutional Research (2006)."""

Blocks: TypeAlias = Sequence[Sequence[float]]
"""The values of each slice of a phase, in order of time; a slice without samples is empty."""


@dataclass(frozen=True)
class Group:
    """The samples of some series in one phase; `looks` are those of the series that has most."""

    blocks: Blocks
    looks: int

    @property
    def n(self) -> int:
        """All samples."""
        return sum(map(len, self.blocks))


@dataclass(frozen=True)
class Estimate:
    """A figure, and the interval that covers the true one in 95 of 100 cases; None where nothing varied."""

    value: float
    low: float | None
    high: float | None


_SAME = Estimate(0.0, None, None)


@dataclass(frozen=True)
class Effect:
    """How far `one` group of samples lies above an `other`. Without figures, `few` says why.

    `shift` is the median of one less that of the other, in the unit of the samples.
    """

    n_one: int
    n_other: int
    delta: Estimate | None = None
    shift: Estimate | None = None
    few: str = ""

    @property
    def magnitude(self) -> str:
        """`negligible`, `small`, `medium` or `large`."""
        if self.delta is None:
            return ""
        size = abs(self.delta.value)
        return next(name for bound, name in MAGNITUDES if size < bound)

    @property
    def seen(self) -> bool:
        """Whether the interval leaves out that there is no difference."""
        found = self.delta
        return found is not None and found.low is not None and found.high is not None and found.low * found.high > 0


def group(series: Iterable[Iterable[tuple[float, float]]], window: Window) -> Group:
    """The samples (time, value) of each series in a phase, cut into SLICES; what is not finite is left out."""
    blocks: list[list[float]] = [[] for _ in range(SLICES)]
    looks = [0]
    for samples in series:
        inside = [(t, value) for t, value in samples if window.start <= t <= window.end and math.isfinite(value)]
        for time, value in inside:
            part = (time - window.start) / window.length if window.length else 0.0
            blocks[min(int(part * SLICES), SLICES - 1)].append(value)
        looks.append(len(inside))
    return Group(blocks, max(looks))


def compare(one: Group, other: Group, *, paired: bool, seed: str) -> Effect:
    """How far one lies above the other; `seed` makes the draws the same each time.

    `paired`: slices of the same number are of the same time and are drawn together, so that what struck both groups at
    once counts for neither.
    """
    left, right = _used(one, other, paired=paired)
    few = _few(min(one.looks, other.looks), min(len(left), len(right)))
    if few:
        return Effect(one.n, other.n, few=few)
    if len({value for block in (*left, *right) for value in block}) == 1:
        return Effect(one.n, other.n, _SAME, _SAME)
    pair, draws = _Pair(left, right), _draws(len(left), len(right), paired=paired, seed=seed)
    everything = range(len(left)), range(len(right))
    blocks = min(len(left), len(right))
    t = student(blocks - 1 if paired else len(left) + len(right) - 2)
    spread = t * math.sqrt(blocks / (blocks - 1))
    delta = _asymmetric(pair.delta(*everything), [pair.delta(*drawn) for drawn in draws], spread, blocks)
    shift = _between(pair.shift(*everything), [pair.shift(*drawn) for drawn in draws], spread)
    return Effect(one.n, other.n, delta, shift)


def median_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The narrowest pair of order statistics that covers the median in at least 95 of 100 cases; None of fewer than 6.

    It rests on nothing but that the values are independent: each lies above the median as a coin falls
    (H. A. David, H. N. Nagaraja, "Order Statistics", 3rd edition (2003), section 7.1).
    """
    ordered, n = sorted(values), len(values)
    tail, k = 0.0, 0
    while k < n and tail + math.comb(n, k) / 2**n <= (1 - LEVEL) / 2:
        tail += math.comb(n, k) / 2**n
        k += 1
    return (ordered[k - 1], ordered[n - k]) if k else None


def student(df: float, level: float = LEVEL) -> float:
    """The t within which `level` of Student's distribution lies, for at least 6 degrees of freedom, to 0.001.

    M. Abramowitz, I. A. Stegun, "Handbook of Mathematical Functions" (1964), 26.7.5.
    """
    x = NormalDist().inv_cdf((1 + level) / 2)
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return x + sum(term / df**power for power, term in enumerate(terms, 1))


# ------------------------------------------------------------------ the bootstrap

Draw: TypeAlias = "tuple[Sequence[int], Sequence[int]]"  # numbers of blocks of one and of the other


class _Pair:
    """Two groups in blocks, prepared so that the figures of a draw cost little."""

    def __init__(self, one: Blocks, other: Blocks) -> None:
        self._wins = [[_wins(a, b) for b in other] for a in one]
        self._sizes = [len(block) for block in one], [len(block) for block in other]
        self._one, self._other = _Sorted(one), _Sorted(other)

    def delta(self, one: Sequence[int], other: Sequence[int]) -> float:
        """Cliff's delta of the blocks drawn."""
        wins = sum(sum(map(self._wins[i].__getitem__, other)) for i in one)
        sizes = [sum(map(size.__getitem__, drawn)) for size, drawn in zip(self._sizes, (one, other), strict=True)]
        return wins / (sizes[0] * sizes[1])

    def shift(self, one: Sequence[int], other: Sequence[int]) -> float:
        """The difference of their medians."""
        return self._one.median(one) - self._other.median(other)


class _Sorted:
    """The values of a group in order, each with the number of its block."""

    def __init__(self, blocks: Blocks) -> None:
        pairs = sorted((value, i) for i, block in enumerate(blocks) for value in block)
        self._values, self._owners = [value for value, _ in pairs], [i for _, i in pairs]
        self._blocks = len(blocks)

    def median(self, drawn: Sequence[int]) -> float:
        """Of the blocks drawn, each as often as it was."""
        weights = [0] * self._blocks
        for i in drawn:
            weights[i] += 1
        counted = list(itertools.accumulate(map(weights.__getitem__, self._owners)))
        last = counted[-1] - 1
        low, high = (bisect_right(counted, place) for place in (last // 2, last - last // 2))
        return (self._values[low] + self._values[high]) / 2


def _wins(one: Sequence[float], other: Sequence[float]) -> int:
    """Pairs in which the first is greater less those in which it is smaller; `other` is sorted."""
    return sum(bisect_left(other, value) + bisect_right(other, value) - len(other) for value in one)


def _thin(block: Sequence[float], blocks: Blocks) -> list[float]:
    """The block sorted; where the longest of all has more than THIN values, all are thinned by the same factor."""
    step = max(1.0, max(map(len, blocks)) / THIN)
    ordered = sorted(block)
    if step == 1.0:
        return ordered
    places = (int((i + 0.5) * step) for i in range(round(len(ordered) / step) or 1))
    return [ordered[min(place, len(ordered) - 1)] for place in places]


def _draws(one: int, other: int, *, paired: bool, seed: str) -> list[Draw]:
    random = Random(seed)  # noqa: S311 - the same draws each time is the point
    drawn: list[Draw] = []
    for _ in range(DRAWS):
        first = random.choices(range(one), k=one)
        drawn.append((first, first if paired else random.choices(range(other), k=other)))
    return drawn


def _used(one: Group, other: Group, *, paired: bool) -> tuple[Blocks, Blocks]:
    """The blocks that have samples, in both groups if they are paired."""
    pairs = list(zip(one.blocks, other.blocks, strict=True))
    left = [a for a, b in pairs if a and (b or not paired)]
    right = [b for a, b in pairs if b and (a or not paired)]
    return [_thin(block, left) for block in left], [_thin(block, right) for block in right]


def _few(looks: int, blocks: int) -> str:
    if looks < LEAST:
        return f"too few samples: {looks} of {LEAST}"
    return f"too few samples: in {blocks} of {SLICES} parts of the time" if blocks < FEWEST else ""


def _between(value: float, drawn: Sequence[float], spread: float) -> Estimate:
    """Between the percentiles that are `spread` standard deviations from the middle of a normal distribution."""
    ordered = sorted(drawn)
    if ordered[0] == ordered[-1]:
        return Estimate(value, None, None)
    cut = NormalDist().cdf(-spread)
    low, high = (quantile(ordered, q) for q in (cut, 1 - cut))
    return Estimate(value, min(low, value), max(high, value))


def _asymmetric(delta: float, drawn: Sequence[float], spread: float, blocks: int) -> Estimate:
    """`spread` standard deviations to both sides of a delta, the less the nearer to its end.

    Where every pair fell out the same way no draw differs, and yet the next might: then it is E. B. Wilson's interval
    of a share that was seen in all blocks (Journal of the American Statistical Association 22 (1927), 209-212).
    """
    if abs(delta) == 1.0:
        z = NormalDist().inv_cdf((1 + LEVEL) / 2)
        far = math.copysign((blocks - z * z) / (blocks + z * z), delta)
        return Estimate(delta, min(far, delta), max(far, delta))
    reach = spread * stdev(drawn)
    if reach == 0:
        return Estimate(delta, None, None)
    rest = 1 - delta * delta
    half, whole = reach * math.hypot(rest, reach), rest + reach * reach
    low, high = ((delta * rest + sign * half) / whole for sign in (-1, 1))
    return Estimate(delta, max(low, -1.0), min(high, 1.0))
