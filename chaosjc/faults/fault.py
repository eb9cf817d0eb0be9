"""What every fault is: a model of its entry in a file, a pure plan, and three verbs on a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from chaosjc.drivers.kubernetes_values import Right
from chaosjc.faults.target import NO_WANTS, Choice, Chosen, Wants
from chaosjc.faults.world import Answer, World
from chaosjc.journal.events import StepPlan
from chaosjc.spec.model import Model
from chaosjc.spec.scalars import Duration


class FaultEntry(Model):
    """What all entries of `faults:` share, besides `fault` itself."""

    start: Duration = 0.0
    """After the first injection of the run."""
    duration: Duration = Field(30.0, ge=0)
    """How long it lasts before it is undone."""

    @property
    def choice(self) -> Choice | None:
        """How its targets are chosen among what the site has; None where it names what it breaks itself."""
        return None

    @property
    def wants(self) -> Wants:
        """What its plan needs to know besides the targets."""
        return NO_WANTS


def _no_rights(_: StepPlan) -> tuple[Right, ...]:
    return ()


@dataclass(frozen=True)
class Way:
    """What the undo of a fault goes through, for the guard that keeps it open.

    `channel`: `cloud` is its API alone, `deploy` that and SSH to what it makes anew, `ssh` a VM behind the bastion,
    `cluster` the API server, `host` the VM of the option `host`, or this machine where there is none. `cuts`: nothing
    passes through the target any more, or nobody can say. `rights` are what inject, undo and verify do in the cluster.
    """

    channel: Literal["cloud", "deploy", "ssh", "cluster", "host"]
    cuts: bool = False
    rights: Callable[[StepPlan], tuple[Right, ...]] = _no_rights


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    `plan(entry, chosen, prefix)` is pure. `inject` returns when the fault is there, `undo` when the step's own act is
    taken back: idempotent, and right when the inject never happened or happened halfway. Both raise ChaosJCError.
    `verify` looks at what a user of the target needs, and never raises for what it finds. `prepare` proves that `undo`
    could be done now.
    """

    entry: type[FaultEntry]
    plan: Callable[[FaultEntry, Chosen, str], tuple[StepPlan, ...]]
    inject: Callable[[StepPlan, World], None]
    undo: Callable[[StepPlan, World], None]
    verify: Callable[[StepPlan, World], Answer]
    prepare: Callable[[StepPlan, World], None]
    way: Way | None = None
