"""What the sources remember: of a run, for its verdict, and of the time before it, for its effects.

All are asked at once, each in a thread of its own, until one deadline: one that hangs delays no other.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import wait
from typing import TypeAlias

from chaosjc.checks.promql import BACKFILL_TIMEOUT
from chaosjc.checks.sources import begun
from chaosjc.engine.sampler import Ask
from chaosjc.journal.events import CheckPlan, Reading, Sample
from chaosjc.journal.measure import evidence
from chaosjc.journal.state import RunState
from chaosjc.journal.timeline import JITTER, Window

Past: TypeAlias = Callable[[CheckPlan, float, float], tuple[Reading, ...]]
"""What a check's source tells of the time from one instant to another."""

MINUTE, HOUR = 60.0, 3600.0
LOOKS = 30  # intervals of the time before a run: enough for an effect should a third be lost
PATIENCE = 2.0  # seconds for what no verdict rests on


def at_once(
    ask: Ask, checks: Sequence[CheckPlan], seconds: float
) -> list[tuple[CheckPlan, tuple[Reading, ...] | None]]:
    """Ask each once: check → its answer, in their order; None where none came within so many seconds."""
    answers = [(check, begun(functools.partial(ask, check))) for check in checks]
    wait([answer for _, answer in answers], timeout=seconds)
    return [(check, answer.result() if answer.done() else None) for check, answer in answers]


def of_run(past: Past, checks: Sequence[CheckPlan], window: Window) -> list[Sample]:
    """What was measured while a run went on; where a source did not answer, a reading says why."""
    seconds = BACKFILL_TIMEOUT + 1 + max((check.timeout for check in checks), default=0.0)
    late = (Reading(time=window.end, why=f"timeout: no answer within {seconds:g} s"),)
    found = at_once(lambda check: past(check, window.start, window.end), checks, seconds)
    return _samples((check, late if readings is None else readings) for check, readings in found)


def of_before(past: Past, checks: Sequence[CheckPlan], live: Sequence[Sample], quiet: Window) -> list[Sample]:
    """What was measured before a run, as far as that is told at once; `quiet` is when nothing was broken until then.

    A minute, or LOOKS intervals if they are longer, up to just before the samples that any of its phases has.
    """
    windows = {check.id: _stretch(evidence(check, live).interval, quiet) for check in checks}
    asked = [check for check in checks if windows[check.id].length > 0]
    found = at_once(lambda check: past(check, windows[check.id].start, windows[check.id].end), asked, PATIENCE)
    return _samples((check, _values(readings or (), windows[check.id])) for check, readings in found)


def quiet_since(run: RunState, runs: Iterable[RunState]) -> float:
    """When all that runs before this one broke was whole again, and that could be seen; at the latest, now."""
    whole = max((_whole_at(each) for each in runs if each.planned_at < run.planned_at), default=-math.inf)
    return min(whole, run.planned_at)


def _whole_at(run: RunState) -> float:
    if all(step.intent_at is None for step in run.steps.values()):
        return -math.inf
    if run.debts or run.closed_at is None:
        return math.inf
    return run.closed_at if run.settling_at is None else run.settling_at


def _stretch(interval: float, quiet: Window) -> Window:
    start = max(quiet.start, quiet.end - min(max(MINUTE, LOOKS * interval), HOUR))
    return Window(start, max(start, quiet.end - interval * JITTER))


def _values(readings: Iterable[Reading], window: Window) -> tuple[Reading, ...]:
    return tuple(each for each in readings if each.value is not None and window.start <= each.time <= window.end)


def _samples(found: Iterable[tuple[CheckPlan, tuple[Reading, ...]]]) -> list[Sample]:
    return [Sample(check=check.id, source="backfill", readings=readings) for check, readings in found if readings]
