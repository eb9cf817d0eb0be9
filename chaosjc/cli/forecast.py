"""What a dry run tells, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chaosjc.engine.guards import Facts
    from chaosjc.engine.plan import Plan
    from chaosjc.report.dryrun import Forecast


def forecast(plan: Plan, facts: Facts) -> Forecast:
    """Ask the guards, and look what of the site the plan reaches."""
    from chaosjc.engine import blast, guards
    from chaosjc.engine.reach import reach
    from chaosjc.report.dryrun import Forecast

    return Forecast(
        guards=guards.answers(facts),
        refused=[(each.name, each.why) for chosen in plan.chosen for each in chosen.refused],
        reached=[(each.kind, each.hit, each.unknown) for each in reach(facts)],
        storage=blast.told(facts.topology, facts.radii),
    )


def as_object(plan: Plan, told: Forecast) -> dict[str, Any]:
    """The same as one JSON object; nothing is cut."""
    return {
        "planned": plan.planned.model_dump(mode="json"),
        "would_start": not any(answer for _, answer in told.guards),
        "undo_tried": False,
        "refused": [{"name": name, "why": why} for name, why in told.refused],
        "reached": {kind: {"hit": list(hit), "unknown": unknown} for kind, hit, unknown in told.reached},
        "guards": {name: answer.reason if answer else None for name, answer in told.guards},
        "storage": [{"name": name, "told": what, "well": well} for name, what, well in told.storage],
    }
