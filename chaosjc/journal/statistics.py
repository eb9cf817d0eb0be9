"""How far two groups of samples differ: an effect size, the difference of the medians, and how sure both are.

Cliff's delta is P(one > other) - P(one < other) over all pairs of a value of each group: from -1 to 1, 0 where neither
tends to be greater. It needs no unit and no distribution, takes ties, and of groups of 0 and 1 it is the difference of
their shares of 1. N. Cliff, "Dominance statistics: ordinal analyses to answer ordinal questions", Psychological
Bulletin 114 (1993), 494-509. The difference of the medians says the same in the unit of what was measured.

The intervals are of a bootstrap by blocks: samples a second apart resemble each other. A phase is cut into SLICES
stretches of time of one length, and these are drawn (E. Carlstein, Annals of Statistics 14 (1986), 1171-1179). So few
blocks make intervals too short: Student's t takes the place of the normal distribution (T. Hesterberg, "What teachers
should know about the bootstrap", American Statistician 69 (2015), 371-386), with B. L. Welch's degrees of freedom
(Biometrika 34 (1947), 28-35), since one group may vary more than the other. Where the resemblance does not end well
within a block, neighbouring blocks resemble each other too, and differ less than they would if they were drawn anew.
By how much is known of an AR(1) process, whose one figure is the correlation of each sample with the next: the spread
is widened by it. It is taken of ranks, which a few long waits do not rule, and is freed of its bias in short series
(M. G. Kendall, "Note on bias in the estimation of autocorrelation", Biometrika 41 (1954), 403-404). Of groups that are
compared in the same stretches it is that of their difference. The intervals cover the truth in 93 to 97 of 100 cases
where neighbours correlate by up to 0.6: tests/unit/journal/test_statistics.py holds them to it. DECISIONS.md has what
was measured beyond.

That of the medians lies between percentiles of the draws; that of delta, which ends at 1, is made asymmetric from their
standard deviation (D. Feng, N. Cliff, "Monte Carlo evaluation of ordinal d with improved confidence interval", Journal
of Modern Applied Statistical Methods 3 (2004), 322-332).
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from statistics import NormalDist
from typing import TypeAlias

from chaosjc.journal.blocks import SLICES, Blocks, Group, apart, together
from chaosjc.journal.measure import quantile

FEWEST = 8  # slices with samples; of fewer nothing is said
LEAST = 20  # samples of one series: two a slice
DRAWS = 300
LEVEL = 0.95
THIN = 50  # values of a block that count; of more, every nth of the sorted ones: a block's quantiles stay
MAGNITUDES = ((0.147, "negligible"), (0.33, "small"), (0.474, "medium"), (math.inf, "large"))
"""The |delta| from which it is no longer so called: J. Romano et al., "Appropriate statistics for ordinal level data",
annual meeting of the Florida Association of Institutional Research (2006)."""


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
    blocks = len(left), len(right)
    widths = together(one, other, blocks[0]) if paired else apart(one, other, blocks)
    draws = _draws(*blocks, paired=paired, seed=seed)
    delta, shift = _deltas(left, right, draws), _shifts(left, right, draws)
    return Effect(
        one.n,
        other.n,
        _asymmetric(delta, _spread(delta, blocks, widths), min(blocks)),
        _between(shift, _spread(shift, blocks, widths), min(blocks), _ends(left, right)),
    )


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


@dataclass(frozen=True)
class _Figure:
    """A figure of two groups, and what becomes of it as the blocks of each are drawn: its two parts add up to it."""

    value: float
    one: Sequence[float]
    other: Sequence[float]

    @property
    def drawn(self) -> list[float]:
        """The figure in each draw."""
        return [a + b for a, b in zip(self.one, self.other, strict=True)]


@dataclass(frozen=True)
class _Spread:
    """The standard deviation of a figure, how much of it the draws did not show, and Student's t for it."""

    deviation: float
    stretch: float
    t: float


def _deltas(one: Blocks, other: Blocks, draws: Sequence[Draw]) -> _Figure:
    """Cliff's delta of blocks drawn: that of one's with all of the other, and of the other's with all of one."""
    left, right = _Against(one, other), _Against(other, one)
    delta = left.share(range(len(one)))
    return _Figure(
        delta, [left.share(first) for first, _ in draws], [-right.share(second) - delta for _, second in draws]
    )


def _shifts(one: Blocks, other: Blocks, draws: Sequence[Draw]) -> _Figure:
    """The difference of the medians of blocks drawn."""
    left, right = _Sorted(one), _Sorted(other)
    value = left.median(range(len(one))) - right.median(range(len(other)))
    return _Figure(value, [left.median(first) for first, _ in draws], [-right.median(second) for _, second in draws])


def _spread(figure: _Figure, blocks: tuple[int, int], widths: Sequence[float]) -> _Spread:
    """By the variances of its parts; of groups that were drawn together, with one width, by that of their sum."""
    parts = (figure.drawn,) if len(widths) == 1 else (figure.one, figure.other)
    shown = [_variance(part) * n / (n - 1) for part, n in zip(parts, blocks, strict=False)]
    true = [variance * width for variance, width in zip(shown, widths, strict=True)]
    if not sum(shown):
        return _Spread(0.0, 1.0, 0.0)
    freedom = sum(true) ** 2 / sum(variance**2 / (n - 1) for variance, n in zip(true, blocks, strict=False))
    return _Spread(math.sqrt(sum(true)), math.sqrt(sum(true) / sum(shown)), student(freedom))


class _Against:
    """The blocks of a group, prepared so that its delta against all of another costs little."""

    def __init__(self, blocks: Blocks, other: Blocks) -> None:
        everything = sorted(itertools.chain.from_iterable(other))
        self._wins = [_wins(block, everything) for block in blocks]
        self._pairs = [len(block) * len(everything) for block in blocks]

    def share(self, drawn: Iterable[int]) -> float:
        """Cliff's delta of the blocks drawn."""
        drawn = tuple(drawn)
        return sum(map(self._wins.__getitem__, drawn)) / sum(map(self._pairs.__getitem__, drawn))


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
    first = _drawn(random, one)
    return list(zip(first, first if paired else _drawn(random, other), strict=True))


def _drawn(random: Random, blocks: int) -> list[Sequence[int]]:
    numbers = random.choices(range(blocks), k=blocks * DRAWS)
    return [numbers[start : start + blocks] for start in range(0, len(numbers), blocks)]


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


def _between(figure: _Figure, spread: _Spread, blocks: int, ends: tuple[float, float]) -> Estimate:
    """Between the percentiles that are t deviations from the middle of a normal distribution, as far again as needed.

    No shift is beyond `ends`, the greatest that there can be of what was seen.
    """
    value, ordered = figure.value, sorted(figure.drawn)
    if ordered[0] == ordered[-1]:
        return Estimate(value, None, None)
    cut = NormalDist().cdf(-spread.t * math.sqrt(blocks / (blocks - 1)))
    low, high = (value + spread.stretch * (quantile(ordered, q) - value) for q in (cut, 1 - cut))
    return Estimate(value, max(min(low, value), ends[0]), min(max(high, value), ends[1]))


def _ends(one: Blocks, other: Blocks) -> tuple[float, float]:
    left, right = (list(itertools.chain.from_iterable(blocks)) for blocks in (one, other))
    return min(left) - max(right), max(left) - min(right)


def _asymmetric(figure: _Figure, spread: _Spread, blocks: int) -> Estimate:
    """t deviations to both sides of a delta, the less the nearer to its end.

    Where every pair fell out the same way no draw differs, and yet the next might: then it is E. B. Wilson's interval
    of a share that was seen in all blocks (Journal of the American Statistical Association 22 (1927), 209-212).
    """
    delta = figure.value
    if abs(delta) == 1.0:
        z = NormalDist().inv_cdf((1 + LEVEL) / 2)
        far = math.copysign((blocks - z * z) / (blocks + z * z), delta)
        return Estimate(delta, min(far, delta), max(far, delta))
    reach = spread.t * spread.deviation
    if reach == 0:
        return Estimate(delta, None, None)
    rest = 1 - delta * delta
    half, whole = reach * math.hypot(rest, reach), rest + reach * reach
    low, high = ((delta * rest + sign * half) / whole for sign in (-1, 1))
    return Estimate(delta, max(low, -1.0), min(high, 1.0))


def _variance(values: Sequence[float]) -> float:
    middle = math.fsum(values) / len(values)
    return math.fsum((value - middle) ** 2 for value in values) / len(values)
