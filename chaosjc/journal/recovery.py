"""Recovery, read from samples: the checks of the plan, held three samples running.

A sample is what one check answered at one instant, all series together. Only samples taken after the first undo call
count; one scrape that was asked about twice is one sample; a sample without data ends a row as a violated one does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from chaosjc.journal.events import CheckPlan, RecoveryPlan, Sample
from chaosjc.journal.measure import Ruler, evidence
from chaosjc.journal.phases import Moments
from chaosjc.journal.timeline import Window

RUNNING = 3  # samples


@dataclass(frozen=True)
class Look:
    """One check at one instant; `time` is that of its oldest reading."""

    time: float
    held: bool | None


def recovered_since(
    checks: Sequence[CheckPlan], samples: Iterable[Sample], before: Window | None, undo_at: float
) -> float | None:
    """The time of the first sample from which on all checks held, once each has done so three samples running."""
    samples = tuple(samples)
    rows = [_row(list(looks(check, samples, before, undo_at))) for check in checks]
    if not rows or any(len(row) < RUNNING for row in rows):
        return None
    return max(row[0].time for row in rows)


def still_violated(plan: RecoveryPlan, samples: Iterable[Sample], before: Window | None, at: Moments) -> bool:
    """Whether a recovery check was seen violated after the promised time, or when it was last seen at all."""
    if at.first_undo is None:
        return False
    samples, late = tuple(samples), at.first_undo + plan.within
    for check in plan.until:
        known = [look for look in looks(check, samples, before, at.first_undo) if look.held is not None]
        if known and (not known[-1].held or any(look.time >= late and not look.held for look in known)):
            return True
    return False


def looks(check: CheckPlan, samples: Iterable[Sample], before: Window | None, since: float) -> Iterator[Look]:
    """What the live samples of one check showed, in order, each scrape once."""
    own = [sample for sample in samples if sample.check == check.id]
    ruler = Ruler(evidence(check, own), before)
    newest = 0.0
    for sample in own:
        if sample.source != "live" or all(reading.time < since for reading in sample.readings):
            continue
        latest = {reading.series: reading for reading in sorted(sample.readings, key=lambda reading: reading.time)}
        points = ruler.points(latest.values())
        if not points and any(reading.time >= since for reading in latest.values()):
            yield Look(max(reading.time for reading in latest.values()), None)
        oldest = min((series[-1].time for series in points.values()), default=0.0)
        if oldest >= since and oldest > newest:
            newest = oldest
            silent: dict[str, bool | None] = {name: None for name, reading in latest.items() if reading.value is None}
            judged = {name: series[-1].held for name, series in points.items()}
            yield Look(oldest, ruler.state(silent | judged))  # a new one that cannot be judged is not missed


def _row(looked: Sequence[Look]) -> list[Look]:
    """The unbroken row of held samples at the end."""
    row: list[Look] = []
    for look in looked:
        row = [*row, look] if look.held else []
    return row
