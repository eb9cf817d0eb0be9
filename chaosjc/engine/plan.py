"""From an experiment and a topology to a plan: pure and seeded. The same input gives the same plan, byte for byte."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from chaosjc.checks import registry as checks
from chaosjc.checks.entry import Names
from chaosjc.engine.experiment import Experiment, Loaded
from chaosjc.engine.undo_path import NOT_ASKED, Access
from chaosjc.errors import UsageError
from chaosjc.faults.fault import FaultEntry
from chaosjc.faults.registry import FAULTS
from chaosjc.faults.target import Chosen
from chaosjc.journal.events import Context, HypothesisPlan, Planned, RecoveryPlan, StepPlan
from chaosjc.site.topology import EMPTY, Topology

DEFAULT_WITHIN = 60.0  # seconds, where a file promises no recovery of its own
UNDO_TRIES = 2  # the deadline leaves room for so many tries of each undo
MARGIN = 60.0  # seconds, for all that has no length of its own


@dataclass(frozen=True)
class Plan:
    """What a run means to do, how its targets were chosen, fault by fault, and of which topology.

    `access` is what was asked about the ways back.
    """

    planned: Planned
    chosen: tuple[Chosen, ...]
    topology: Topology
    access: Access = NOT_ASKED


@dataclass(frozen=True)
class Circumstances:
    """What a plan depends on besides the file."""

    seed: int
    context: Context
    site: str = ""
    topology: Topology | None = None


def plan(loaded: Loaded, around: Circumstances) -> Plan:
    """Choose targets, resolve `$targets` and `$others`, and lay out every step with its undo.

    UsageError where a fault needs a site and there is none.
    """
    experiment = loaded.experiment
    rng = random.Random(around.seed)  # noqa: S311 - a draw that can be repeated, no secret
    chosen = tuple(_choose(entry, around.topology, rng) for entry in experiment.faults)
    steps = _steps(experiment, chosen)
    names = _names(chosen)
    hypotheses = tuple(checks.hypothesis_plan(each, f"h{n}", names) for n, each in enumerate(experiment.hypotheses, 1))
    recovery = _recovery(experiment, hypotheses, names)
    planned = Planned(
        experiment=experiment.name,
        description=experiment.description,
        path=loaded.path,
        sha256=loaded.sha256,
        source=loaded.source,
        site=around.site,
        vars=loaded.vars,
        seed=around.seed,
        hypotheses=hypotheses,
        observations=tuple(checks.check_plan(each, f"o{n}", names) for n, each in enumerate(experiment.observe, 1)),
        steps=steps,
        recovery=recovery,
        baseline=experiment.baseline,
        settle=experiment.settle,
        deadline=experiment.deadline or _deadline(steps, recovery.within + experiment.settle),
        targets=tuple(names.targets),
        others=tuple(names.others),
        context=around.context,
    )
    return Plan(planned, chosen, around.topology or EMPTY)


def needs(experiment: Experiment) -> frozenset[str]:
    """Which of `prometheus`, `http`, `ssh`, `cloud` it is measured through; `site` if a fault breaks a part of it."""
    until = experiment.recovery.until if experiment.recovery else ()
    plans = [checks.check_plan(each, "", Names()) for each in (*experiment.hypotheses, *experiment.observe, *until)]
    breaks = {"site"} if any(entry.choice for entry in experiment.faults) else set[str]()
    return checks.needs(plans) | breaks


def _choose(entry: FaultEntry, topology: Topology | None, rng: random.Random) -> Chosen:
    if entry.choice is None:
        return Chosen((), (), (), 0)
    if topology is None:
        raise UsageError("this experiment breaks a part of a site", hint="name the site with --site FILE")
    return entry.choice.draw(topology, rng, entry.wants)


def _steps(experiment: Experiment, chosen: Sequence[Chosen]) -> tuple[StepPlan, ...]:
    by_type = {fault.entry: fault for fault in FAULTS.values()}
    return tuple(
        step
        for number, (entry, choice) in enumerate(zip(experiment.faults, chosen, strict=True), 1)
        for step in by_type[type(entry)].plan(entry, choice, f"f{number}")
    )


def _names(chosen: Sequence[Chosen]) -> Names:
    targets = sorted({target.name for choice in chosen for target in choice.targets})
    others = sorted({name for choice in chosen for name in choice.others} - set(targets))
    return Names(targets, others)


def _recovery(experiment: Experiment, hypotheses: tuple[HypothesisPlan, ...], names: Names) -> RecoveryPlan:
    if experiment.recovery is None:
        return RecoveryPlan(within=DEFAULT_WITHIN, until=hypotheses)
    until = tuple(checks.check_plan(each, f"r{n}", names) for n, each in enumerate(experiment.recovery.until, 1))
    return RecoveryPlan(within=experiment.recovery.within, until=until)


def _deadline(steps: Sequence[StepPlan], afterwards: float) -> float:
    longest = max((step.start + step.inject_timeout + step.duration for step in steps), default=0.0)
    undo = sum(step.undo_timeout for step in steps) * UNDO_TRIES
    return longest + undo + afterwards + MARGIN
