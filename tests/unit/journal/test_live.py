"""What a run reads from its samples while it goes on."""

from __future__ import annotations

from typing import Any

import pytest

from chaosjc.journal.events import CheckPlan, HypothesisPlan, Reading, Sample
from chaosjc.journal.live import alarm, steady
from chaosjc.journal.recovery import recovered_since
from chaosjc.journal.timeline import Window
from tests.unit.journal.story import readings

BEFORE = Window(-5, 0)


def asked(signs: str, series: str = "", check: str = "hub") -> list[Sample]:
    return [Sample(check=check, readings=(reading,)) for reading in readings(signs, series)]


def plan(**options: Any) -> HypothesisPlan:
    basic = {"id": "hub", "name": "hub", "kind": "http", "expect": "== 1", "stop": True}
    return HypothesisPlan.model_validate(basic | options)


def test_steady_when_every_sample_of_the_baseline_held() -> None:
    assert steady([plan()], asked("+5"), 5, 0.0).held is True


def test_steady_does_not_wait_for_a_sample_that_is_not_overdue() -> None:
    assert steady([plan()], asked("+4"), 5, 0.9).held is True


@pytest.mark.parametrize(
    ("signs", "held", "code"),
    [
        ("+3 -1 +1", False, "steady-state-broken"),
        ("+2 ?1 +2", None, "steady-state-unknown"),
        ("?5", None, "steady-state-unknown"),
        ("", None, "steady-state-unknown"),
        ("+1 .4", None, "steady-state-unknown"),
    ],
)
def test_not_steady(signs: str, held: bool | None, code: str) -> None:
    found = steady([plan(), plan(id="other", name="other")], asked(signs) + asked("+5", check="other"), 5, 0.0)
    assert (found.held, found.code) == (held, code)
    assert found.reason.startswith("hub ")


def test_steady_looks_only_at_hypotheses_of_the_phase_before() -> None:
    assert steady([plan(phases=("during",))], asked("-5"), 5, 0.0).held is True


def test_steady_with_slow_scrapes() -> None:
    scraped = [Sample(check="hub", readings=(Reading(time=t, value=1.0, interval=15),)) for t in (-17, -2)]
    assert steady([plan()], scraped, 5, 0.0).held is True


@pytest.mark.parametrize(
    ("options", "signs", "now", "cause"),
    [
        ({}, "+10", 5, None),
        ({}, "+8 -1", 3.1, "stop"),
        ({"stop": False}, "+8 -5", 8, None),
        ({"tolerate": 2}, "+8 -2", 5, None),
        ({"tolerate": 2}, "+8 -3", 5.5, "stop"),
        ({"tolerate": 2}, "+8 -1", 7, None),  # what follows the last sample is not yet known
        ({"tolerate": 2}, "+8 -1 .3 -1", 7.1, "stop"),
        ({}, "+8 ?12", 12.9, None),
        ({}, "+8 ?12", 13.0, "blind"),
        ({}, "", 11, "blind"),
        ({"require": "any"}, "+8 -1", 3.5, "stop"),
    ],
)
def test_alarm(options: dict[str, Any], signs: str, now: float, cause: str | None) -> None:
    found = alarm(plan(**options), asked(signs), BEFORE, 1.0, now)
    assert (found.cause if found else None) == cause


def test_a_lost_series_blinds() -> None:
    told = asked("+30", "a") + asked("+5", "b")
    found = alarm(plan(), told, BEFORE, 1.0, 12.0)
    assert found is not None
    assert found.cause == "blind"


def test_any_series_that_holds_is_no_alarm() -> None:
    told = asked("+30", "a") + asked("+5 -20", "b")
    assert alarm(plan(require="any"), told, BEFORE, 1.0, 12.0) is None


CHECK = CheckPlan(id="r1", name="r1", kind="http", expect="== 1")


@pytest.mark.parametrize(
    ("signs", "since"),
    [
        ("+5 -12 +3", 12.0),
        ("+5 -12 +2", None),
        ("+5 -12 +2 -1 +3", 15.0),
        ("+5 -12 +2 ?1 +2", None),
        ("+20", 10.0),  # samples before the undo was called do not count
        ("+5 -9 ?2", None),
        ("", None),
    ],
)
def test_recovered_after_three_samples_running(signs: str, since: float | None) -> None:
    assert recovered_since([CHECK], asked(signs, check="r1"), None, 10.0) == since


def test_recovered_when_the_last_of_all_checks_is() -> None:
    other = CHECK.model_copy(update={"id": "r2"})
    told = asked("+5 -12 +9", check="r1") + asked("+5 -14 +3", check="r2")
    assert recovered_since([CHECK, other], told, None, 10.0) == 14.0
    assert recovered_since([CHECK, other], asked("+30", check="r1"), None, 10.0) is None


def test_one_scrape_asked_about_three_times_is_one_sample() -> None:
    told = [Sample(check="r1", readings=(Reading(time=t, value=1.0, interval=15),)) for t in (11, 11, 11, 26, 26)]
    assert recovered_since([CHECK], told, None, 10.0) is None
    told.append(Sample(check="r1", readings=(Reading(time=41, value=1.0, interval=15),)))
    assert recovered_since([CHECK], told, None, 10.0) == 11


def test_a_poll_without_answer_does_not_hide_the_scrape_before_it() -> None:
    times = [(11.0, 1.0), (12.0, None), (11.9, 1.0), (12.9, 1.0), (13.9, 1.0)]
    told = [Sample(check="r1", readings=(Reading(time=t, value=v),)) for t, v in times]
    assert recovered_since([CHECK], told, None, 10.0) == 11.9


def test_not_recovered_while_a_series_of_before_is_missing() -> None:
    told = asked("+30", "a", "r1") + asked("+5", "b", "r1")
    assert recovered_since([CHECK], told, BEFORE, 10.0) is None
    assert recovered_since([CHECK], told, None, 10.0) == 10.0


def scraped(*readings: tuple[str, float, float | None]) -> Sample:
    return Sample(check="r1", readings=tuple(Reading(series=name, time=t, value=v) for name, t, v in readings))


def test_of_several_readings_of_a_series_the_newest_counts() -> None:
    falling = [scraped(("a", t, 0.0), ("a", t - 0.5, 1.0)) for t in (11, 12, 13)]
    assert recovered_since([CHECK], falling, None, 10.0) is None
    rising = [scraped(("a", t, 1.0), ("a", t - 0.5, 0.0)) for t in (11, 12, 13)]
    assert recovered_since([CHECK], rising, None, 10.0) == 11


def test_a_series_that_was_there_and_is_gone_keeps_a_check_from_holding() -> None:
    told = [scraped(("a", t, 1.0), ("b", t - 1, 1.0), ("b", t, None)) for t in (11, 12, 13)]
    assert recovered_since([CHECK], told, None, 10.0) is None
