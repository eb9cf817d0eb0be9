"""Statistics as data: those of one run for its JSON object, and what several runs sum up to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from chaosjc.journal import violations
from chaosjc.journal.effects import compared
from chaosjc.journal.events import CheckPlan, HypothesisPlan, Phase
from chaosjc.journal.measure import Distribution, distributions
from chaosjc.journal.repeats import Run, Spread, Sum, sum_up
from chaosjc.journal.statistics import Effect, Estimate
from chaosjc.report.story import Story, budget

SCHEMA = 1


def statistics_object(story: Story) -> dict[str, Any]:
    """The figures of a run, and for each check its distributions and differences. JSON values only; seconds."""
    found = story.judgement
    spent, tolerated = budget(story)
    return {
        "time_to_detect_s": seconds(found.time_to_detect),
        "time_to_recover_s": seconds(found.time_to_recover),
        "longest_violation_s": seconds(found.longest_violation),
        "budget": _budget(spent, tolerated),
        "checks": [_check(story, check) for check in (*story.planned.hypotheses, *story.planned.observations)],
    }


def sums_object(stories: Iterable[Story]) -> dict[str, Any]:
    """What runs sum up to, one entry for each experiment and site. JSON values only; seconds."""
    return {"schema": SCHEMA, "experiments": [_sum(each) for each in sums(stories)]}


def sums(stories: Iterable[Story]) -> tuple[Sum, ...]:
    """The same as values."""
    return sum_up(Run(each.state.run, each.label, each.planned, each.judgement) for each in stories)


def distribution_object(found: Mapping[Phase, Distribution]) -> dict[str, Any]:
    """Figures of all series of a check together, in each phase in which there were any."""
    return {
        phase: {
            "n": each.n,
            "min": finite(each.min),
            "p50": finite(each.median),
            "p95": finite(each.p95),
            "max": finite(each.max),
        }
        for phase, each in found.items()
    }


def finite(value: float | str | None) -> float | str | None:
    """JSON has no infinity: it is named as Prometheus does."""
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def seconds(value: float | None) -> float | None:
    """To the millisecond."""
    return None if value is None else round(value, 3)


def _budget(spent: float | None, tolerated: float) -> dict[str, Any]:
    return {"spent_s": seconds(spent), "tolerated_s": seconds(tolerated)}


def _check(story: Story, check: CheckPlan) -> dict[str, Any]:
    windows = story.judgement.windows
    found = compared(check, story.planned, story.samples, windows)
    result = next((each for each in story.judgement.hypotheses if each.plan is check), None)
    is_hypothesis = isinstance(check, HypothesisPlan)
    return {
        "name": check.name,
        "kind": "hypothesis" if is_hypothesis else "observation",
        "budget": _budget(violations.spent([result]), result.plan.tolerate) if result else None,
        "phases": distribution_object(distributions(check, story.samples, windows)),
        "against_before": {each.phase: _effect(each.effect) | {"left_out": each.left_out} for each in found.phases},
        "targets_against_others": {each.phase: _effect(each.effect) for each in found.groups},
    }


def _effect(found: Effect) -> dict[str, Any]:
    return {
        "n": found.n_one,
        "n_other": found.n_other,
        "cliffs_delta": _estimate(found.delta),
        "median_difference": _estimate(found.shift),
        "too_few": found.few or None,
    }


def _estimate(found: Estimate | None) -> dict[str, Any] | None:
    return None if found is None else {"value": found.value, "low": found.low, "high": found.high}


def _sum(found: Sum) -> dict[str, Any]:
    return {
        "experiment": found.experiment,
        "site": found.site or None,
        "runs": list(found.runs),
        "verdicts": found.verdicts,
        "time_to_detect_s": _spread(found.detect),
        "time_to_recover_s": _spread(found.recover),
        "longest_violation_s": _spread(found.longest),
        "budget_spent_s": _spread(found.spent),
    }


def _spread(found: Spread | None) -> dict[str, Any] | None:
    if found is None:
        return None
    figures = {"median": found.median, "min": found.min, "max": found.max, "low": found.low, "high": found.high}
    return {"n": found.n, **{name: seconds(value) for name, value in figures.items()}}
