"""`promql`: what Prometheus measured, and when.

The time of a value is that of the oldest sample that it rests on (`timestamp(selector)` of each selector in it), never
the query's: Prometheus answers with samples up to five minutes old. For each series of the answer those are the samples
that carry all of its labels, as far as the selector's series have such labels at all.

A sample is due every scrape interval, as the list of targets has it for the series' job and instance; what a recording
rule makes, every interval of its group; anything else (remote writes) as often as the last five minutes show. It is
stale when older than two intervals and a second: one interval for the wait until the next scrape, one for the scrape
itself, which may take as long. Stale is no data. Where a value rests on samples of several intervals, the longest
counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isnan
from typing import Self, TypeAlias

from pydantic import Field, JsonValue, model_validator

from chaosjc.checks.entry import CheckEntry, Names, text
from chaosjc.checks.sources import Deadline, Sources, need
from chaosjc.drivers.prometheus import MAX_POINTS, Prometheus, Series
from chaosjc.drivers.promql import Basis, Selector, basis_of, oldest, selectors
from chaosjc.errors import RemoteError, UsageError
from chaosjc.journal.events import CheckPlan, Reading

GRACE = 1.0  # seconds
EARLY = 1.5  # intervals before a phase whose samples may stand for its beginning
BACKFILL_TIMEOUT = 30.0  # seconds, for all that a backfill asks of a server that is there
READY_TIMEOUT = 5.0

Job: TypeAlias = tuple[str, str]  # the labels job and instance, which name a target


class PromqlCheck(CheckEntry):
    """A PromQL expression; each series of its answer is judged by itself."""

    promql: str = Field(min_length=1, max_length=10_000)
    """The expression."""
    data: str | None = Field(default=None, min_length=1, max_length=10_000)
    """A selector of the samples that the value stands for, where the expression itself does not tell."""

    @model_validator(mode="after")
    def _rests_on_samples(self) -> Self:
        dummy = Names(("x",), ("x",))
        try:
            basis_of(dummy.fill(self.data or self.promql))
        except UsageError as error:
            raise ValueError(f"{error.message}; {error.hint}") from None
        return self

    @property
    def kind(self) -> str:
        """See CheckEntry."""
        return "promql"

    def title(self, names: Names) -> str:
        """See CheckEntry."""
        return f"{' '.join(names.fill(self.promql).split())} {self.expect}".strip()

    def options(self, names: Names) -> dict[str, JsonValue]:
        """See CheckEntry."""
        return {"promql": names.fill(self.promql), "data": names.fill(self.data or "")}


def ask(plan: CheckPlan, sources: Sources) -> tuple[Reading, ...]:
    """For each series the samples since about the last time of asking, and why there is none now, if so.

    Asking for the newest one only would lose some: polls and scrapes of about the same interval drift past each other.
    """
    client, now = need(sources.prometheus, "Prometheus"), sources.clock.time()
    deadline = Deadline(sources.clock, plan.timeout)
    interval = _interval_at(plan, client, (now,), deadline) or plan.every
    looked = _Look.back(now, plan.every + EARLY * interval, interval)
    ages, found = looked.at(plan, client, deadline)
    readings = [reading for each in found for reading in _readings(each, ages, interval, until=now)]
    readings += [missing for each in found if (missing := _missing(each, ages, interval, now)) is not None]
    nothing = Reading(time=now, why=f"empty: no series answers {text(plan, 'promql')}", interval=interval)
    return tuple(readings) or (nothing,)


def backfill(plan: CheckPlan, sources: Sources, start: float, end: float) -> tuple[Reading, ...]:
    """One reading for each sample time of each series, from just before `start` to `end`; none where there was none."""
    client, deadline = need(sources.prometheus, "Prometheus"), Deadline(sources.clock, BACKFILL_TIMEOUT)
    if not client.ready(READY_TIMEOUT):
        raise RemoteError(f"{client.url}: not ready for queries")
    interval = _interval_at(plan, client, (start, end), deadline) or plan.every
    looked = _Look.back(end + interval, end + interval - start + EARLY * interval, interval)
    ages, found = looked.at(plan, client, deadline)
    return tuple(reading for each in found for reading in _readings(each, ages, interval, until=end))


def lag(plan: CheckPlan, sources: Sources) -> float:
    """How long until all that is measured now can be asked for, seconds: two scrapes."""
    client, deadline = need(sources.prometheus, "Prometheus"), Deadline(sources.clock, plan.timeout)
    return 2 * (_interval_at(plan, client, (sources.clock.time(),), deadline) or plan.every)


@dataclass(frozen=True)
class Ages:
    """When the samples behind an answer were taken; `by_data` if the file named them, not the expression."""

    basis: Basis
    by_data: bool
    series: Mapping[Selector, Sequence[Series]]

    @classmethod
    def ask(cls, plan: CheckPlan, query: Callable[[str], tuple[Series, ...]]) -> Self:
        """Query the times of all samples that a check rests on."""
        data = text(plan, "data")
        basis = basis_of(data or text(plan, "promql"))
        return cls(basis, bool(data), {each: query(_timestamp(each)) for each in selectors(basis)})

    def of(self, answer: Series) -> Callable[[float], float | None]:
        """For one series of the answer: query time → time of the oldest sample behind it, None where one is missing."""
        behind = {each: [dict(series.points) for series in self._behind(each, answer)] for each in self.series}

        def sampled(time: float) -> float | None:
            def of_selector(selector: Selector) -> float | None:
                times = [points[time] for points in behind[selector] if time in points]
                return min(times) + selector.offset if times else None

            return oldest(self.basis, of_selector)

        return sampled

    def _behind(self, selector: Selector, answer: Series) -> Sequence[Series]:
        """The samples that carry all labels of the answer, as far as the selector's series have such labels at all.

        None of them: the answer's own series is gone, unless `data` named the samples, whose labels may be others.
        """
        series = self.series[selector]
        known = {label for each in series for label in each.labels}
        wanted = {pair for pair in answer.labels.items() if pair[0] in known and pair[0] != "__name__"}
        found = [each for each in series if wanted <= each.labels.items()]
        return series if self.by_data and not found else found


def _timestamp(selector: Selector) -> str:
    offset = f" offset {round(selector.offset * 1000)}ms" if selector.offset else ""
    return f"timestamp({selector.text}{offset})"


@dataclass(frozen=True)
class _Look:
    """A range, looked at twice in each interval, so that no scrape is missed however the two are aligned."""

    start: float
    end: float
    step: float

    @classmethod
    def back(cls, end: float, seconds: float, interval: float) -> Self:
        """The steps that end exactly at `end`, and begin at least so many seconds before it."""
        step = round(max(interval / 2, 0.1, seconds / MAX_POINTS), 3)
        return cls(end - ceil(seconds / step) * step, end, step)

    def at(self, plan: CheckPlan, client: Prometheus, deadline: Deadline) -> tuple[Ages, tuple[Series, ...]]:
        """What the check's query answers in this range, and how old that is."""

        def query(promql: str) -> tuple[Series, ...]:
            return client.query_range(promql, self.start, self.end, step=self.step, timeout=deadline.left())

        return Ages.ask(plan, query), query(text(plan, "promql"))


def _readings(answer: Series, ages: Ages, interval: float, *, until: float) -> list[Reading]:
    """One for each sample time, with the value that was first seen with it."""
    sampled, seen = ages.of(answer), set[float]()
    readings: list[Reading] = []
    for time, value in answer.points:
        taken = sampled(time)
        if taken is not None and taken <= until and taken not in seen and not isnan(value):
            seen.add(taken)
            readings.append(Reading(series=answer.name, time=taken, value=value, interval=interval))
    return readings


def _missing(answer: Series, ages: Ages, interval: float, now: float) -> Reading | None:
    """Why a series has no fresh sample now; None where it has."""
    time, value = answer.points[-1]
    sampled = ages.of(answer)(time)
    if now - time > 0.001 or sampled is None:
        why = "gone: no sample now"
    elif isnan(value):
        why = "NaN"
    elif now - sampled > 2 * interval + GRACE:
        why = f"stale: sampled {now - sampled:.1f} s ago, and due every {interval:g} s"
    else:
        return None
    return Reading(series=answer.name, time=now, why=why, interval=interval)


def _interval_at(plan: CheckPlan, client: Prometheus, times: Iterable[float], deadline: Deadline) -> float:
    """The interval of a check's samples at the first of these times at which it had any; 0.0 if none is known."""
    for time in times:
        ages = Ages.ask(plan, lambda promql: client.query(promql, at=time, timeout=deadline.left()))  # noqa: B023 - used at once
        interval = _interval(client, ages, time, deadline)
        if interval:
            return interval
    return 0.0


def _interval(client: Prometheus, ages: Ages, at: float, deadline: Deadline) -> float:
    """The longest interval of all samples; 0.0 if none is known."""
    recorded, scraped = _known_intervals(client, deadline)
    intervals = [0.0]
    for selector, found in ages.series.items():
        known = [recorded.get(selector.metric) or scraped.get(_job(each.labels), 0.0) for each in found]
        if known and all(known):
            intervals.append(max(known))
        elif found:
            intervals.append(client.spacing(selector.text, at=at, timeout=deadline.left()))
    return max(intervals)


def _known_intervals(client: Prometheus, deadline: Deadline) -> tuple[Mapping[str, float], Mapping[Job, float]]:
    """Of recorded metrics, and of targets; both empty where the server keeps them to itself."""
    scraped: dict[Job, float] = {}
    try:
        recorded = client.recorded(deadline.left())
        for target in client.targets(deadline.left()):
            job = _job(target.labels)
            scraped[job] = max(scraped.get(job, 0.0), target.interval)
    except RemoteError:
        return {}, {}
    return recorded, scraped


def _job(labels: Mapping[str, str]) -> Job:
    return labels.get("job", ""), labels.get("instance", "")
