"""Calendar files as universities export them, and public holidays: above all, what must never be overlooked."""

from __future__ import annotations

import datetime
import os
import zoneinfo
from collections.abc import Callable
from pathlib import Path

import pytest

from chaosjc.drivers import calendars
from chaosjc.drivers.calendars import Events, holidays_of, read

PARIS = zoneinfo.ZoneInfo("Europe/Paris")
Ics = Callable[..., Events]
EVERY = ",".join(map(str, range(24)))  # hour


def utc(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)


@pytest.fixture
def ics(tmp_path: Path) -> Ics:
    """Each event is a text of lines."""

    def made(*events: str) -> Events:
        inside = "".join(f"BEGIN:VEVENT\n{each}\nEND:VEVENT\n" for each in events)
        text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//x\n{inside}END:VCALENDAR\n"
        (tmp_path / "exams.ics").write_bytes(text.replace("\n", "\r\n").encode())
        return read(tmp_path / "exams.ics", PARIS)

    return made


def told(events: Events, begin: str = "2027-01-01", end: str = "2028-01-01") -> list[str]:
    """`2027-03-22T13:00/2027-03-22T15:00 Algebra`, in UTC."""
    spans = events.within(utc(begin), utc(end))
    return [f"{each.begin:%Y-%m-%dT%H:%M}/{each.end:%Y-%m-%dT%H:%M} {each.what}".rstrip() for each in spans]


def test_a_day_is_the_place_s_own_and_a_time_without_a_zone_too(ics: Ics) -> None:
    found = ics(
        "UID:1\nSUMMARY:Algebra\nDTSTART;VALUE=DATE:20270322",
        "UID:2\nSUMMARY:Logic\nDTSTART:20270324T140000\nDTEND:20270324T160000",
        "UID:3\nSUMMARY:Sets\nDTSTART:20270325T140000Z\nDURATION:PT90M",
        "UID:4\nSUMMARY:Rings\nDTSTART;TZID=America/New_York:20270326T090000\nDTEND;TZID=America/New_York:20270326T100000",
    )
    assert told(found) == [
        "2027-03-21T23:00/2027-03-22T23:00 Algebra",
        "2027-03-24T13:00/2027-03-24T15:00 Logic",
        "2027-03-25T14:00/2027-03-25T15:30 Sets",
        "2027-03-26T13:00/2027-03-26T14:00 Rings",
    ]


def test_what_recurs_keeps_its_hour_when_the_clocks_change(ics: Ics) -> None:
    weekly = "UID:1\nSUMMARY:x\nDTSTART;TZID=Europe/Paris:20270322T140000\nDTEND;TZID=Europe/Paris:20270322T160000\n"
    assert told(ics(weekly + "RRULE:FREQ=WEEKLY;COUNT=2")) == [
        "2027-03-22T13:00/2027-03-22T15:00 x",
        "2027-03-29T12:00/2027-03-29T14:00 x",
    ]


@pytest.mark.parametrize("until", ["20270405", "20270405T120000Z", "20270405T140000"])
def test_until_is_read_in_every_way_that_files_have_it(ics: Ics, until: str) -> None:
    weekly = "UID:1\nDTSTART;TZID=Europe/Paris:20270322T140000\nDTEND;TZID=Europe/Paris:20270322T160000\n"
    assert len(told(ics(weekly + f"RRULE:FREQ=WEEKLY;UNTIL={until}"))) == 3


def test_left_out_moved_and_cancelled_occurrences(ics: Ics) -> None:
    found = ics(
        "UID:1\nSUMMARY:x\nDTSTART:20270301T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=4\nEXDATE:20270302T100000Z",
        "UID:1\nSUMMARY:moved\nRECURRENCE-ID:20270303T100000Z\nDTSTART:20270303T180000Z\nDURATION:PT1H",
        "UID:1\nSTATUS:CANCELLED\nRECURRENCE-ID:20270304T100000Z\nDTSTART:20270304T100000Z\nDURATION:PT1H",
        "UID:2\nSTATUS:CANCELLED\nDTSTART:20270305T100000Z\nDURATION:PT1H",
        "UID:3\nSUMMARY:also\nDTSTART:20270306T100000Z\nDURATION:PT1H\nRDATE:20270308T100000Z",
    )
    assert [each.split()[-1] + each[8:10] for each in told(found)] == ["x01", "moved03", "also06", "also08"]


def test_what_began_last_year_still_goes_on(ics: Ics) -> None:
    found = ics("UID:1\nSUMMARY:x\nDTSTART;VALUE=DATE:20201220\nDTEND;VALUE=DATE:20210110\nRRULE:FREQ=YEARLY")
    assert told(found, "2028-01-05", "2028-01-06") == ["2027-12-19T23:00/2028-01-09T23:00 x"]


def test_every_hour_of_a_day_and_years_on_end_are_read(ics: Ics) -> None:
    hours = ics(f"UID:1\nDTSTART:20270101T000000Z\nRRULE:FREQ=DAILY;BYHOUR={EVERY}\nDURATION:PT1H")
    assert len(told(hours, "2027-01-01", "2027-01-02")) == 24
    years = ics("UID:1\nDTSTART:19900101T000000Z\nRRULE:FREQ=YEARLY\nDURATION:P3650D")
    assert len(told(years, "2027-06-01", "2027-06-02")) == 10


def test_a_moment_without_length_forbids_nothing(ics: Ics) -> None:
    assert told(ics("UID:1\nDTSTART:20270322T100000Z")) == []


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ("UID:1\nSUMMARY:Algebra", '"Algebra": it has no DTSTART'),
        ("UID:1\nSUMMARY:Algebra\nDTSTART:2027XX", '"Algebra": Expected'),
        ("UID:1\nDTSTART:20270101T000000Z\nRRULE:FREQ=HOURLY", "more often than daily"),
        ("UID:1\nDTSTART:20270101T000000Z\nRRULE:FREQ=NEVER", "Expected frequency"),
        (f"UID:1\nDTSTART:20270101T000000Z\nRRULE:FREQ=DAILY;BYHOUR={EVERY};BYMINUTE=0,30", "more than 24 times a day"),
        ("UID:1\nDTSTART:20270101T000000Z\nDURATION:P999999D", "longer than 3660 days"),
        ("UID:1\nDTSTART:20270101T000000Z\nDURATION:-P999999D\nRRULE:FREQ=DAILY", "longer than 3660 days"),
        ("UID:1\nDTSTART:00010101T000000Z\nRRULE:FREQ=DAILY", "since before 1900"),
        ("UID:1\nDTSTART:20270101T000000Z\nRDATE;VALUE=PERIOD:20270101T000000Z/PT1H", "RDATE with periods"),
        ("UID:1\nRECURRENCE-ID;RANGE=THISANDFUTURE:20270101T000000Z\nDTSTART:20270101T000000Z", "with a RANGE"),
    ],
)
def test_an_event_that_is_not_understood_is_no_event_left_out(ics: Ics, event: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ics(event)


@pytest.mark.parametrize(
    "line",
    [
        "DTSTART;TZID=Nowhere/City:20270601T090000",
        "DTSTART:20270601T090000Z\nDTEND;TZID=Nowhere/City:20270601T100000",
        "DTSTART:20270601T090000Z\nRECURRENCE-ID;TZID=Nowhere/City:20270601T100000",
        "DTSTART:20270601T090000Z\nRRULE:FREQ=DAILY\nEXDATE;TZID=Nowhere/City:20270601T100000",
        "DTSTART:20270601T090000Z\nRRULE:FREQ=DAILY\nEXDATE:20270601T090000Z\nEXDATE;TZID=Nowhere/City:20270602T090000",
        "DTSTART:20270601T090000Z\nRDATE;TZID=Nowhere/City:20270602T090000",
        "DTSTART;TZID=Nowhere/City:20270601T090000\nSTATUS:CANCELLED",
    ],
)
def test_a_time_in_a_zone_that_nobody_knows_is_not_one_of_the_place(ics: Ics, line: str) -> None:
    with pytest.raises(ValueError, match='"Algebra": unknown time zone "Nowhere/City": name one of the IANA database'):
        ics(f"UID:1\nSUMMARY:Algebra\n{line}")


def test_days_need_no_zone_and_a_file_may_bring_its_own(ics: Ics, tmp_path: Path) -> None:
    assert told(ics("UID:1\nSUMMARY:x\nDTSTART;VALUE=DATE;TZID=Nowhere/City:20270322")) == [
        "2027-03-21T23:00/2027-03-22T23:00 x"
    ]
    offsets = "DTSTART:19700101T000000\nTZOFFSETFROM:+0300\nTZOFFSETTO:+0300"
    own = f"BEGIN:VTIMEZONE\nTZID:Campus\nBEGIN:STANDARD\n{offsets}\nEND:STANDARD\nEND:VTIMEZONE\n"
    event = "BEGIN:VEVENT\nUID:1\nSUMMARY:x\nDTSTART;TZID=Campus:20270322T120000\nDURATION:PT1H\nEND:VEVENT\n"
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{event}{own}END:VCALENDAR\n"
    (tmp_path / "own.ics").write_bytes(text.replace("\n", "\r\n").encode())
    assert told(read(tmp_path / "own.ics", PARIS)) == ["2027-03-22T09:00/2027-03-22T10:00 x"]


@pytest.mark.parametrize("text", [b"", b"hello", b"<html>Log in</html>", b"\xff\xfe\x00", b"BEGIN:VCALENDAR\r\n"])
def test_what_is_no_calendar_file_is_said_to_be_none(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "x.ics").write_bytes(text)
    with pytest.raises(ValueError, match=r"x\.ics: no iCalendar file that can be read"):
        read(tmp_path / "x.ics", PARIS)


def test_a_file_that_is_not_there_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"none\.ics: No such file"):
        read(tmp_path / "none.ics", PARIS)
    monkeypatch.setattr(calendars, "MAX_BYTES", 3)
    os.mkfifo(tmp_path / "pipe")
    for odd in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ValueError, match="no ordinary file"):
            read(odd, PARIS)
    (tmp_path / "x.ics").write_bytes(b"BEGIN")
    with pytest.raises(ValueError, match="larger than"):
        read(tmp_path / "x.ics", PARIS)


@pytest.mark.parametrize(
    ("code", "day", "name"),
    [
        ("FR", "2027-07-14", "National Day"),
        ("FR", "2027-03-26", ""),  # Good Friday is one in Alsace and Moselle alone
        ("FR-57", "2027-03-26", "Good Friday"),
        ("FR-Alsace", "2027-12-26", "Saint Stephen's Day"),
        ("FR-La Réunion", "2027-12-20", "Abolition of Slavery"),
        ("CH-ZH", "2027-08-01", "National Day"),
    ],
)
def test_holidays_of_a_country_and_of_its_parts(code: str, day: str, name: str) -> None:
    assert holidays_of(code)(datetime.date.fromisoformat(day)) == name


@pytest.mark.parametrize(
    ("code", "why"), [("XX", "country"), ("FR-75", "FR has no subdivision"), ("FR-alsace", "did you mean")]
)
def test_an_unknown_place_is_no_place_without_holidays(code: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        holidays_of(code)
