"""How old a PromQL value is, and what becomes of it; a fake Prometheus answers each query as told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
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
Answers = Mapping[str, Sequence[tuple[Mapping[str, str], Sequence[float]]]]


class FakePrometheus:
    """Query → (labels, values); a single value is that of now, several are those of a range's steps."""

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
        return tuple(Series(labels, ((at, values[-1]),)) for labels, values in self.answers[promql])

    def query_range(self, promql: str, start: float, end: float, *, step: float, timeout: float) -> tuple[Series, ...]:
        assert timeout > 0
        self.steps = (start, end, step)
        found = self.answers[promql]
        return tuple(
            Series(labels, tuple((NOW + i, v) for i, v in enumerate(vs) if not isnan(v))) for labels, vs in found
        )

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
    (reading,) = asked({T: [(A, [NOW - age])], "m": [(A, [1.0])]})
    assert (reading.value is not None) is fresh
    assert (reading.time, reading.why[:5]) == ((NOW - age, "") if fresh else (NOW, "stale"))


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({T: [], "m": []}, "empty"),
        ({T: [(A, [NOW])], "m": [(A, [float("nan")])]}, "NaN"),
        ({T: [], "m": [(A, [1.0])]}, "stale"),
        ({}, "unexpected query"),
    ],
)
def test_no_data(answers: Answers, why: str) -> None:
    (reading,) = asked(answers)
    assert reading.value is None
    assert reading.why.startswith(why)


def test_each_series_has_its_own_age() -> None:
    found = asked({T: [(A, [NOW - 0.5]), (B, [NOW - 60])], "m": [(A, [1.0]), (B, [1.0])]})
    assert [reading.value for reading in found] == [1.0, None]


def test_the_series_of_a_dead_target_does_not_borrow_the_age_of_another() -> None:
    answers = {T: [(B, [NOW])], "rate(m[5m])": [(A, [1.0]), (B, [1.0])]}
    assert [reading.value for reading in asked(answers, "rate(m[5m])")] == [None, 1.0]


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


def test_backfill_has_each_sample_once_and_none_that_is_not() -> None:
    nan = float("nan")
    answers = {
        T: [(A, [NOW, NOW, NOW + 1.5, NOW + 1.5, nan, NOW + 5, NOW + 30])],
        "m": [(A, [1.0, 1.0, 0.0, 0.0, 9.0, float("inf"), 1.0])],
    }
    fake = FakePrometheus(answers)
    found = backfill(plan("m"), sources(fake), NOW, NOW + 10)
    assert [(r.time - NOW, r.value) for r in found] == [(0, 1.0), (1.5, 0.0), (5, float("inf"))]
    assert fake.steps == (NOW - 1.5, NOW + 10.5, 0.5)


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
