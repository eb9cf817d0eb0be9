"""When entries fire: never outside the hours, always the same for the same file, and as often as was asked for."""

from __future__ import annotations

import datetime
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosjc.controller.model import Often
from chaosjc.controller.schedule import BEGINNING, firings, next_firing, of_entry, probability
from chaosjc.site.calendar import DAYS
from tests.unit.controller.schedules import WORKDAYS, policy, schedule, utc

DAY = datetime.timedelta(days=1)
ZONES = ["UTC", "Europe/Zurich", "America/New_York", "Pacific/Auckland", "Asia/Kolkata", "Australia/Lord_Howe"]

calendars = st.fixed_dictionaries(
    {
        "timezone": st.sampled_from(ZONES),
        "days": st.lists(st.sampled_from(DAYS), min_size=1, unique=True),
        "hours": st.sampled_from(["00:00-24:00", "09:00-16:00", "01:30-03:15", "22:00-24:00"]),
        "closed": st.lists(st.sampled_from(["2027-03-28", "2026-12-24..2027-01-03", "2027-10-31"]), unique=True),
    }
)
oftens = st.tuples(st.integers(1, 20), st.integers(0, 20)).map(lambda pair: {"least": pair[0], "mean": sum(pair)})
starts = st.integers(0, 730 * 86400).map(lambda seconds: utc("2026-01-01") + datetime.timedelta(seconds=seconds))
entries = st.one_of(
    st.sampled_from(["30 9 * * *", "*/17 * * * *", "0 2 * * 0", "15 2 29 2 *", "59 23 31 12 *"]).map(
        lambda text: {"cron": text}
    ),
    oftens.map(lambda often: {"mtbf": often}),
    starts.map(lambda at: {"at": f"{at:%F %T}"}),
)


@given(entries, calendars, st.integers(), starts)
def test_nothing_fires_outside_the_hours(
    entry: dict[str, Any], calendar: dict[str, Any], seed: int, start: datetime.datetime
) -> None:
    one = schedule(entry, seed=seed, **calendar)
    found = firings(one, start, start + 10 * DAY)
    assert all(start <= each.at < start + 10 * DAY for each in found)
    assert all(one.calendar.open(each.at) for each in found)
    assert found == sorted(set(found))


@given(entries, calendars, starts, st.integers(0, 10 * 86400))
def test_a_window_is_the_sum_of_its_parts(
    entry: dict[str, Any], calendar: dict[str, Any], start: datetime.datetime, cut: int
) -> None:
    """Whoever asks when gets the same answer: preview, a daemon, and one that was started again in between."""
    one = schedule(entry, **calendar)
    middle, end = start + datetime.timedelta(seconds=cut), start + 10 * DAY
    assert firings(one, start, end) == firings(one, start, middle) + firings(one, middle, end)
    first = next_firing(one, one.entries[0], start)
    later = [each for each in firings(one, start, end) if each.at > start]
    assert first == later[0] if later else first is None or first.at >= end


@given(oftens, calendars, st.integers())
def test_random_entries_keep_their_distance(often: dict[str, Any], calendar: dict[str, Any], seed: int) -> None:
    one = schedule({"mtbf": often}, seed=seed, **calendar)
    days = [each.at.astimezone(one.calendar.zone).date() for each in firings(one, utc("2026-01-01"), utc("2026-07-01"))]
    for before, after in itertools.pairwise(days):
        between = (before + number * DAY for number in range(1, (after - before).days + 1))
        assert sum(map(one.calendar.working, between)) >= often["least"]


@pytest.mark.parametrize(("mean", "least"), [(1.0, 1), (5.0, 1), (5.0, 4), (20.0, 5), (2.5, 2)])
def test_the_mean_is_the_one_that_was_asked_for(mean: float, least: int) -> None:
    """Over 200 years of working days; Chaos Monkey's own 1/mean would miss it by the days of rest."""
    one = schedule({"mtbf": {"mean": mean, "least": least}}, days=WORKDAYS)
    start = datetime.datetime.combine(BEGINNING, datetime.time(), datetime.UTC)
    days = 200 * 365
    found = len(list(of_entry(one, one.entries[0], start, start + days * DAY)))
    assert days * 5 / 7 / found == pytest.approx(mean, rel=0.03)


def test_the_probability_is_corrected_for_the_rest() -> None:
    assert probability(Often(mean=5.0, least=1)) == 1 / 5
    assert probability(Often(mean=5.0, least=5)) == 1


def test_another_seed_another_future() -> None:
    futures = [
        [each.at for each in firings(schedule({"mtbf": {"mean": 3}}, seed=seed), utc("2026-01-01"), utc("2026-06-01"))]
        for seed in (1, 1, 2)
    ]
    assert futures[0] == futures[1] != futures[2]


def test_cron_is_in_the_time_of_the_place() -> None:
    one = schedule({"cron": "30 9 * * *"}, timezone="Europe/Zurich")
    found = [each.at for each in firings(one, utc("2027-03-27"), utc("2027-03-29"))]
    assert found == [utc("2027-03-27T08:30"), utc("2027-03-28T07:30")]  # summer begins between them


def test_an_hour_that_is_left_out_is_made_up_for_and_one_that_comes_twice_is_once() -> None:
    """As Debian's cron does it."""
    one = schedule({"cron": "30 2 * * *"}, timezone="Europe/Zurich")
    spring = [each.at for each in firings(one, utc("2027-03-27T12:00"), utc("2027-03-28T12:00"))]
    autumn = [each.at for each in firings(one, utc("2027-10-30T12:00"), utc("2027-10-31T12:00"))]
    assert (len(spring), len(autumn)) == (1, 1)


def test_a_game_day_is_once_and_in_the_time_of_the_place() -> None:
    one = schedule({"at": "2027-03-29 14:00"}, {"at": "2027-03-29 14:00:30"}, timezone="Europe/Zurich")
    found = [each.at for each in firings(one, utc("2026-01-01"), utc("2030-01-01"))]
    assert found == [utc("2027-03-29T12:00"), utc("2027-03-29T12:00:30")]
    assert next_firing(one, one.entries[0], utc("2027-03-29T12:00")) is None


@pytest.mark.parametrize("at", ["2026-12-24 10:00", "2026-12-23 18:00"])
def test_a_game_day_on_a_holiday_or_after_hours_does_not_happen(at: str) -> None:
    one = schedule({"at": at}, hours="09:00-17:00", closed=["2026-12-24..2026-12-26"])
    assert firings(one, utc("2026-12-01"), utc("2027-01-01")) == []
    assert (
        firings(schedule({"at": at}), utc("2026-12-01"), utc("2027-01-01"), policy(only=[{"dates": ["2027-01-01"]}]))
        == []
    )


def test_a_game_day_in_an_hour_that_is_left_out_is_in_the_next() -> None:
    one = schedule({"at": "2027-03-28 02:30"}, timezone="Europe/Zurich")
    assert [each.at for each in firings(one, utc("2027-01-01"), utc("2028-01-01"))] == [utc("2027-03-28T01:30")]


def test_what_falls_on_a_holiday_or_after_hours_does_not_happen() -> None:
    one = schedule({"cron": "0 9,17 * * *"}, days=WORKDAYS, hours="09:00-17:00", closed=["2026-12-24..2026-12-26"])
    found = [each.at for each in firings(one, utc("2026-12-23"), utc("2026-12-29"))]
    assert found == [utc("2026-12-23T09:00"), utc("2026-12-28T09:00")]


policies = st.fixed_dictionaries(
    {"timezone": st.sampled_from(ZONES)},
    optional={
        "only": st.just([{"days": WORKDAYS, "hours": "02:15-12:00"}, {"dates": ["2027-03-20..2027-04-05"]}]),
        "never": st.just([{"days": ["tue"], "hours": "10:00-11:30"}, {"dates": ["2026-12-01..2027-01-03"]}]),
    },
)


@given(entries, calendars, policies, starts)
def test_what_the_site_s_policy_forbids_does_not_fall_due(
    entry: dict[str, Any], calendar: dict[str, Any], said: dict[str, Any], start: datetime.datetime
) -> None:
    one, allowed = schedule(entry, **calendar), policy(**said)
    found = firings(one, start, start + 10 * DAY, allowed)
    assert all(one.calendar.open(each.at) and allowed.open(each.at) for each in found)
    first = next_firing(one, one.entries[0], start, allowed)
    later = [each for each in found if each.at > start]
    assert first == later[0] if later else first is None or first.at >= start + 10 * DAY


def test_a_random_day_is_drawn_of_those_that_both_allow() -> None:
    """With a mean of one working day it fires on each, and at no other time than both have."""
    one = schedule({"mtbf": {"mean": 1}}, days=WORKDAYS, hours="09:00-16:00")
    allowed = policy(only=[{"days": ["tue", "sat"]}, {"days": ["thu"], "hours": "15:00-20:00"}])
    found = [each.at for each in firings(one, utc("2026-12-07"), utc("2026-12-14"), allowed)]
    assert [f"{each:%a}" for each in found] == ["Tue", "Thu"]
    assert found[1].hour == 15


def test_a_random_second_may_be_before_or_after_what_is_forbidden() -> None:
    one = schedule({"mtbf": {"mean": 1}}, hours="09:00-16:00", never=[{"hours": "10:00-15:00"}])
    hours = {each.at.hour for each in firings(one, utc("2026-01-01"), utc("2026-07-01"))}
    assert hours == {9, 15}


@pytest.mark.parametrize("day", ["2027-03-28", "2027-10-31"])
def test_a_random_second_is_in_its_window_on_a_day_on_which_the_clocks_change(day: str) -> None:
    for seed in range(20):
        one = schedule({"mtbf": {"mean": 1}}, seed=seed, timezone="Europe/Paris", hours="02:30-03:15")
        (found,) = firings(one, utc(day), utc(day) + DAY)
        assert one.calendar.open(found.at)


def test_what_never_comes_is_not_waited_for() -> None:
    one = schedule({"cron": "0 3 * * *"}, hours="09:00-17:00")
    assert next_firing(one, one.entries[0], utc("2026-12-01")) is None


def test_each_firing_draws_its_own_targets() -> None:
    seeds = [each.seed for each in firings(schedule({"cron": "0 * * * *"}), utc("2026-12-01"), utc("2026-12-03"))]
    assert len(set(seeds)) == len(seeds) == 48
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_secret_among_an_entrys_variables_is_refused_with_the_file() -> None:
    with pytest.raises(ValueError, match=r"\$api_token would be kept in the journal"):
        schedule({"cron": "0 9 * * *", "vars": {"api_token": "s3cret"}})
    assert schedule({"cron": "0 9 * * *", "vars": {"api_token": "/etc/chaosjc/token"}}).entries
