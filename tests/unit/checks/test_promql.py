"""How old a PromQL value is, and what becomes of it; a fake Prometheus answers each query as told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from chaosjc.checks.registry import ask, backfill, lag
from chaosjc.checks.sources import Sources
from chaosjc.drivers.prometheus import Prometheus, ScrapeTarget, Series
from chaosjc.errors import RemoteError
from chaosjc.journal.events import CheckPlan, Reading
from tests.unit.fakes import FakeClock

NOW = 1_000_000.0
A, B = {"instance": "a", "job": "j"}, {"instance": "b", "job": "j"}
Answers = Mapping[str, Sequence[tuple[Mapping[str, str], Sequence[float | None]]]]


class FakePrometheus:
    """Query → (labels, values): the last of them is that of the query's time or of a range's end.

    The others are those of the steps before it; None is no value, and so is what comes before the first.
    """

    url = "http://fake"

    def __init__(self, answers: Answers, interval: float = 1.0, *, recorded: Mapping[str, float] | None = None) -> None:
        self.answers = answers
        self.interval = interval
        self.rules = recorded or {}
        self.steps: tuple[float, float, float] | None = None

    def query(self, promql: str, *, at: float, timeout: float) -> tuple[Series, ...]:
        assert timeout > 0
        if promql not in self.answers:
            raise RemoteError(f"unexpected query {promql}")
        found = [(labels, values[-1]) for labels, values in self.answers[promql]]
        return tuple(Series(labels, ((at, value),)) for labels, value in found if value is not None)

    def query_range(self, promql: str, start: float, end: float, *, step: float, timeout: float) -> tuple[Series, ...]:
        assert timeout > 0
        self.steps = (start, end, step)
        series: list[Series] = []
        for labels, values in self.answers[promql]:
            times = [end - step * i for i in reversed(range(len(values)))]
            points = tuple((t, v) for t, v in zip(times, values, strict=True) if v is not None)
            series += [Series(labels, points)] if points else []
        return tuple(series)

    def targets(self, timeout: float) -> tuple[ScrapeTarget, ...]:
        if not self.interval:
            raise RemoteError("forbidden")
        return tuple(ScrapeTarget(labels, self.interval, "up") for labels in (A, B))

    def recorded(self, timeout: float) -> Mapping[str, float]:
        return self.rules

    def spacing(self, selector: str, *, at: float, timeout: float) -> float:
        return 7.0

    def ready(self, timeout: float) -> bool:
        return True


def sources(fake: FakePrometheus) -> Sources:
    return Sources(prometheus=cast("Prometheus", fake), clock=FakeClock(NOW))


def plan(promql: str, data: str = "") -> CheckPlan:
    return CheckPlan(id="h1", name="h", kind="promql", expect="== 1", options={"promql": promql, "data": data})


def asked(answers: Answers, promql: str = "m", data: str = "", **options: Any) -> tuple[Reading, ...]:
    return ask(plan(promql, data), sources(FakePrometheus(answers, **options)))


T = "timestamp(m{})"


def test_a_value_has_the_time_of_its_sample_and_its_interval() -> None:
    found = asked({T: [(A, [NOW - 0.5])], "m": [({"__name__": "m", **A}, [1.0])]})
    assert found == (Reading(series='m{instance="a",job="j"}', time=NOW - 0.5, value=1.0, interval=1.0),)


@pytest.mark.parametrize(("age", "fresh"), [(3.0, True), (3.1, False)])
def test_stale_is_older_than_two_intervals_and_a_second(age: float, fresh: bool) -> None:
    sampled, *why = asked({T: [(A, [NOW - age])], "m": [(A, [1.0])]})
    assert (sampled.time, sampled.value) == (NOW - age, 1.0)
    assert [(r.time, r.value, r.why[:5]) for r in why] == ([] if fresh else [(NOW, None, "stale")])


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({T: [], "m": []}, "empty"),
        ({T: [(A, [NOW])], "m": [(A, [float("nan")])]}, "NaN"),
        ({T: [], "m": [(A, [1.0])]}, "gone"),
        ({}, "unexpected query"),
    ],
)
def test_no_data(answers: Answers, why: str) -> None:
    (reading,) = asked(answers)
    assert reading.value is None
    assert reading.why.startswith(why)


def test_each_series_has_its_own_age() -> None:
    found = asked({T: [(A, [NOW - 0.5]), (B, [NOW - 60])], "m": [(A, [1.0]), (B, [1.0])]})
    assert [(r.series[11], NOW - r.time, r.value) for r in found] == [("a", 0.5, 1.0), ("b", 60, 1.0), ("b", 0, None)]


def test_the_series_of_a_dead_target_does_not_borrow_the_age_of_another() -> None:
    answers = {T: [(B, [NOW])], "rate(m[5m])": [(A, [1.0]), (B, [1.0])]}
    assert [(r.series[11], r.value) for r in asked(answers, "rate(m[5m])")] == [("b", 1.0), ("a", None)]


def test_samples_that_the_last_question_missed_are_there_and_a_series_that_has_gone_is_said_to_be() -> None:
    answers: Answers = {
        T: [(A, [NOW - 2, NOW - 1, NOW]), (B, [NOW - 2, NOW - 1, None])],
        "m": [(A, [1, 0, 1]), (B, [1, 1, None])],
    }
    found = [(r.series[11], NOW - r.time, r.value) for r in asked(answers)]
    assert found == [("a", 2, 1), ("a", 1, 0), ("a", 0, 1), ("b", 2, 1), ("b", 1, 1), ("b", 0, None)]


def test_an_aggregate_is_as_old_as_its_oldest_sample() -> None:
    answers = {
        T: [(A, [NOW - 0.5]), (B, [NOW - 2])],
        "sum(m)": [(dict[str, str](), [1.0])],
        "sum by (job) (m)": [({"job": "j"}, [1.0])],
    }
    assert asked(answers, "sum(m)")[0].time == NOW - 2
    assert asked(answers, "sum by (job) (m)")[0].time == NOW - 2


def test_an_offset_is_no_age() -> None:
    answers = {"timestamp(m{} offset 60000ms)": [(A, [NOW - 60.5])], "m offset 1m": [(A, [1.0])]}
    assert asked(answers, "m offset 1m")[0].time == NOW - 0.5


def test_data_names_the_samples_whatever_their_labels() -> None:
    answers = {"timestamp(d{})": [(A, [NOW - 0.5])], "m": [({"instance": "renamed"}, [1.0])]}
    assert asked(answers, "m", "d")[0].time == NOW - 0.5


def test_intervals() -> None:
    answers = {T: [(A, [NOW - 20])], "m": [(A, [1.0])]}
    assert asked(answers, interval=15)[0].interval == 15
    assert asked(answers, recorded={"m": 30.0})[0].interval == 30
    assert asked(answers, interval=0)[0].interval == 7  # from what was observed
    assert asked({T: [({"job": "pushed"}, [NOW])], "m": [({"job": "pushed"}, [1.0])]})[0].interval == 7


def test_asking_looks_back_to_the_last_time_of_asking() -> None:
    fake = FakePrometheus({T: [(A, [NOW])], "m": [(A, [1.0])]}, 0.4)
    ask(plan("m"), sources(fake))
    assert fake.steps == (pytest.approx(NOW - 1.6), NOW, 0.2)


def test_backfill_has_each_sample_once_and_none_that_is_not() -> None:
    nan, inf = float("nan"), float("inf")
    answers: Answers = {
        T: [(A, [NOW, NOW, NOW + 1.5, NOW + 1.5, None, NOW + 5, NOW + 6, NOW + 30])],
        "m": [(A, [1.0, 1.0, 0.0, 0.0, 9.0, inf, nan, 1.0])],
    }
    fake = FakePrometheus(answers)
    found = backfill(plan("m"), sources(fake), NOW, NOW + 10)
    assert [(r.time - NOW, r.value) for r in found] == [(0, 1.0), (1.5, 0.0), (5, inf)]
    assert fake.steps == (NOW - 1.5, NOW + 11, 0.5)


def test_a_long_backfill_stays_below_the_limit_of_points() -> None:
    fake = FakePrometheus({T: [(A, [NOW])], "m": [(A, [1.0])]})
    backfill(plan("m"), sources(fake), NOW, NOW + 100_000)
    assert fake.steps
    start, end, step = fake.steps
    assert (end - start) / step <= 11_000


def test_lag_is_two_of_the_longest_intervals() -> None:
    fake = FakePrometheus({T: [(A, [NOW])]}, 15)
    assert lag([plan("m"), CheckPlan(id="c", name="c", kind="command", expect="== 0")], sources(fake)) == 30
    assert lag([], sources(fake)) == 0
    assert lag([plan("m")], Sources()) == 2


def test_only_promql_can_be_asked_about_the_past() -> None:
    assert backfill(CheckPlan(id="c", name="c", kind="http", expect="== 0"), Sources(), 0, 1) == ()


def test_a_run_without_prometheus_has_no_data() -> None:
    (reading,) = ask(plan("m"), Sources())
    assert reading.why == "this run has no Prometheus to ask"
