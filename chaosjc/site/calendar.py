"""When a site may be broken: working hours, holidays, calendar files, dates, in the time zone of the place.

A calendar says what the clock and the calendar of the place must show. So where the clocks go forward, an hour that is
left out is in no window, and where they go back, one that comes twice is in its window twice.
"""

from __future__ import annotations

import datetime
import functools
import itertools
import json
import os
import re
import zoneinfo
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Self, cast

from pydantic import AfterValidator, Field, PrivateAttr, ValidationError, model_validator

from chaosjc.drivers import calendars
from chaosjc.drivers.calendars import Events, Holiday
from chaosjc.spec.model import Model
from chaosjc.spec.problems import Loc, Problems
from chaosjc.spec.reader import Document

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HORIZON = datetime.timedelta(days=5 * 366)
"""Further ahead nothing is looked for: a leap day comes round within it."""

ALL_DAY = "00:00-24:00"

Instant = datetime.datetime
"""In UTC."""
Piece = tuple[Instant, Instant]
"""From the first up to, and not at, the second."""

_HOURS = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")
_DAY = datetime.timedelta(days=1)


@functools.lru_cache(1024)
def parse_hours(text: str) -> tuple[datetime.timedelta, datetime.timedelta]:
    """Since midnight: (9 h, 16 h 30 min) for `09:00-16:30`. Raises ValueError."""
    match = _HOURS.fullmatch(text)
    if match is None:
        raise ValueError(f"expected hours such as 09:00-16:30, found {text!r}")
    opens, closes = (datetime.timedelta(hours=int(match[n]), minutes=int(match[n + 1])) for n in (1, 3))
    if not opens < closes <= _DAY:
        raise ValueError(f"{text}: they end no later than 24:00, and after they begin; a night is two windows")
    return opens, closes


@functools.lru_cache(1024)
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


def parse_code(text: str) -> tuple[str, str]:
    """Country and part of `FR` or `FR-57`. Raises ValueError."""
    country, _, part = text.partition("-")
    if not re.fullmatch(r"[A-Z]{2}(-.+)?", text):
        raise ValueError(f"expected a country such as FR, or a part of one such as FR-57, found {text!r}")
    return country, part


def _zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"unknown time zone {name!r}: one of the IANA database, such as Europe/Zurich") from None
    return name


def _checked(parse: Callable[[str], object]) -> AfterValidator:
    def check(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(check)


Days = Annotated[tuple[Day, ...], Field(min_length=1)]
Hours = Annotated[str, _checked(parse_hours)]
Dates = Annotated[tuple[Annotated[str, _checked(parse_dates)], ...], Field(min_length=1)]
Code = Annotated[str, _checked(parse_code)]


@dataclass(frozen=True)
class Sources:
    """What the windows refer to, once it was read: holidays by their code, events by their file."""

    holidays: dict[str, Holiday] = field(default_factory=dict[str, Holiday])
    events: dict[str, Events] = field(default_factory=dict[str, Events])


class Window(Model):
    """A time, and what it is for: whenever all holds that it says."""

    why: str = ""
    """What people call it: exams."""
    days: Days | None = None
    hours: Hours | None = None
    dates: Dates | None = None
    """Dates, or ranges of them."""
    holidays: Code | None = None
    """The public holidays of a country (FR), or of its part (FR-57, FR-Alsace)."""
    ics: str | None = Field(None, min_length=1)
    """While there is an event in this iCalendar file, seen from the file that names it."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self._said:
            raise ValueError("expected one or more of days, hours, dates, holidays and ics")
        return self

    @property
    def _said(self) -> dict[str, str]:
        """By key, what it says."""
        said = {
            "days": ", ".join(self.days or ()),
            "hours": self.hours or "",
            "dates": ", ".join(self.dates or ()),
            "holidays": self.holidays and f"holidays {self.holidays}",
            "ics": self.ics and (Path(self.ics).name or self.ics),
        }
        return {key: text for key, text in said.items() if text}

    @property
    def told(self) -> str:
        """`exams (mon, tue, 09:00-16:00)`."""
        said = ", ".join(self._said.values())
        return f"{self.why} ({said})" if self.why else said

    def holding(self, local: datetime.datetime, sources: Sources) -> str:
        """What is then, in words, with the holiday's or the event's name; empty where not all of it holds.

        `local` is what the place's clock shows.
        """
        day, named = local.date(), ""
        if self.days and DAYS[day.weekday()] not in self.days:
            return ""
        if self.hours and not _within(local, self.hours):
            return ""
        if self.dates and not _among(day, self.dates):
            return ""
        if self.holidays and not (named := sources.holidays[self.holidays](day)):
            return ""
        if self.ics:
            at = local.astimezone(datetime.UTC)
            events = sources.events[self.ics].within(at, at + datetime.timedelta(microseconds=1))
            if not events:
                return ""
            named = ", ".join(filter(None, [named, *dict.fromkeys(span.what for span in events)]))
        return f"{self.told}: {named}" if named else self.told

    def read(self, document: Document, loc: Loc, problems: Problems, into: tuple[zoneinfo.ZoneInfo, Sources]) -> Self:
        """With the path of its file as it is seen from anywhere; what it refers to is put among the sources."""
        (zone, sources), read = into, self
        try:
            if self.holidays:
                sources.holidays[self.holidays] = calendars.holidays_of(self.holidays)
        except ValueError as error:
            problems.add(document.problem((*loc, "holidays"), str(error)))
        if self.ics:
            path = (Path(document.path).parent / os.path.expanduser(self.ics)).absolute()
            read = self.model_copy(update={"ics": str(path)})
            try:
                sources.events[str(path)] = calendars.read(path, zone)
            except ValueError as error:
                message = f"{error}; give the path of an .ics file, as seen from this one"
                problems.add(document.problem((*loc, "ics"), message))
        return read

    def edges(self, day: datetime.date, whole: Piece, zone: zoneinfo.ZoneInfo, sources: Sources) -> Iterator[Instant]:
        """Instants of that day at which it may begin or cease to hold, besides midnight and a change of the clocks."""
        if self.hours:
            yield from _clock(day, self.hours, zone)
        if self.ics:
            for span in sources.events[self.ics].within(*whole):
                yield from (span.begin, span.end)


class Calendar(Model):
    """When anything may begin: on these days, in these hours, in one of the windows of `only`, if there are any.

    Never on a closed day, nor in a window of `never`; of a site's policy, no run begins that could last into these.
    What is due at other times does not happen, and is not caught up with.
    """

    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    days: tuple[Day, ...] = Field(default=DAYS, min_length=1)
    hours: Hours = ALL_DAY
    closed: tuple[Annotated[str, _checked(parse_dates)], ...] = ()
    """Holidays and exams: dates, or ranges of them."""
    only: tuple[Window, ...] = ()
    never: tuple[Window, ...] = ()
    _sources: Sources = PrivateAttr(default=Sources())

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """Of all its dates and hours."""
        return zoneinfo.ZoneInfo(self.timezone)

    def forbidden(self, at: Instant) -> str:
        """What is then that forbids it, in words: a closed day, or a window of `never`; empty where nothing is."""
        local = at.astimezone(self.zone)
        closed = next((each for each in self.closed if _among(local.date(), [each])), "")
        never = (window.holding(local, self._sources) for window in self.never)
        return f"closed {closed}" if closed else next(filter(None, never), "")

    def refusal(self, at: Instant) -> str:
        """Why nothing may begin then; empty where it may."""
        local = at.astimezone(self.zone)
        if DAYS[local.weekday()] not in self.days or not _within(local, self.hours):
            return f"only {', '.join(self.days)}, {self.hours} {self.timezone}"
        if never := self.forbidden(at):
            return f"never {never}"
        if self.only and not any(window.holding(local, self._sources) for window in self.only):
            return f"only {' or '.join(window.told for window in self.only)}"
        return ""

    def open(self, at: Instant) -> bool:
        """Whether anything may begin at that instant."""
        return not self.refusal(at)

    def obstacle(self, begin: Instant, end: Instant) -> tuple[Instant, str] | None:
        """The first thing that forbids what begins then, and lasts until `end` at most; and since when it does."""
        if why := self.refusal(begin):
            return begin, why
        for edge in itertools.chain.from_iterable(map(self._edges, self._days(begin, end))):
            if begin < edge < end and (why := self.forbidden(edge)):
                return edge, f"never {why}"
        return None

    def next_opening(self, after: Instant, lasting: datetime.timedelta = datetime.timedelta()) -> Instant | None:
        """The first instant from `after` on at which what lasts so long may begin; None where none is expected."""
        for begin, end in self.between(after, after + HORIZON):
            if end > begin and self.obstacle(begin, begin + lasting) is None:
                return begin
        return None

    def between(self, begin: Instant, end: Instant) -> Iterator[Piece]:
        """The times between two instants at which anything may begin, one after another, day by day."""
        for day in self._days(begin, end):
            for opens, closes in self.openings(day):
                if max(opens, begin) < min(closes, end):
                    yield max(opens, begin), min(closes, end)

    def openings(self, day: datetime.date) -> list[Piece]:
        """When anything may begin on that day of the place."""
        if not self._plain(day):
            return []
        if not (self.only or self.never) and self._steady(day):
            opens, closes = (_at(day, since, self.zone) for since in parse_hours(self.hours))
            return [(opens, closes)]
        edges = self._edges(day)
        found: list[Piece] = []
        for begin, end in itertools.pairwise(edges):
            if self.open(begin):
                joined = found and found[-1][1] == begin
                found[-1:] = [(found[-1][0], end)] if joined else [*found[-1:], (begin, end)]
        return found

    def working(self, day: datetime.date) -> bool:
        """Whether anything may begin on that day of the place."""
        said = self.only or self.never or (self.hours != ALL_DAY and not self._steady(day))
        return bool(self.openings(day)) if said else self._plain(day)

    def read(self, document: Document, loc: Loc, problems: Problems) -> Self:
        """With its files and holidays at hand; `document` has it at `loc`. What is wrong with them is added.

        Paths begin at the document.
        """
        sources = Sources()
        read: dict[str, list[Window]] = {"only": [], "never": []}
        for kind, number, window in self._windows():
            read[kind].append(window.read(document, (*loc, kind, number), problems, (self.zone, sources)))
        copy = self.model_copy(update={kind: tuple(windows) for kind, windows in read.items()})
        copy._sources = sources
        return copy

    def _windows(self) -> Iterator[tuple[str, int, Window]]:
        for kind, windows in (("only", self.only), ("never", self.never)):
            yield from ((kind, number, window) for number, window in enumerate(windows))

    def _plain(self, day: datetime.date) -> bool:
        """Whether the days allow it, of which there are many to look at."""
        return DAYS[day.weekday()] in self.days and not _among(day, self.closed)

    def _steady(self, day: datetime.date) -> bool:
        """Whether the clocks do not change on it, nor at its first midnight: some places leave that out."""
        begin, end = self._whole(day)
        before = begin - datetime.timedelta(seconds=1)
        return before.astimezone(self.zone).utcoffset() == end.astimezone(self.zone).utcoffset()

    def _days(self, begin: Instant, end: Instant) -> Iterator[datetime.date]:
        """Those of the place that have something of that time."""
        day, last = begin.astimezone(self.zone).date(), end.astimezone(self.zone).date()
        while day <= last:
            yield day
            day += _DAY

    def _whole(self, day: datetime.date) -> Piece:
        return _at(day, datetime.timedelta(), self.zone), _at(day + _DAY, datetime.timedelta(), self.zone)

    def _edges(self, day: datetime.date) -> list[Instant]:
        """The day's beginning and end, and every instant between at which something may change."""
        whole = self._whole(day)
        edges = {*whole, *_clock(day, self.hours, self.zone), *_change(*whole, self.zone)}
        for _, _, window in self._windows():
            edges.update(window.edges(day, whole, self.zone, self._sources))
        return sorted(edge for edge in edges if whole[0] <= edge <= whole[1])


ALWAYS = Calendar()


def look(document: Document, loc: Loc, problems: Problems) -> None:
    """Add what is wrong with that which a calendar refers to, where it, or the file around it, is none."""
    for kind in ("only", "never"):
        windows = document.value((*loc, kind))
        for number, _ in enumerate(cast("list[object]", windows) if isinstance(windows, list) else ()):
            at = (*loc, kind, number)
            for key in ("holidays", "ics"):
                try:
                    window = Window.model_validate_json(json.dumps({key: document.value((*at, key))}))
                except ValidationError:
                    continue
                window.read(document, at, problems, (zoneinfo.ZoneInfo("UTC"), Sources()))


def common(calendars: Iterable[Calendar], begin: Instant, end: Instant) -> list[Piece]:
    """The times between two instants that all of them allow."""
    pieces = [(begin, end)]
    for each in calendars:
        pieces = [part for piece in pieces for part in each.between(*piece)]
    return pieces


def _within(local: datetime.datetime, hours: str) -> bool:
    since = datetime.timedelta(
        hours=local.hour, minutes=local.minute, seconds=local.second, microseconds=local.microsecond
    )
    opens, closes = parse_hours(hours)
    return opens <= since < closes


def _among(day: datetime.date, dates: Iterable[str]) -> bool:
    return any(first <= day <= last for first, last in map(parse_dates, dates))


def _clock(day: datetime.date, hours: str, zone: zoneinfo.ZoneInfo) -> Iterator[Instant]:
    """When the clock shows the ends of the hours; of a time that comes twice, both."""
    for since in parse_hours(hours):
        yield from (_at(day, since, zone, fold) for fold in (0, 1))


def _at(day: datetime.date, since: datetime.timedelta, zone: zoneinfo.ZoneInfo, fold: int = 0) -> Instant:
    wall = datetime.datetime.combine(day, datetime.time()) + since
    return wall.replace(tzinfo=zone, fold=fold).astimezone(datetime.UTC)


def _change(begin: Instant, end: Instant, zone: zoneinfo.ZoneInfo) -> Iterator[Instant]:
    """The second at which the clocks change between two instants, if they do."""

    def offset(at: Instant) -> datetime.timedelta | None:
        return at.astimezone(zone).utcoffset()

    before = offset(begin)
    if before == offset(end):
        return
    while end - begin > datetime.timedelta(seconds=1):
        middle = begin + datetime.timedelta(seconds=(end - begin).total_seconds() // 2)
        begin, end = (middle, end) if offset(middle) == before else (begin, middle)
    yield end
