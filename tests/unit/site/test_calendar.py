"""When a site may be broken: what the clock of the place shows, on ordinary days and on the two that are not."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from chaosjc.errors import SpecError
from chaosjc.site import model as sites
from chaosjc.site.calendar import ALL_DAY, Calendar, Piece, common
from chaosjc.site.model import SiteFile
from chaosjc.spec import reader
from chaosjc.spec.problems import Problems
from tests.sites import lab_file

HOUR = datetime.timedelta(hours=1)
EXAMS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//x//x
BEGIN:VEVENT
UID:1
SUMMARY:Algebra
DTSTART;TZID=Europe/Paris:20270322T140000
DTEND;TZID=Europe/Paris:20270322T160000
RRULE:FREQ=WEEKLY;COUNT=3
END:VEVENT
END:VCALENDAR
"""


def utc(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)


def calendar(directory: Path | None = None, **said: Any) -> Calendar:
    """In Paris, with its files read from there."""
    found = Calendar.model_validate_json(json.dumps({"timezone": "Europe/Paris", **said}))
    problems = Problems()
    document = reader.parse("{}", str((directory or Path("/nowhere")) / "site.yaml"), problems)
    assert document
    found = found.read(document, ("policy", "calendar"), problems)
    problems.check()
    return found


def told(pieces: list[Piece]) -> list[str]:
    """`08:00-15:00`, in UTC."""
    return [f"{begin:%H:%M}-{end:%H:%M}" for begin, end in pieces]


def of_day(found: Calendar, day: str) -> list[str]:
    return told(found.openings(datetime.date.fromisoformat(day)))


# ------------------------------------------------------------------ the two days on which the clocks change


def test_the_hours_are_those_of_the_place_before_and_after_each_change() -> None:
    found = calendar(hours="09:00-16:00")
    days = ("2027-03-27", "2027-03-28", "2027-10-30", "2027-10-31")
    assert [of_day(found, day) for day in days] == [["08:00-15:00"], ["07:00-14:00"], ["07:00-14:00"], ["08:00-15:00"]]


@pytest.mark.parametrize("window", [{"hours": "01:30-03:15"}, {"only": [{"hours": "01:30-03:15"}]}])
def test_where_the_clocks_go_forward_the_hour_that_is_left_out_is_in_no_window(window: dict[str, Any]) -> None:
    """From 02:00 CET it is 03:00 CEST at once: 01:00 UTC."""
    found = calendar(**window)
    assert of_day(found, "2027-03-28") == ["00:30-01:15"]
    assert of_day(calendar(hours="02:10-02:50"), "2027-03-28") == []
    assert not calendar(hours="02:10-02:50").working(datetime.date(2027, 3, 28))
    assert of_day(calendar(hours="02:30-03:15"), "2027-03-28") == ["01:00-01:15"]


def test_where_they_go_back_the_hour_that_comes_twice_is_in_its_window_twice() -> None:
    """At 03:00 CEST it is 02:00 CET again: 01:00 UTC."""
    assert of_day(calendar(hours="02:30-03:15"), "2027-10-31") == ["00:30-01:00", "01:30-02:15"]
    assert of_day(calendar(hours="02:00-03:00"), "2027-10-31") == ["00:00-02:00"]


def test_what_is_forbidden_is_so_both_times() -> None:
    found = calendar(never=[{"hours": "02:30-03:00"}])
    at = [utc(f"2027-10-31T{each}") for each in ("00:29", "00:30", "00:59", "01:00", "01:30", "01:59", "02:00")]
    assert [found.open(each) for each in at] == [True, False, False, True, False, False, True]


def test_a_whole_day_has_23_or_25_hours() -> None:
    found = calendar(never=[{"dates": ["2027-01-01"]}])
    for day, hours in (("2027-03-28", 23), ("2027-10-31", 25), ("2027-06-01", 24)):
        ((begin, end),) = found.openings(datetime.date.fromisoformat(day))
        assert (end - begin) / HOUR == hours


@pytest.mark.parametrize(
    ("timezone", "day", "hours", "opens"),
    [
        ("America/Santiago", "2026-09-06", "00:30-18:30", "04:00-21:30"),
        ("America/Havana", "2026-03-08", "00:45-09:00", "05:00-13:00"),
        ("America/Santiago", "2026-09-06", "00:15-00:45", ""),
        ("America/Santiago", "2026-09-06", "09:00-18:30", "12:00-21:30"),
        ("America/Santiago", "2026-09-05", "00:30-18:30", "04:30-22:30"),
        ("America/Santiago", "2026-09-07", "00:30-18:30", "03:30-21:30"),
    ],
)
def test_where_midnight_is_left_out_the_day_begins_at_one(timezone: str, day: str, hours: str, opens: str) -> None:
    found = calendar(timezone=timezone, hours=hours)
    assert of_day(found, day) == ([opens] if opens else [])
    assert found.working(datetime.date.fromisoformat(day)) is bool(opens)


ZONES = [
    *("UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"),
    *("America/Havana", "America/Santiago"),  # midnight is left out, or comes twice
]
QUARTERS = st.tuples(st.integers(0, 95), st.integers(1, 96)).map(lambda pair: (pair[0], max(pair[1], pair[0] + 1)))
ANY_HOURS = QUARTERS.map(lambda pair: "-".join(f"{each // 4:02}:{each % 4 * 15:02}" for each in pair))
WINDOWS = st.fixed_dictionaries(
    {"hours": ANY_HOURS},
    optional={"days": st.just(["sun"]), "dates": st.just(["2027-03-14", "2027-10-03..2027-11-07"])},
)


CHANGES = ["2027-03-14", "2027-03-28", "2027-04-04", "2027-09-05", "2027-10-03", "2027-10-31", "2027-11-07"]


@given(
    st.sampled_from(ZONES), st.one_of(st.just(ALL_DAY), ANY_HOURS),
    st.lists(WINDOWS, max_size=2), st.lists(WINDOWS, max_size=2), st.sampled_from([*CHANGES, "2027-06-06"]),
)  # fmt: skip
@example("America/Santiago", "00:30-18:30", [], [], "2027-09-05")
def test_openings_are_exactly_the_instants_that_are_open(
    zone: str, hours: str, only: list[dict[str, Any]], never: list[dict[str, Any]], day: str
) -> None:
    """Minute by minute over three days with a change of the clocks in some place, whatever is said."""
    found = Calendar.model_validate_json(json.dumps({"timezone": zone, "hours": hours, "only": only, "never": never}))
    begin = utc(day) - 24 * HOUR
    pieces = list(found.between(begin, begin + 72 * HOUR))
    for minutes in range(0, 72 * 60, 5):
        at = begin + datetime.timedelta(minutes=minutes)
        assert found.open(at) == any(first <= at < last for first, last in pieces)


# ------------------------------------------------------------------ what windows say


def test_a_window_is_a_time_at_which_all_holds_that_it_says() -> None:
    found = calendar(never=[{"why": "teaching", "days": ["fri"], "hours": "14:00-18:00"}])
    assert found.refusal(utc("2027-03-26T13:30")) == "never teaching (fri, 14:00-18:00)"
    assert found.open(utc("2027-03-26T12:30"))
    assert found.open(utc("2027-03-25T13:30"))


def test_one_of_several_is_enough_of_only() -> None:
    found = calendar(only=[{"days": ["mon"], "hours": "09:00-12:00"}, {"dates": ["2027-07-01..2027-08-31"]}])
    assert found.open(utc("2027-03-22T09:00"))
    assert found.open(utc("2027-07-15T23:00"))
    assert found.refusal(utc("2027-03-23T09:00")) == "only mon, 09:00-12:00 or 2027-07-01..2027-08-31"


def test_holidays_are_those_of_the_part_of_the_country() -> None:
    good_friday = utc("2027-03-26T10:00")
    found = calendar(never=[{"holidays": "FR-57"}])
    assert found.refusal(good_friday) == "never holidays FR-57: Good Friday"
    assert calendar(never=[{"holidays": "FR"}]).open(good_friday)
    assert not calendar(never=[{"holidays": "FR"}]).open(utc("2027-07-13T22:30")), "14 July has begun in Paris"


def test_events_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "exams.ics").write_text(EXAMS)
    found = calendar(tmp_path, never=[{"why": "exams", "ics": "exams.ics"}])
    assert found.refusal(utc("2027-03-22T13:00")) == "never exams (exams.ics): Algebra"
    assert found.refusal(utc("2027-03-29T12:00")) == "never exams (exams.ics): Algebra", "in summer time by then"
    assert found.open(utc("2027-03-22T12:59"))
    assert found.open(utc("2027-03-22T15:00"))
    assert of_day(found, "2027-03-22") == ["23:00-13:00", "15:00-23:00"]


def test_closed_days_and_hours_are_still_what_they_were() -> None:
    found = calendar(days=["mon", "tue"], hours="09:00-16:00", closed=["2027-03-22..2027-03-23"])
    assert found.refusal(utc("2027-03-22T09:00")) == "never closed 2027-03-22..2027-03-23"
    assert found.refusal(utc("2027-03-24T09:00")) == "only mon, tue, 09:00-16:00 Europe/Paris"
    assert found.next_opening(utc("2027-03-22T09:00")) == utc("2027-03-29T07:00")


def test_who_lasts_until_something_is_forbidden_has_to_begin_earlier() -> None:
    found = calendar(hours="09:00-16:00", never=[{"why": "exams", "dates": ["2027-03-23"]}])
    assert found.obstacle(utc("2027-03-22T14:00"), utc("2027-03-22T14:30")) is None
    assert found.obstacle(utc("2027-03-22T14:00"), utc("2027-03-22T18:00")) is None, "hours are for the beginning"
    assert found.obstacle(utc("2027-03-22T14:00"), utc("2027-03-23T00:00")) == (
        utc("2027-03-22T23:00"),
        "never exams (2027-03-23)",
    )
    assert found.next_opening(utc("2027-03-22T14:00"), 10 * HOUR) == utc("2027-03-24T08:00")
    assert found.next_opening(utc("2027-03-22T14:00"), HOUR) == utc("2027-03-22T14:00")


def test_what_never_opens_is_not_waited_for() -> None:
    assert calendar(only=[{"dates": ["2020-01-01"]}]).next_opening(utc("2027-01-01")) is None


def test_what_several_calendars_allow_is_what_all_of_them_do() -> None:
    one, two = calendar(hours="09:00-16:00"), Calendar.model_validate_json('{"hours": "10:00-20:00"}')
    assert told(common([one, two], utc("2027-01-04"), utc("2027-01-05"))) == ["10:00-15:00"]


# ------------------------------------------------------------------ in a site file


def written(directory: Path, **said: Any) -> Path:
    raw = lab_file(storage=False)
    raw["policy"]["calendar"] = said
    path = directory / "site.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False, default_flow_style=False))
    return path


def test_a_site_s_calendar_is_read_from_beside_it_and_a_snapshot_needs_no_file(tmp_path: Path) -> None:
    (tmp_path / "exams.ics").write_text(EXAMS)
    site = sites.load(written(tmp_path, timezone="Europe/Paris", never=[{"ics": "exams.ics"}]))
    assert site.policy.calendar and not site.policy.calendar.open(utc("2027-03-22T13:00"))
    (tmp_path / "exams.ics").unlink()
    again = SiteFile.restore(site.snapshot())
    assert again.policy.calendar and again.policy.calendar.never[0].ics == str(tmp_path / "exams.ics")
    with pytest.raises(KeyError):
        again.policy.calendar.open(utc("2027-03-22T13:00"))  # who cannot know does not say yes


@pytest.mark.parametrize(
    ("window", "field", "why"),
    [
        ({"ics": "none.ics"}, "ics", "none.ics: No such file or directory; give the path of an .ics file"),
        ({"ics": "~nobody-of-that-name/x.ics"}, "ics", "No such file or directory"),
        ({"ics": "a\x00b"}, "ics", "a"),
        ({"ics": "."}, "ics", "no ordinary file"),
        ({"ics": "site.yaml"}, "ics", "site.yaml: no iCalendar file that can be read"),
        ({"holidays": "FR-75"}, "holidays", 'FR has no subdivision "75"'),
        ({"holidays": "France"}, "holidays", "expected a country such as FR"),
        ({"hours": "22:00-06:00"}, "hours", "a night is two windows"),
        ({"dates": ["2027-02-30"]}, "dates", "expected a date such as"),
        ({}, "never", "expected one or more of days, hours, dates, holidays and ics"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(tmp_path: Path, window: dict[str, Any], field: str, why: str) -> None:
    path = written(tmp_path, never=[window])
    with pytest.raises(SpecError) as caught:
        sites.load(path)
    (problem,) = caught.value.problems
    lines = path.read_text().splitlines()
    at = next(n for n, line in enumerate(lines, 1) if re.search(rf"\b{field}:", line))
    assert problem.line - at in (0, 1)
    assert problem.field.startswith("policy.calendar.never")
    assert why in problem.message
