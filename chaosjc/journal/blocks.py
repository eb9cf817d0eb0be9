"""Two groups of samples as a comparison needs them: cut into stretches of time, and how much neighbours resemble.

A phase does not tell for how long its samples resemble each other; what it tells is the correlation of each with the
next. An AR(1) process has no other figure: by it the variance of a mean is known, and what its blocks tell of that.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import mul
from typing import TypeAlias

from chaosjc.journal.timeline import Window

SLICES = 10
"""Blocks of a phase: as few as make an interval, so that each is as long as can be."""

STICKIEST = 0.95  # correlation of neighbours: of more, a phase tells nothing
MANY = 2000  # values by which it is told

Blocks: TypeAlias = Sequence[Sequence[float]]
"""The values of each slice of a phase, in order of time; a slice without samples is empty."""


@dataclass(frozen=True)
class Group:
    """The samples of some series in one phase: of each the part of the phase gone by, 0 to 1, and the value."""

    series: Sequence[Sequence[tuple[float, float]]]

    @property
    def n(self) -> int:
        """All samples."""
        return sum(map(len, self.series))

    @property
    def looks(self) -> int:
        """Those of the series that has most."""
        return max(map(len, self.series), default=0)

    @property
    def blocks(self) -> Blocks:
        """The values of all series in each of SLICES."""
        return self.cut(SLICES)

    def cut(self, slices: int) -> Blocks:
        """The values of all series in each of so many stretches of one length."""
        blocks: list[list[float]] = [[] for _ in range(slices)]
        for samples in self.series:
            for part, value in samples:
                blocks[min(int(part * slices), slices - 1)].append(value)
        return blocks


def group(series: Iterable[Iterable[tuple[float, float]]], window: Window) -> Group:
    """The samples (time, value) of each series in a phase; what is not finite is left out."""
    length = window.length or math.inf
    return Group([
        [
            ((time - window.start) / length, value)
            for time, value in samples
            if window.start <= time <= window.end and math.isfinite(value)
        ]
        for samples in series
    ])  # fmt: skip


def apart(one: Group, other: Group, blocks: tuple[int, int]) -> tuple[float, float]:
    """By how much the variance of each group is greater than so many of its blocks tell."""
    found = resemblance([[value for _, value in series] for series in (*one.series, *other.series)])
    return widening(found, one.looks, blocks[0]), widening(found, other.looks, blocks[1])


def together(one: Group, other: Group, blocks: int) -> tuple[float]:
    """The same for the difference of two groups of the same time."""
    looks = min(one.looks, other.looks)
    differences = [
        math.fsum(left) / len(left) - math.fsum(right) / len(right)
        for left, right in zip(one.cut(looks), other.cut(looks), strict=True)
        if left and right
    ]
    return (widening(resemblance([differences]), looks, blocks),)


def resemblance(series: Sequence[Sequence[float]]) -> float:
    """The correlation of the ranks of each sample and the next, 0 to STICKIEST, freed of its bias in short series."""
    long = [values for values in series if len(values) > 3]  # what the bias of fewer is, nobody knows
    long = long[:: math.ceil(sum(map(len, long)) / MANY) or 1]
    ordered = sorted(itertools.chain.from_iterable(long))
    neighbours = all_ = 0.0
    for values in long:
        ranks = [bisect_left(ordered, value) + bisect_right(ordered, value) for value in values]
        middle = sum(ranks) / len(ranks)
        off = [rank - middle for rank in ranks]
        neighbours += sum(map(mul, off, off[1:]))
        all_ += sum(map(mul, off, off))
    if not all_:
        return 0.0
    n = len(ordered) / len(long)
    return min(max((n * neighbours / all_ + 1) / (n - 3), 0.0), STICKIEST)


def widening(resemblance: float, n: int, blocks: int) -> float:
    """The variance of a mean of n samples of an AR(1) process over what the means of its blocks tell of it."""
    whole, block = _of_mean(n, resemblance), _of_mean(n / blocks, resemblance)
    return whole * (blocks - 1) / (block - whole)


def _of_mean(n: float, resemblance: float) -> float:
    """The variance of a mean of n samples, in variances of one."""
    rest = n * (1 - resemblance)
    return (1 + resemblance) / rest - 2 * resemblance * (1 - resemblance**n) / rest**2
