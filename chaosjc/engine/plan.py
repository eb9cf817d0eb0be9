"""From an experiment and a topology to a plan: pure and seeded. The same input gives the same plan, byte for byte."""

from __future__ import annotations

import random
from dataclasses import dataclass

from pydantic import JsonValue

from chaosjc.engine.experiment import Experiment, Loaded
from chaosjc.errors import UsageError
from chaosjc.faults.registry import FAULTS
from chaosjc.faults.target import Chosen, choose
from chaosjc.journal.events import CheckPlan, Context, HypothesisPlan, Planned, RecoveryPlan, StepPlan
from chaosjc.site.topology import Topology
from chaosjc.spec.variables import alternation, expand

UNDO_TRIES = 2  # the deadline leaves room for this many tries of each undo
MARGIN = 60.0  # seconds, for all that has no length of its own


@dataclass(frozen=True)
class Plan:
    """What a run means to do, and how its targets were chosen, fault by fault."""

    planned: Planned
    chosen: tuple[Chosen, ...]


def plan(loaded: Loaded, topology: Topology | None, seed: int, context: Context, site: str) -> Plan:
    """Choose targets, resolve `$targets` and `$others`, and lay out every step with its undo.

    UsageError where the experiment needs a site and there is none.
    """
    experiment = loaded.experiment
    rng = random.Random(seed)
    chosen = tuple(_choose(entry.choice, topology, rng) for entry in experiment.faults)
    steps = tuple(
        step
        for number, (entry, choice) in enumerate(zip(experiment.faults, chosen, strict=True), 1)
        for step in FAULTS[entry.fault].plan(entry, choice, f"f{number}")
    )
    targets = sorted({target.name for choice in chosen for target in choice.targets})
    others = sorted({name for choice in chosen for name in choice.others} - set(targets))
    names = {"targets": alternation(targets), "others": alternation(others)}
    hypotheses = tuple(_expanded(each, names) for each in experiment.hypothesis_plans())
    recovery = RecoveryPlan(
        within=experiment.recovery_within,
        until=tuple(_expanded(each, names) for each in experiment.recovery_plans()),
    )
    planned = Planned(
        experiment=experiment.name,
        description=experiment.description,
        path=loaded.path,
        sha256=loaded.sha256,
        source=loaded.source,
        site=site,
        vars=loaded.vars,
        seed=seed,
        hypotheses=hypotheses,
        steps=steps,
        recovery=recovery,
        baseline=experiment.baseline,
        settle=experiment.settle,
        deadline=experiment.deadline or _deadline(steps, recovery.within),
        targets=tuple(targets),
        others=tuple(others),
        context=context,
    )
    return Plan(planned, chosen)
