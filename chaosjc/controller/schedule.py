"""When each entry of a schedule fires: a pure function of the file, so that a year ahead can be told today."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cronsim import CronSim

from chaosjc.controller.model import Cron, Entry, GameDay, Mtbf, Often, Schedule, parse_at
from chaosjc.site.calendar import HORIZON, Calendar, Piece, common

BEGINNING = datetime.date(2026, 1, 1)
"""Random days are drawn one after another from here on, so that every day has the same past for everybody."""


@dataclass(frozen=True, order=True)
class Firing:
    """One entry, due at an instant (UTC). `seed` is that of its first run."""

    at: datetime.datetime
    entry: str
    seed: int


def firings(
    schedule: Schedule, start: datetime.datetime, end: datetime.datetime, policy: Calendar | None = None
) -> list[Firing]:
    """All that are due from `start` up to, and not at, `end`; the earliest first.

    `policy` is the calendar of the site, if it has one: what either of the two forbids does not happen.
    """
    return sorted(firing for entry in schedule.entries for firing in of_entry(schedule, entry, start, end, policy))


def next_firing(
    schedule: Schedule, entry: Entry, after: datetime.datetime, policy: Calendar | None = None
) -> Firing | None:
    """The first that is due later than `after`; None where none is to be expected."""
    start = after + datetime.timedelta(microseconds=1)
    return next(of_entry(schedule, entry, start, start + HORIZON, policy), None)


def of_entry(
    schedule: Schedule,
    entry: Entry,
    start: datetime.datetime,
    end: datetime.datetime,
    policy: Calendar | None = None,
) -> Iterator[Firing]:
    """The same of one entry, one after another."""
    if isinstance(entry, Mtbf):
        times = _random(schedule, entry, start, end, policy)
    else:
        times = (at for at in _named(schedule, entry, start, end) if policy is None or policy.open(at))
    for at in times:
        yield Firing(at, entry.name, _number(schedule.seed, entry.name, "targets", at.isoformat()) >> 33)


def probability(often: Often) -> float:
    """That an entry fires on a working day on which it may.

    After one it rests for `least` - 1 days, and then waits for 1/p on average: `mean` = `least` - 1 + 1/p. Chaos Monkey
    itself takes 1/mean, and so its mean is longer than the one that was asked for.
    """
    return 1 / (often.mean - often.least + 1)


def _named(
    schedule: Schedule, entry: Entry, start: datetime.datetime, end: datetime.datetime
) -> Iterator[datetime.datetime]:
    """Of those that the entry names, the ones that the schedule's own calendar allows."""
    for local in _local_times(schedule, entry, start):
        at = local.astimezone(datetime.UTC)
        if at >= end:
            return
        if at >= start and schedule.calendar.open(at):
            yield at


def _local_times(schedule: Schedule, entry: Entry, start: datetime.datetime) -> Iterator[datetime.datetime]:
    zone = schedule.calendar.zone
    if isinstance(entry, Cron):
        yield from CronSim(entry.cron, start.astimezone(zone) - datetime.timedelta(microseconds=1))
    elif isinstance(entry, GameDay):
        yield parse_at(entry.at).replace(tzinfo=zone)


def _random(
    schedule: Schedule,
    entry: Mtbf,
    start: datetime.datetime,
    end: datetime.datetime,
    policy: Calendar | None,
) -> Iterator[datetime.datetime]:
    chance, rest = probability(entry.mtbf), 0
    day, last = BEGINNING, end.astimezone(schedule.calendar.zone).date()
    while day <= last:
        if _working(schedule.calendar, policy, day):
            if rest:
                rest -= 1
            elif _draw(schedule.seed, entry.name, "day", day.isoformat()) < chance:
                rest = entry.mtbf.least - 1
                at = _moment(schedule, entry, day, _pieces(schedule.calendar, policy, day))
                if start <= at < end:
                    yield at
        day += datetime.timedelta(days=1)


def _working(calendar: Calendar, policy: Calendar | None, day: datetime.date) -> bool:
    """Whether anything may begin on a day, which it may where nothing but the days is said."""
    return calendar.working(day) and (policy is None or bool(_pieces(calendar, policy, day)))


def _pieces(calendar: Calendar, policy: Calendar | None, day: datetime.date) -> list[Piece]:
    """The day's hours, as far as both allow them."""
    openings = calendar.openings(day)
    return openings if policy is None else [each for piece in openings for each in common([policy], *piece)]


def _moment(schedule: Schedule, entry: Entry, day: datetime.date, pieces: Sequence[Piece]) -> datetime.datetime:
    """A whole second of the day's hours."""
    lengths = [int((closes - opens).total_seconds()) for opens, closes in pieces]
    since = int(_draw(schedule.seed, entry.name, "second", day.isoformat()) * sum(lengths))
    for (opens, _), length in zip(pieces, lengths, strict=True):
        if since < length:
            return opens + datetime.timedelta(seconds=since)
        since -= length
    raise AssertionError("a working day has hours")


def _draw(*what: object) -> float:
    """From 0 up to, and not, 1; always the same for the same words."""
    return _number(*what) / 2**64


def _number(*what: object) -> int:
    """64 bits."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, what)).encode()).digest()[:8])
