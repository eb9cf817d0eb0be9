from __future__ import annotations

import math

import pytest

from chaosjc.journal.events import Admitted, CheckPlan, HypothesisPlan
from chaosjc.journal.timeline import Point
from chaosjc.report.plot import axis_of, ordered
from chaosjc.report.scale import Scale, domain, strokes, thin, ticks, time_ticks
from chaosjc.report.story import Track, read, track
from chaosjc.spec.expect import parse
from tests.unit.report import journals


def held(time: float, value: float | str = 1.0) -> Point:
    return Point(time, value, True)


def of(series: dict[str, tuple[Point, ...]], expect: str = "<= 15s") -> Track:
    check = CheckPlan(id="h1", name="x", kind="promql", expect=expect)
    return Track(check, 1.0, series, (), parse(expect), None)


def test_scale_holds_values_at_its_edges() -> None:
    scale = Scale(0.0, 10.0, 100.0, 0.0)
    assert [scale(value) for value in (0, 5, 10, -3, math.inf)] == [100.0, 50.0, 0.0, 100.0, 0.0]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 10, [0, 2, 4, 6, 8, 10]), (-0.08, 1.08, [0.0, 0.5, 1.0]), (0, 0.04, [0, 0.01, 0.02, 0.03, 0.04])],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    count = 4 if high != 10 else 5
    assert ticks(low, high, count) == pytest.approx(expected)


def test_time_ticks_are_what_people_count_in() -> None:
    assert time_ticks(-6, 36) == [0, 10, 20, 30]
    assert time_ticks(0, 3600)[1] == 600
    assert time_ticks(0, 10 * 86400)[1] == 2 * 86400


@pytest.mark.parametrize("values", [[], [0.0], [5.0], [-5.0], [math.inf], [1.0, math.inf, -math.inf]])
def test_domain_is_never_empty(values: list[float]) -> None:
    low, high = domain(values, [])
    assert math.isfinite(low)
    assert low < high


def test_domain_has_room_for_the_threshold() -> None:
    low, high = domain([0.1, 0.2], [15.0])
    assert low < 0.1
    assert high > 15.0


def test_strokes_break_where_a_sample_is_missing() -> None:
    runs = strokes([held(t) for t in (0.0, 1.0, 2.2, 5.0, 6.0)], 1.5)
    assert [[p.time for p in run] for run in runs] == [[0.0, 1.0, 2.2], [5.0, 6.0]]


def test_thinning_keeps_extremes_and_what_was_violated() -> None:
    run = [Point(i / 100, math.sin(i), i not in {417, 8_123}) for i in range(10_000)]
    run[3_333] = held(33.33, 99.0)
    run[5_555] = held(55.55, -99.0)
    kept = thin(run, 1.0)
    assert len(kept) <= 600
    assert {99.0, -99.0} <= {p.value for p in kept}
    assert [p.time for p in kept if not p.held] == [4.17, 81.23]
    assert kept == sorted(kept, key=lambda p: p.time)
    assert thin(run[:5], 1.0) == run[:5]


def test_texts_have_a_height_each_the_expected_on_top() -> None:
    points = (held(0.0, "whole"), Point(1.0, "broken", False), held(2.0, "whole"))
    axis = axis_of(of({"": points}, "== whole"))
    assert axis.names == ("broken", "whole")
    assert axis.height("whole") < axis.height("broken")


def test_a_duration_expected_makes_seconds_of_the_values() -> None:
    assert axis_of(of({"": (held(0.0),)}, "<= 15s")).unit == "s"
    assert axis_of(of({"": (held(0.0),)}, "== 1")).unit == ""


def test_series_most_violated_first() -> None:
    series = {"a": (held(0.0),), "b": (Point(0.0, 20.0, False),), "c": (held(0.0),)}
    assert ordered(of(series)) == ["b", "a", "c"]


def test_a_check_that_never_answered_is_no_data_all_the_time() -> None:
    story = read(journals.recover(journals.undo(journals.begin())).closed(42.0))
    found = track(story, journals.STALL)
    assert {span.held for span in found.judged} == {None}
    assert found.series == {}


def test_recovery_is_judged_from_the_first_undo_call() -> None:
    story = read(journals.passed())
    found = track(story, journals.BACK)
    assert found.judged[0].start == journals.START + 26.0
    assert found.judged[-1].end == journals.START + 29.0


def test_recovery_is_shown_beside_what_it_is_compared_with() -> None:
    """All that was asked before admission, however long that was waited for; a hypothesis has its phase *before*."""
    check = journals.BACK.model_copy(update={"expect": "within 10% of before"})
    journal = journals.Journal().add(-30.0, journals.planned()).add(5.2, Admitted())
    journal.samples(check, [-28.0, -27.0], {"": lambda _: 4.0})
    story = read(journal.entries())
    assert track(story, check).before == 4.0
    claim = HypothesisPlan.model_validate(check.model_dump())
    assert track(story, claim).before is None
