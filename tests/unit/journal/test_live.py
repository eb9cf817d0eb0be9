"""What a run reads from its samples while it goes on."""

from __future__ import annotations

from typing import Any

import pytest

from chaosjc.journal.events import (
    PHASES,
    CheckPlan,
    Entry,
    HypothesisPlan,
    Phase,
    Planned,
    Reading,
    Sample,
    Stopping,
)
from chaosjc.journal.live import alarm, steady
from chaosjc.journal.phases import present
from chaosjc.journal.recovery import recovered_since
from chaosjc.journal.state import fold
from chaosjc.journal.timeline import Window
from tests.unit.journal.story import journal, readings, story

BEFORE = Window(-5, 0)


def asked(signs: str, series: str = "", check: str = "hub") -> list[Sample]:
    return [Sample(check=check, readings=(reading,)) for reading in readings(signs, series)]


def during(now: float) -> dict[Phase, Window]:
    return {"during": Window(1.0, now)}


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
    found = alarm(plan(**options), asked(signs), BEFORE, during(now))
    assert (found.cause if found else None) == cause


def test_a_lost_series_blinds() -> None:
    told = asked("+30", "a") + asked("+5", "b")
    found = alarm(plan(), told, BEFORE, during(12.0))
    assert found is not None
    assert found.cause == "blind"


def test_any_series_that_holds_is_no_alarm() -> None:
    told = asked("+30", "a") + asked("+5 -20", "b")
    assert alarm(plan(require="any"), told, BEFORE, during(12.0)) is None


RECOVERING: dict[Phase, Window] = {"during": Window(1, 14), "recovering": Window(14, 20)}
AFTER: dict[Phase, Window] = {"after": Window(25, 32)}


@pytest.mark.parametrize(
    ("claims", "signs", "windows", "cause"),
    [
        (("before", "after"), "+8 -12", RECOVERING, None),
        (("before", "during"), "+8 -12", RECOVERING, None),
        (("before", "recovering"), "+8 -3 +30", RECOVERING, None),  # violated only where it claims nothing
        (("before", "recovering"), "+8 -30", RECOVERING, "stop"),
        (("before", "during", "recovering"), "+8 -3 +30", RECOVERING, "stop"),
        (("before", "after"), "+8 -20 +20", AFTER, None),
        (("before", "after"), "+8 -23 +20", AFTER, "stop"),
        (PHASES, "+30", {}, None),
        (PHASES, "+8 -20 +20", {}, None),  # between recovery and settling
    ],
)
def test_alarm_only_in_phases_that_it_claims(
    claims: tuple[Phase, ...], signs: str, windows: dict[Phase, Window], cause: str | None
) -> None:
    found = alarm(plan(phases=claims), asked(signs), BEFORE, windows)
    assert (found.cause if found else None) == cause


def test_after_recovery_an_alarm_tolerates_nothing() -> None:
    found = alarm(plan(tolerate=5), asked("+31 -2"), BEFORE, AFTER)
    assert found is not None
    assert found.why == "hub was violated for 2.0 s, 0 s are tolerated"


@pytest.mark.parametrize(
    ("until", "now", "expected"),
    [
        (-6, -1, {}),
        (0, 0.5, {"during": Window(0, 0.5)}),  # nothing is broken yet, and need not be
        (2, 9, {"during": Window(0, 9)}),
        (13, 13.5, {"during": Window(0, 13.5)}),
        (14, 16, {"during": Window(0, 14), "recovering": Window(14, 16)}),
        (17, 17.5, {}),
        (18, 20, {"after": Window(18, 20)}),
        (18, 31, {"after": Window(18, 28)}),  # what the sources still have to tell is of before
    ],
)
def test_the_present_phase(until: float, now: float, expected: dict[Phase, Window]) -> None:
    entries = [each for each in journal(story({"samples": {}})) if each.at <= until]
    assert present(fold(entries), now) == expected


def test_between_two_faults_nothing_recovers_yet() -> None:
    entries = [each for each in journal(story({"samples": {}})) if each.at <= 14]
    planned = entries[0].event
    assert isinstance(planned, Planned)
    later = planned.steps[0].model_copy(update={"id": "f2.hub", "start": 60.0})
    two = planned.model_copy(update={"steps": (*planned.steps, later)})
    entries[0] = entries[0].model_copy(update={"event": two})
    assert present(fold(entries), 16) == {"during": Window(0, 16)}
    stopping = Entry(seq=99, at=15, run="r1", event=Stopping(cause="stop", why="hub"))
    assert present(fold([*entries, stopping]), 16) == {"during": Window(0, 14), "recovering": Window(14, 16)}


def test_a_fault_that_nothing_can_undo_lasts_until_its_time_is_over() -> None:
    """Or until the run stops: a `stop` hypothesis of *during* is looked at as long."""
    told = story({"samples": {}, "step": {"irreversible": "a test", "duration": 10}})
    entries = [each for each in journal(told) if each.at <= 2]
    assert present(fold(entries[:-1]), 1.5) == {"during": Window(0, 1.5)}, "its inject is under way"
    assert present(fold(entries), 11.9) == {"during": Window(0, 11.9)}
    assert present(fold(entries), 13) == {"during": Window(0, 12), "recovering": Window(12, 13)}
    stopping = Entry(seq=99, at=7, run="r1", event=Stopping(cause="stop", why="hub"))
    assert present(fold([*entries, stopping]), 8) == {"during": Window(0, 7), "recovering": Window(7, 8)}


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


def test_a_new_series_that_cannot_be_compared_with_before_is_not_missed() -> None:
    """A pod that came in place of another; one without an answer is no data all the same, new or not."""
    as_before = CHECK.model_copy(update={"expect": "within 10% of before"})
    old, new = scraped(("a", -2, 4.0)), [scraped(("a", t, 4.0), ("b", t, 9.0)) for t in (11, 12, 13)]
    assert recovered_since([as_before], [old, *new], BEFORE, 10.0) == 11
    silent = [scraped(("a", t, 4.0), ("b", t, None)) for t in (11, 12, 13)]
    assert recovered_since([as_before], [old, *silent], BEFORE, 10.0) is None
    assert recovered_since([as_before], new, BEFORE, 10.0) is None, "nothing at all can be compared"
    back = [scraped(("b", t, 9.0)) for t in (11, 12, 13)]
    assert recovered_since([as_before], [old, *back], BEFORE, 10.0) is None, "the one that was there is missed"
