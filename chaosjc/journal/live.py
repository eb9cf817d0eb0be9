"""What the run itself must know while it goes on, read from the samples so far by the rules that judge it afterwards.

Only live samples are there yet, and the newest may be under way: what comes after a series' last sample is not yet
known, whatever that sample was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from chaosjc.journal import timeline
from chaosjc.journal.events import HypothesisPlan, Phase, Sample
from chaosjc.journal.measure import ROUNDING, HypothesisResult, Ruler, evidence, measure, stretch, tolerated, worst_of
from chaosjc.journal.timeline import Span, Window
from chaosjc.journal.verdict import say_unknown, say_violated

BLIND = 10.0
"""Seconds without data after which a `stop` hypothesis ends the run."""


@dataclass(frozen=True)
class Steady:
    """Whether every hypothesis holds before anything is broken; `code` and `reason` say why not, for `refused`."""

    held: bool | None
    code: Literal["", "steady-state-broken", "steady-state-unknown"] = ""
    reason: str = ""


@dataclass(frozen=True)
class Alarm:
    """Why a run must undo now: for `stopping`."""

    cause: Literal["stop", "blind"]
    why: str


def steady(hypotheses: Iterable[HypothesisPlan], samples: Iterable[Sample], baseline: float, now: float) -> Steady:
    """Judge the phase *before* as if it ended now; a newest sample stands until the next one is overdue."""
    samples = tuple(samples)
    windows: dict[Phase, Window] = {"before": Window(now - baseline, now)}
    results: list[HypothesisResult] = []
    for plan in hypotheses:
        if "before" in plan.phases:
            interval = evidence(plan, samples).interval
            asked = plan.model_copy(update={"phases": ("before",)})
            results.append(measure(asked, samples, windows, slack=interval + plan.every))
    held = worst_of(result.held for result in results)
    if held is True:
        return Steady(True)
    result = next(result for result in results if result.held is held)
    if held is False:
        return Steady(False, "steady-state-broken", say_violated(result))
    return Steady(None, "steady-state-unknown", say_unknown(result))


def alarm(
    plan: HypothesisPlan, samples: Iterable[Sample], before: Window, windows: Mapping[Phase, Window]
) -> Alarm | None:
    """Whether a `stop` hypothesis is violated for longer than tolerated, or blind for BLIND seconds.

    `before` is the phase that ended at admission, `windows` are those of `phases.present`. None for a hypothesis that
    does not ask to stop, or claims nothing of the present phase.
    """
    if not plan.stop or not windows or [*windows][-1] not in plan.phases:
        return None
    asked: dict[Phase, Window] = {phase: window for phase, window in windows.items() if phase in plan.phases}
    states = stretch(Ruler(evidence(plan, samples), before, slack=0.0), asked).combined
    violated, allowed = timeline.seconds(states, held=False), tolerated(plan, asked)
    if violated > allowed + ROUNDING:
        return Alarm("stop", f"{plan.name} was violated for {violated:.1f} s, {allowed:g} s are tolerated")
    blind = _blind_for(states, asked)
    if blind >= BLIND:
        return Alarm("blind", f"{plan.name} had no data for {blind:.0f} s")
    return None


def _blind_for(states: Sequence[Span], asked: Mapping[Phase, Window]) -> float:
    """How long nothing has been known of the check, seconds."""
    if not states:
        return sum(window.length for window in asked.values())
    return states[-1].seconds if states[-1].held is None else 0.0
