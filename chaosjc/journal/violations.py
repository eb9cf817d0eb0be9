"""How long hypotheses were violated. What nobody measured is not zero: None is for what cannot be told."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from chaosjc.journal.events import PHASES, Phase
from chaosjc.journal.measure import STRETCHES, HypothesisResult
from chaosjc.journal.verdict import Judgement


def longest(found: Judgement) -> float | None:
    """The longest violation, 0 if there was none."""
    return _known(found.longest_violation or 0.0, found.hypotheses, PHASES)


def spent(results: Collection[HypothesisResult]) -> float | None:
    """Of the error budgets of all of these: seconds of violation from the first injection to recovery."""
    return _known(sum(result.spent for result in results), results, STRETCHES[1])


def _known(figure: float, results: Iterable[HypothesisResult], phases: Collection[Phase]) -> float | None:
    """What was seen is seen, even if not everything was; that nothing was seen counts only where all was looked at."""
    return figure if figure or all(_judged(result, phases) for result in results) else None


def _judged(result: HypothesisResult, phases: Collection[Phase]) -> bool:
    """Whether it is known in each of these phases that the hypothesis is about."""
    found = [result.phases.get(phase) for phase in result.plan.phases if phase in phases]
    return all(each is not None and each.held is not None for each in found)
