"""Days that others have fixed: public holidays, and the events of an iCalendar file (RFC 5545), with all that recurs.

Both libraries take a tenth of a second to load: nothing is loaded before a calendar needs it.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

from chaosjc.spec.problems import did_you_mean, quote, shorten

MAX_BYTES = 4 * 1024 * 1024
OFTEN = ("SECONDLY", "MINUTELY", "HOURLY")
"""Nothing that a calendar for people has, and millions of events a year."""
MOST_A_DAY = 24
"""Times of a day at which a rule may name an event."""
LONGEST = datetime.timedelta(days=3660)
EARLIEST = 1900
"""The year in which what recurs may have begun: all occurrences since then are counted each time."""
TIMES = ("DTSTART", "DTEND", "RECURRENCE-ID", "EXDATE", "RDATE")
"""What of an event may name a time zone."""

Holiday = Callable[[datetime.date], str]
"""The name of a day's holiday; empty where it is none."""


@dataclass(frozen=True, order=True)
class Span:
    """From `begin` up to, and not at, `end`, both UTC; `what` the event is called."""

    begin: datetime.datetime
    end: datetime.datetime
    what: str = ""

    def overlaps(self, begin: datetime.datetime, end: datetime.datetime) -> bool:
        """Whether any of it lies from `begin` up to `end`."""
        return self.begin < end and begin < self.end


def holidays_of(code: str) -> Holiday:
    """Those of a country (`FR`) or one of its subdivisions (`FR-57`, by ISO 3166-2 or by name), as `holidays` has them.

    ValueError where it knows none of that code.
    """
    import holidays

    country, _, part = code.partition("-")
    countries = holidays.list_supported_countries()
    if country not in countries:
        raise ValueError(f"no holidays are known of a country {quote(country)}; {did_you_mean(country, countries)}")
    parts = [*countries[country], *getattr(holidays, country).subdivisions_aliases]
    if part and part not in parts:
        raise ValueError(f"{country} has no subdivision {quote(part)}; {did_you_mean(part, parts)}")
    english = "en_US" if "en_US" in getattr(holidays, country).supported_languages else None
    found = holidays.country_holidays(country, subdiv=part or None, language=english)
    return lambda day: found.get(day, "") or ""


class Events:
    """What an iCalendar file has, year by year, as it is asked for."""

    def __init__(self, once: tuple[Span, ...], series: tuple[_Series, ...]) -> None:
        self._once, self._series = once, series
        self._years: dict[int, tuple[Span, ...]] = {}
        self._longest = max((each.length for each in series), default=datetime.timedelta())

    def within(self, begin: datetime.datetime, end: datetime.datetime) -> tuple[Span, ...]:
        """All events that lie wholly or in part between two instants, the earliest first."""
        first = (begin - self._longest).year - 1  # a year of the place may begin a day before that of UTC
        spans = [*self._once, *(span for year in range(first, end.year + 2) for span in self._of_year(year))]
        return tuple(sorted({span for span in spans if span.begin < span.end and span.overlaps(begin, end)}))

    def _of_year(self, year: int) -> tuple[Span, ...]:
        if year not in self._years:
            self._years[year] = tuple(span for each in self._series for span in each.spans(year))
        return self._years[year]


def read(path: Path, zone: ZoneInfo) -> Events:
    """The events of a file; days, and times without a zone of their own, are those of `zone`.

    Cancelled events are none. ValueError, in a person's words, where the file cannot be read or not be understood
    whole: an exam that was left out would be broken into.
    """
    import icalendar

    try:
        if not path.is_file() and path.exists():  # a pipe would never end
            raise ValueError(f"{path}: no ordinary file")
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    if len(text) > MAX_BYTES:
        raise ValueError(f"{path}: larger than {MAX_BYTES // 1024**2} MiB")
    try:
        found = cast("Any", icalendar.Calendar.from_ical(text))
        return _events([each for each in found.walk("VEVENT")], zone)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{path}: no iCalendar file that can be read: {str(error)[:200]}") from error


@dataclass(frozen=True)
class _Series:
    """One event and all that recur of it: wall times in `zone`, without a zone of their own."""

    what: str
    zone: datetime.tzinfo
    start: datetime.datetime
    length: datetime.timedelta
    rules: tuple[str, ...] = ()
    also: tuple[datetime.datetime, ...] = ()
    left_out: frozenset[datetime.datetime | datetime.date] = field(default_factory=frozenset[datetime.datetime])

    def spans(self, year: int) -> Iterator[Span]:
        """Those that begin in that year."""
        first, last = datetime.datetime(year, 1, 1), datetime.datetime(year, 12, 31, 23, 59, 59)  # noqa: DTZ001 - wall time
        starts = {at for at in (self.start, *self.also) if first <= at <= last}
        for rule in self.rules:
            starts |= set(_rule(rule, self.start).between(first, last, inc=True))
        for at in sorted(starts):
            if at not in self.left_out and at.date() not in self.left_out:
                yield self.span(at)

    def span(self, start: datetime.datetime) -> Span:
        """The one that begins at that wall time: as long by the clock of the place, as RFC 5545 has days."""
        begin, end = (each.replace(tzinfo=self.zone).astimezone(datetime.UTC) for each in (start, start + self.length))
        return Span(begin, max(begin, end), self.what)


def _rule(rule: str, start: datetime.datetime) -> Any:
    from dateutil import rrule  # pyright: ignore[reportMissingModuleSource]

    return cast("Any", rrule).rrulestr(rule, dtstart=start)


def _events(found: list[Any], zone: ZoneInfo) -> Events:
    """A changed occurrence (RECURRENCE-ID) takes the place of the one that its series has."""
    moved: dict[str, set[datetime.datetime | datetime.date]] = {}
    for event in found:
        if event.errors:
            raise ValueError(f"event {quote(_what(event))}: {event.errors[0][1]}")
        if unknown := _unknown_zone(event):
            hint = "name one of the IANA database, such as Europe/Zurich, or export it with its VTIMEZONE"
            raise ValueError(f"event {quote(_what(event))}: unknown time zone {quote(unknown)}: {hint}")
        if instead := event.get("RECURRENCE-ID"):
            if instead.params.get("RANGE"):
                raise ValueError(
                    f"event {quote(_what(event))}: RECURRENCE-ID with a RANGE: export each event by itself"
                )
            moved.setdefault(str(event.get("UID")), set()).add(instead.dt)
    series = [_series(each, zone, moved) for each in found if str(each.get("STATUS", "")).upper() != "CANCELLED"]
    once = tuple(each.span(each.start) for each in series if not (each.rules or each.also))
    return Events(once, tuple(each for each in series if each.rules or each.also))


def _unknown_zone(event: Any) -> str:
    """The first TZID that means nothing here: icalendar takes its times for such as have no zone, without a word."""
    for found in (each for key in TIMES for each in _listed(event.get(key))):
        times = [each.dt for each in getattr(found, "dts", [found])]
        if any(isinstance(at, datetime.datetime) and at.tzinfo is None for at in times) and "TZID" in found.params:
            return str(found.params["TZID"])
    return ""


def _series(event: Any, zone: ZoneInfo, moved: dict[str, set[datetime.datetime | datetime.date]]) -> _Series:
    if event.get("DTSTART") is None:
        raise ValueError(f"event {quote(_what(event))}: it has no DTSTART")
    begin = event["DTSTART"].dt
    own: datetime.tzinfo = getattr(begin, "tzinfo", None) or zone
    start, length = _wall(begin, own), _length(event, begin, own)
    if abs(length) > LONGEST:
        raise ValueError(f"event {quote(_what(event))}: longer than {LONGEST.days} days")
    if "RECURRENCE-ID" in event:
        return _Series(_what(event), own, start, length)
    rules = tuple(_rule_text(each, own) for each in _listed(event.get("RRULE")))
    if rules and start.year < EARLIEST:
        raise ValueError(f"event {quote(_what(event))}: it recurs since before {EARLIEST}")
    also = tuple(_wall(each, own) for each in _dates(event.get("RDATE")))
    out = {*_dates(event.get("EXDATE")), *moved.get(str(event.get("UID")), ())}
    left_out = {each if not isinstance(each, datetime.datetime) else _wall(each, own) for each in out}
    found = _Series(_what(event), own, start, length, rules, also, frozenset(left_out))
    if not (rules or also) and (start in left_out or start.date() in left_out):
        return _Series(_what(event), own, start, datetime.timedelta())
    return found


def _length(event: Any, begin: datetime.date, own: datetime.tzinfo) -> datetime.timedelta:
    """Of an event that says neither end nor duration: a day where it is one, else nothing."""
    if event.get("DTEND") is not None:
        return _wall(event["DTEND"].dt, own) - _wall(begin, own)
    if event.get("DURATION") is not None:
        return event["DURATION"].dt
    return datetime.timedelta(0 if isinstance(begin, datetime.datetime) else 1)


def _rule_text(rule: Any, own: datetime.tzinfo) -> str:
    """With UNTIL as a wall time, and of a date its last second: files have it in every way."""
    if str(rule["FREQ"][0]).upper() in OFTEN:
        raise ValueError(f"RRULE {rule.to_ical().decode()}: what recurs more often than daily is no calendar")
    if math.prod(len(rule.get(each) or "1") for each in ("BYHOUR", "BYMINUTE", "BYSECOND")) > MOST_A_DAY:
        raise ValueError(f"RRULE {shorten(rule.to_ical().decode())}: more than {MOST_A_DAY} times a day is no calendar")
    text = ";".join(part for part in rule.to_ical().decode().split(";") if not part.startswith("UNTIL="))
    for until in rule.get("UNTIL", []):
        day = not isinstance(until, datetime.datetime)
        last = datetime.datetime.combine(until, datetime.time(23, 59, 59)) if day else _wall(until, own)
        text += f";UNTIL={last:%Y%m%dT%H%M%S}"
    _rule(text, datetime.datetime(2026, 1, 1))  # noqa: DTZ001 - whether it can be read at all
    return text


def _wall(at: datetime.date, zone: datetime.tzinfo) -> datetime.datetime:
    """What the clock of a place shows; midnight of a day."""
    if not isinstance(at, datetime.datetime):
        return datetime.datetime.combine(at, datetime.time())
    return (at.astimezone(zone) if at.tzinfo else at).replace(tzinfo=None)


def _dates(found: Any) -> list[datetime.date]:
    """The days or times of an EXDATE or RDATE; a period is refused: it would have a length of its own."""
    dates = [each.dt for listed in _listed(found) for each in listed.dts]
    if any(isinstance(each, tuple) for each in dates):
        raise ValueError("RDATE with periods: export each event by itself")
    return dates


def _listed(found: Any) -> list[Any]:
    if found is None:
        return []
    return cast("list[Any]", found) if isinstance(found, list) else [found]


def _what(event: Any) -> str:
    return str(event.get("SUMMARY") or "an event")
