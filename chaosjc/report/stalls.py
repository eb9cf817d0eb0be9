"""Outages as users saw them, from gauges of age that a run asked for, whatever its hypotheses promise.

At its sample's own time t such a gauge of value v says that users have been without an answer since t - v: so the
beginning is exact, however rarely it was looked at. Stalls are those of storage: a write due at t - v is unanswered.
Their length is the longest that one write waited: exact where the run also asked the canary for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from chaosjc import names
from chaosjc.journal.effects import LABEL
from chaosjc.journal.events import CheckPlan
from chaosjc.journal.timeline import JITTER, Point, Window
from chaosjc.journal.verdict import WHEN
from chaosjc.report import words
from chaosjc.report.story import Story, Track, track

LATE = 1.0  # seconds after which a write is late: as the canary counts it
ROUNDING = 0.001  # seconds
CLOSE = 0.25  # seconds by which two gauges of one scrape may differ
NONE_LATE = f"no write was late by more than {words.seconds(LATE)} in what was measured"


@dataclass(frozen=True)
class Users:
    """Whom a gauge of age speaks of: `what` they were without, `where` the labels that say which of them.

    `more` is the age in seconds above which it counts, `lead` and `none` are sentences about all of it.
    """

    metric: names.Metric
    what: str
    where: tuple[str, ...]
    more: float
    lead: str
    none: str


WRITES = Users(
    names.STORAGE_OLDEST,
    "writes",
    ("volume", "vm"),
    LATE,
    f"writes late by more than {words.seconds(LATE)}, from when the first of them was due",
    NONE_LATE,
)
HUB = Users(
    names.HUB_OUTAGE_AGE,
    "hub",
    ("rung", "entry"),
    0.0,
    "the hub's rungs away, from when the first failed attempt was due to the next good answer",
    "no outage of the hub in what was measured",
)
NOTEBOOKS = Users(
    names.LIVE_OUTAGE_AGE,
    "notebook",
    ("worker",),
    0.0,
    "live notebooks without answers, from when the first failed cell was due to the next good one",
    "no outage of a live notebook in what was measured",
)


@dataclass(frozen=True)
class Stall:
    """Users of one series waited from `start` (seconds since 1970) on, one of them for `least` to `most` seconds.

    `most` is None where nobody saw the end. Both are the same where the canary itself told the length. `check` is what
    asked for it.
    """

    series: str
    labels: tuple[tuple[str, str], ...]
    start: float
    least: float
    most: float | None
    users: Users = WRITES
    check: str = ""

    @property
    def who(self) -> str:
        """Which of the users, where the series or its selector names them; else the series, or what asked for it."""
        named = dict(self.labels)
        parts = [named[label] for label in self.users.where if label in named]
        return " · ".join(parts) or (self.series or "all" if self.users is WRITES else self.check)

    @property
    def seconds(self) -> float:
        """How long it lasted, at most; so far, where nobody saw the end."""
        return self.least if self.most is None else self.most

    @property
    def exact(self) -> bool:
        """Whether the length was told, not only bounded."""
        return self.most == self.least


def lasted(stall: Stall) -> str:
    """Its length in words: `5.2 s`, `4.3 s to 5.3 s` where it is only bounded, `4.3 s and more`."""
    if stall.most is None:
        return f"{words.seconds(stall.least)} and more"
    return words.seconds(stall.most) if stall.exact else f"{words.seconds(stall.least)} to {words.seconds(stall.most)}"


def watched(story: Story) -> bool:
    """Whether the run asked for anything that shows stalls."""
    return bool(_checks(story, names.STORAGE_OLDEST) or _checks(story, names.STORAGE_LONGEST))


def stalls(story: Story) -> tuple[Stall, ...]:
    """Every stall of more than a second, in order of time."""
    longest = _tracks(story, names.STORAGE_LONGEST)
    found: list[Stall] = []
    for each in _tracks(story, names.STORAGE_OLDEST):
        found += [_measured(stall, longest) for stall in _bounded(each) if not _known(stall, found)]
    for each in longest:
        found += [stall for stall in _told(each) if not _known(stall, found)]
    return tuple(sorted(found, key=lambda stall: (stall.start, stall.series)))


def felt(story: Story, users: Users) -> tuple[Stall, ...]:
    """Every outage that these users saw, in order of time; of several gauges of one, that which says most of where."""
    if users is WRITES:
        return stalls(story)
    tracks = [each for each in _tracks(story, users.metric) if _as_it_is(each.check, users.metric)]
    bounded = [stall for each in tracks for stall in _bounded(each, users)]
    found: list[Stall] = []
    for stall in sorted(bounded, key=lambda stall: -len(stall.labels)):
        found += [] if any(_one(stall, each) for each in found) else [stall]
    return tuple(sorted(found, key=lambda stall: (stall.start, stall.who)))


def asked(story: Story) -> tuple[Users, ...]:
    """The users of whose outages the run asked anything."""
    others = [
        users
        for users in (HUB, NOTEBOOKS)
        if any(_as_it_is(check, users.metric) for check in _checks(story, users.metric))
    ]
    return tuple([WRITES] if watched(story) else []) + tuple(others)


def with_unknown(said: str, story: Story, users: Users = WRITES) -> str:
    """What is said of outages, and of which phases nobody can say it: no gauge told anything there."""
    metrics = (names.STORAGE_OLDEST, names.STORAGE_LONGEST) if users is WRITES else (users.metric,)
    tracks = [each for metric in metrics for each in _tracks(story, metric)]
    windows = story.judgement.windows.items()
    blind = [WHEN[phase] for phase, window in windows if not any(_tells(each, window) for each in tracks)]
    return f"{said}; not known {', '.join(blind)}" if blind else said


def rests_on(check: CheckPlan, metric: names.Metric) -> bool:
    """Whether a check asks for the metric as it is."""
    asked = check.options.get("promql")
    return isinstance(asked, str) and re.search(rf"\b{metric.name}\b", asked) is not None


def _as_it_is(check: CheckPlan, metric: names.Metric) -> bool:
    """Whether the values are the metric's own, or the greatest of several: of what else is made of them, nobody knows
    when it began.
    """
    selector = rf"{metric.name}\s*(\{{[^{{}}]*\}})?"
    by = r"((by|without)\s*\([^()]*\)\s*)?"
    whole = rf"\s*({selector}|max\s*{by}\(\s*{selector}\s*\)\s*{by})\s*"
    return re.fullmatch(whole, str(check.options.get("promql"))) is not None


def _checks(story: Story, metric: names.Metric) -> list[CheckPlan]:
    return [each for each in (*story.planned.hypotheses, *story.planned.observations) if rests_on(each, metric)]


def _tracks(story: Story, metric: names.Metric) -> list[Track]:
    return [track(story, check) for check in _checks(story, metric)]


def _tells(found: Track, window: Window) -> bool:
    """Whether it was looked at in the window; of one too short for a look of its own, the one before tells."""
    since = min(window.start, window.end - found.interval * JITTER)
    return any(since <= point.time <= window.end for points in found.series.values() for point in points)


def _bounded(found: Track, users: Users = WRITES) -> Iterator[Stall]:
    """From the age of what has no answer: it was answered between the last look that saw it and the next."""
    selected = () if users is WRITES else labels_of(str(found.check.options.get("promql")))
    for series, points in found.series.items():
        labels = tuple(sorted((dict(selected) | dict(labels_of(series))).items()))
        for run, following in _late(points, users.more):
            start = min(time - age for time, age in run)
            most = following - start if following is not None else None
            yield Stall(series, labels, start, max(age for _, age in run), most, users, found.check.name)


def _one(stall: Stall, other: Stall) -> bool:
    """Whether two gauges saw the same: began together, and nothing says that it was elsewhere."""
    return _same(stall.labels, other.labels) and abs(stall.start - other.start) <= CLOSE


def _told(found: Track) -> Iterator[Stall]:
    """From the longest wait of late: it grows while a write waits longer than those before.

    Of one that began and ended between two looks the beginning is late by no more than the time between them.
    """
    for series, points in found.series.items():
        last, rise = _age(points[0]), list[tuple[float, float]]()  # at first it may tell of what was before the run
        for point in points[1:]:
            age = _age(point)
            if age > max(last + ROUNDING, LATE):
                rise.append((point.time, age))
            elif rise:
                yield _risen(series, rise)
                rise = []
            last = age
        if rise:
            yield _risen(series, rise)


def _risen(series: str, rise: Sequence[tuple[float, float]]) -> Stall:
    (time, age), length = rise[0], rise[-1][1]
    return Stall(series, labels_of(series), time - age, length, length)


def _known(stall: Stall, found: Iterable[Stall]) -> bool:
    """Whether it was found already, by another check."""
    return any(
        _same(each.labels, stall.labels)
        and stall.start <= each.start + each.seconds + LATE
        and each.start <= stall.start + stall.seconds + LATE
        for each in found
    )


def _measured(stall: Stall, longest: Iterable[Track]) -> Stall:
    """The same with the length that the canary told, if it told one that fits."""
    if stall.most is None:
        return stall
    for found in longest:
        until = stall.start + stall.most + 2 * found.interval
        for series, points in found.series.items():
            if not _same(labels_of(series), stall.labels):
                continue
            told = max((_age(p) for p in points if stall.start < p.time <= until), default=0.0)
            earlier = next((_age(p) for p in reversed(points) if p.time <= stall.start), 0.0)
            if told > earlier + ROUNDING and stall.least - CLOSE <= told <= stall.most + CLOSE:
                return Stall(stall.series, stall.labels, stall.start, told, told)
    return stall


def _late(points: Sequence[Point], more: float = LATE) -> Iterator[tuple[list[tuple[float, float]], float | None]]:
    """Runs of looks (time, age) that saw something late, each with the time of the first look that did not.

    What was not yet due at the look before begins a new one.
    """
    run: list[tuple[float, float]] = []
    for point in points:
        age = _age(point)
        if run and (age <= more or point.time - age > run[-1][0]):
            yield run, point.time
            run = []
        if age > more:
            run.append((point.time, age))
    if run:
        yield run, None


def _age(point: Point) -> float:
    return point.value if not isinstance(point.value, str) else 0.0


def labels_of(series: str) -> tuple[tuple[str, str], ...]:
    """The labels of a series' name."""
    return tuple(sorted(LABEL.findall(series)))


def _same(one: tuple[tuple[str, str], ...], other: tuple[tuple[str, str], ...]) -> bool:
    """Whether the labels that both have are equal."""
    left, right = dict(one), dict(other)
    return all(left[label] == right[label] for label in left.keys() & right.keys())
