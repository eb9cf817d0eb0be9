"""Several runs of one experiment, summed up: verdicts, and how its figures were spread from run to run.

A run is one draw: its samples say nothing of the next run, so that only runs are counted here. Of the median there is
an interval from 6 runs on; of fewer, chance alone leaves it outside of all of them more often than in 5 of 100 cases.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chaosjc.journal import violations
from chaosjc.journal.events import Planned
from chaosjc.journal.statistics import median_interval
from chaosjc.journal.verdict import Judgement

ENOUGH = 6  # runs, for an interval


@dataclass(frozen=True)
class Run:
    """A run and what it found; `label` is its verdict, or RUNNING."""

    id: str
    label: str
    planned: Planned
    judgement: Judgement

    @property
    def began(self) -> bool:
        """Whether anything was broken: else there is nothing to measure."""
        return self.judgement.moments.first_intent is not None


@dataclass(frozen=True)
class Spread:
    """Seconds from run to run, of the `n` that had such a figure; `low` to `high` covers the true median in 95 %."""

    n: int
    median: float
    min: float
    max: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Sum:
    """All runs of one experiment on one site. A figure is None where no run had it."""

    experiment: str
    site: str
    runs: tuple[str, ...]
    verdicts: dict[str, int]
    detect: Spread | None  # of those in which anything was violated
    recover: Spread | None  # of those that were seen to recover
    longest: Spread | None  # the longest violation, 0 where there was none, of those in which that is known
    spent: Spread | None  # of the error budget: violated from the first injection to recovery, of all hypotheses


def sum_up(runs: Iterable[Run]) -> tuple[Sum, ...]:
    """One for each experiment and site, in the order of their first runs."""
    kinds: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        kinds.setdefault((run.planned.experiment, run.planned.site), []).append(run)
    return tuple(_sum(experiment, site, found) for (experiment, site), found in kinds.items())


def _sum(experiment: str, site: str, runs: Sequence[Run]) -> Sum:
    found = [run.judgement for run in runs if run.began]
    return Sum(
        experiment=experiment,
        site=site,
        runs=tuple(run.id for run in runs),
        verdicts=dict(Counter(run.label for run in runs).most_common()),
        detect=_spread(each.time_to_detect for each in found),
        recover=_spread(each.time_to_recover for each in found),
        longest=_spread(violations.longest(each) for each in found),
        spent=_spread(violations.spent(each.hypotheses) for each in found),
    )


def _spread(figures: Iterable[float | None]) -> Spread | None:
    known = [figure for figure in figures if figure is not None]
    if not known:
        return None
    low, high = median_interval(known) or (None, None)
    return Spread(len(known), statistics.median(known), min(known), max(known), low, high)
