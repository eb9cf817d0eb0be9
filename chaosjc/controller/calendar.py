"""When a site may be broken by itself: days, hours, holidays, in the site's own time zone. Pure."""

from __future__ import annotations

import datetime
import re
import zoneinfo
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from chaosjc.spec.model import Model

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_HOURS = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")


def parse_hours(text: str) -> tuple[datetime.timedelta, datetime.timedelta]:
    """Since midnight: (9 h, 16 h 30 min) for `09:00-16:30`. Raises ValueError."""
    match = _HOURS.fullmatch(text)
    if match is None:
        raise ValueError(f"expected hours such as 09:00-16:30, found {text!r}")
    opens, closes = (datetime.timedelta(hours=int(match[n]), minutes=int(match[n + 1])) for n in (1, 3))
    if not opens < closes <= datetime.timedelta(days=1):
        raise ValueError(f"{text}: they end no later than 24:00, and after they begin")
    return opens, closes


def parse_dates(text: str) -> tuple[datetime.date, datetime.date]:
    """First and last day of `2026-12-24` or `2026-12-24..2027-01-03`. Raises ValueError."""
    first, dots, last = text.partition("..")
    try:
        dates = datetime.date.fromisoformat(first), datetime.date.fromisoformat(last if dots else first)
    except ValueError:
        raise ValueError(f"expected a date such as 2026-12-24, or 2026-12-24..2027-01-03, found {text!r}") from None
    if dates[1] < dates[0]:
        raise ValueError(f"{text}: it ends before it begins")
    return dates


def _zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"unknown time zone {name!r}: one of the IANA database, such as Europe/Zurich") from None
    return name


def _hours(text: str) -> str:
    parse_hours(text)
    return text


def _dates(text: str) -> str:
    parse_dates(text)
    return text


class Calendar(Model):
    """Working hours. What is due outside them does not happen, and is not caught up with."""

    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    days: tuple[Day, ...] = Field(default=DAYS, min_length=1)
    hours: Annotated[str, AfterValidator(_hours)] = "00:00-24:00"
    closed: tuple[Annotated[str, AfterValidator(_dates)], ...] = ()
    """Holidays and exams: dates, or ranges of them."""

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """Of all its dates and hours."""
        return zoneinfo.ZoneInfo(self.timezone)

    def working(self, day: datetime.date) -> bool:
        """Whether anything may happen on that day."""
        closed = any(first <= day <= last for first, last in map(parse_dates, self.closed))
        return DAYS[day.weekday()] in self.days and not closed

    def hours_of(self, day: datetime.date) -> tuple[datetime.datetime, datetime.datetime]:
        """Beginning and end of its working hours, in UTC; shorter or longer where the clocks change meanwhile."""
        midnight = datetime.datetime.combine(day, datetime.time())
        opens, closes = (midnight + since for since in parse_hours(self.hours))
        return opens.replace(tzinfo=self.zone).astimezone(datetime.UTC), closes.replace(tzinfo=self.zone).astimezone(
            datetime.UTC
        )

    def open(self, at: datetime.datetime) -> bool:
        """Whether anything may begin at that instant."""
        day = at.astimezone(self.zone).date()
        opens, closes = self.hours_of(day)
        return self.working(day) and opens <= at < closes
