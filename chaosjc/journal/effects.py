"""What a run did to each thing that was measured: each phase against the one before the faults, targets against others.

The baseline is as short as a run can afford. Where a source told more of the time before the run, while nothing that
runs break was broken, and enough for an effect, that is what *before* means here.

Of two phases, only series are compared that were there for most of both: one that got lost meanwhile takes its own
values away, which says nothing of how those of the others changed.

A series belongs to the targets if its name, or the value of one of its labels, names one of them, with or without a
port or a path after a colon; to the others likewise, if it names one of the eligible peers that were left alone. A
series that names neither or both belongs to none. Only where a check has series of both is there a control group.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from chaosjc.journal.blocks import Group, group
from chaosjc.journal.events import CheckPlan, Phase, Planned, Sample
from chaosjc.journal.measure import Ruler, evidence
from chaosjc.journal.statistics import FEWEST, LEAST, Effect, compare
from chaosjc.journal.timeline import Point, Window

LATER: tuple[Phase, ...] = ("during", "recovering", "after")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
"""A label and its value, in the name of a series."""

Values: TypeAlias = Mapping[str, Sequence[tuple[float, float]]]
"""The numbers (time, value) of each series in one phase."""


@dataclass(frozen=True)
class Comparison:
    """How far `one` lay above the `other` in a phase: `during` above `before`, or `targets` above `others`."""

    phase: Phase
    one: str
    other: str
    effect: Effect
    left_out: int = 0  # series that were not there in both phases, or only for a part of one


@dataclass(frozen=True)
class Compared:
    """All that there is to compare of one check."""

    check: CheckPlan
    phases: tuple[Comparison, ...]  # each later phase against the one before the faults, its series together
    groups: tuple[Comparison, ...]  # in each phase, targets against others; none where there is no control group

    @property
    def all(self) -> tuple[Comparison, ...]:
        """Both."""
        return (*self.phases, *self.groups)


def compared(
    check: CheckPlan, planned: Planned, samples: Iterable[Sample], windows: Mapping[Phase, Window]
) -> Compared:
    """Compare what a check showed, whatever is expected of it; texts cannot be compared."""
    found = _Found(check, planned, samples, windows)
    return Compared(check, tuple(found.phases()), tuple(found.groups()))


def control(
    check: CheckPlan, planned: Planned, samples: Iterable[Sample], windows: Mapping[Phase, Window]
) -> tuple[Comparison, ...]:
    """The same, targets against others only."""
    if not planned.targets or not planned.others:
        return ()
    return tuple(_Found(check, planned, samples, windows).groups())


def member(series: str, names: Iterable[str]) -> bool:
    """Whether the series is of one of these."""
    told = {series, *(value for _, value in LABEL.findall(series))}
    return not {part for value in told for part in (value, value.partition(":")[0])}.isdisjoint(names)


class _Found:
    def __init__(
        self, check: CheckPlan, planned: Planned, samples: Iterable[Sample], windows: Mapping[Phase, Window]
    ) -> None:
        found = evidence(check, samples)
        ruler = Ruler(found, windows.get("before"))
        self._seed = f"{planned.seed} {check.id}"
        self._planned, self._windows = planned, dict(windows)
        self._values: dict[Phase, Values] = {
            phase: _numbers(ruler.points(ruler.readings([window]))) for phase, window in windows.items()
        }
        if "before" in windows:
            self._prefer(_numbers(ruler.points(found.before(windows["before"]))))

    def _prefer(self, earlier: Values) -> None:
        """Take the time before the run for *before*, if it is enough for an effect and more than the baseline."""
        times = [time for series in earlier.values() for time, _ in series]
        window = Window(min(times, default=0.0), max(times, default=0.0))
        known = group(self._values["before"].values(), self._windows["before"]).looks
        if group(earlier.values(), window).looks >= max(LEAST, known):
            self._values["before"], self._windows["before"] = earlier, window

    def phases(self) -> Iterable[Comparison]:
        """Each later phase against the one before, by the series that were there for most of both."""
        early = self._there("before")
        for phase in LATER:
            there = self._there(phase)
            if there and early:
                both = there & early
                one, other = self._group(phase, both.__contains__), self._group("before", both.__contains__)
                effect = compare(one, other, paired=False, seed=f"{self._seed} {phase} before")
                yield Comparison(phase, phase, "before", effect, left_out=len(self._seen(phase, "before") - both))

    def groups(self) -> Iterable[Comparison]:
        """Targets against others; the same phase of both, and so the same time."""
        targets, others = set(self._planned.targets), set(self._planned.others)
        for phase in self._values:
            one = self._group(phase, lambda name: member(name, targets) and not member(name, others))
            other = self._group(phase, lambda name: member(name, others) and not member(name, targets))
            if one.n and other.n:
                effect = compare(one, other, paired=True, seed=f"{self._seed} {phase} groups")
                yield Comparison(phase, "targets", "others", effect)

    def _there(self, phase: Phase) -> set[str]:
        """The series that were there as much of a phase as an effect needs, or as any: not one lost soon after.

        Where all have too few samples for an effect, the moments when these were taken decide about one slice.
        """
        found = {name: group([self._values[phase][name]], self._windows[phase]) for name in self._seen(phase)}
        parts = {name: sum(map(bool, each.blocks)) for name, each in found.items()}
        spare = all(each.looks < LEAST for each in found.values())
        enough = min(FEWEST, max(parts.values(), default=0)) - spare
        return {name for name, number in parts.items() if number >= enough}

    def _seen(self, *phases: Phase) -> set[str]:
        return {name for phase in phases for name in self._values.get(phase, ())}

    def _group(self, phase: Phase, belongs: Callable[[str], bool]) -> Group:
        series = [values for name, values in self._values[phase].items() if belongs(name)]
        return group(series, self._windows[phase])


def _numbers(found: Mapping[str, Sequence[Point]]) -> Values:
    numbers = {
        name: [(p.time, float(p.value)) for p in points if not isinstance(p.value, str)]
        for name, points in found.items()
    }
    return {name: values for name, values in numbers.items() if values}
