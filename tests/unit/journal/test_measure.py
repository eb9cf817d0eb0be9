"""Figures for people: the worst value and distributions are those that were measured, to the last digit."""

from __future__ import annotations

from chaosjc.journal.events import CheckPlan, HypothesisPlan, Phase, Reading, Sample
from chaosjc.journal.measure import distributions, measure
from chaosjc.journal.timeline import Window

WINDOWS: dict[Phase, Window] = {
    "before": Window(0, 5),
    "during": Window(5, 15),
    "recovering": Window(15, 20),
    "after": Window(20, 25),
}
STALLS = {6: 0.75, 9: 4.987654, 10: 4.9, 16: 3.25}  # second: longest stall; 0 else


def samples(check: str, *, source: str = "backfill", series: str = "a") -> list[Sample]:
    readings = tuple(Reading(series=series, time=t, value=STALLS.get(t, 0.0)) for t in range(26))
    return [Sample.model_validate({"check": check, "source": source, "readings": readings})]


def stall(expect: str) -> HypothesisPlan:
    return HypothesisPlan(id="h1", name="stall", kind="promql", expect=expect)


def test_the_worst_of_an_upper_bound_is_the_largest_held_or_not() -> None:
    for expect, held in (("<= 6s", True), ("<= 1s", False)):
        result = measure(stall(expect), samples("h1"), WINDOWS)
        assert (result.held, result.worst) == (held, 4.987654)
        assert {phase: figures.worst for phase, figures in result.phases.items()} == {
            "before": 0.0,
            "during": 4.987654,
            "recovering": 3.25,
            "after": 0.0,
        }


def test_the_worst_of_a_lower_bound_is_the_smallest() -> None:
    assert measure(stall(">= -1"), samples("h1"), WINDOWS).worst == 0.0


def test_what_is_observed_has_figures_in_each_phase() -> None:
    observed = CheckPlan(id="o1", name="stall", kind="promql", expect="")
    found = distributions(observed, samples("o1") + samples("h1"), WINDOWS)
    assert list(found) == ["before", "during", "recovering", "after"]
    assert (found["during"].n, found["during"].max, found["during"].median) == (11, 4.987654, 0.0)
    assert found["recovering"].max == 3.25


def test_all_series_together_backfilled_ones_first() -> None:
    observed = CheckPlan(id="o1", name="stall", kind="promql", expect="")
    live = [Sample(check="o1", readings=(Reading(series="a", time=7.5, value=99.0),))]
    both = samples("o1", series="a") + samples("o1", series="b") + live
    found = distributions(observed, both, WINDOWS)
    assert (found["during"].n, found["during"].max) == (22, 4.987654)


def test_what_never_answered_has_none() -> None:
    observed = CheckPlan(id="o1", name="stall", kind="promql", expect="")
    silent = [Sample(check="o1", readings=(Reading(time=7.0, why="timeout"),))]
    assert distributions(observed, silent, WINDOWS) == {}
