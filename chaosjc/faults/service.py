"""`service.scale`: a Deployment or StatefulSet has another number of pods than it should, 0 among them.

The number before is in the plan, and the object carries a mark of the step while the other is in force. Undo restores
it only where both the mark and the step's number are still there: who has set another meanwhile, a person or an
autoscaler, wanted that one, and it stands.
"""

from __future__ import annotations

from typing import Annotated, Literal, cast

from pydantic import Field

from chaosjc.drivers.kubernetes import APPS, Cluster
from chaosjc.drivers.kubernetes_api import NotFound
from chaosjc.drivers.kubernetes_values import Right, Workload
from chaosjc.errors import ChaosJCError, FaultError
from chaosjc.faults.fault import Fault, FaultEntry, Way
from chaosjc.faults.node import ACT, LOOK_EVERY, MARK, again, mark
from chaosjc.faults.pod import ready
from chaosjc.faults.pods import WorkloadChoice
from chaosjc.faults.target import Choice, Chosen
from chaosjc.faults.world import Answer, World
from chaosjc.journal.events import StepPlan
from chaosjc.spec.scalars import Duration


class Scale(FaultEntry):
    """Give a Deployment or StatefulSet another number of pods."""

    fault: Literal["service.scale"] = "service.scale"
    target: WorkloadChoice
    replicas: Annotated[int, Field(ge=0, le=1000)]
    heal_within: Duration = 120.0
    """How long the undo may take until as many pods as before are Ready."""

    @property
    def choice(self) -> Choice | None:
        """As the file says."""
        return self.target


def _plan(entry: FaultEntry, chosen: Chosen, prefix: str) -> tuple[StepPlan, ...]:
    fault = cast("Scale", entry)
    return tuple(
        StepPlan(
            id=f"{prefix}.{target.name}",
            fault="service.scale",
            target=target,
            start=fault.start,
            duration=fault.duration,
            options={
                "kind": found.kind,
                "namespace": found.namespace,
                "replicas": fault.replicas,
                "before": found.replicas,
            },
            inject=f"scale {found.kind} {found.namespace}/{found.name} from {found.replicas} to {fault.replicas}",
            undo=f"scale it back to {found.replicas}, unless somebody else has scaled it meanwhile",
            inject_timeout=ACT * 2,
            strikes_within=ACT,
            undo_timeout=fault.heal_within,
            gone_is_clean=True,  # it was deleted, and the mark with it
        )
        for target, found in zip(chosen.targets, chosen.workloads, strict=True)
    )


# ------------------------------------------------------------------ the three verbs


def _itself(cluster: Cluster, step: StepPlan) -> Workload | None:
    """The very object of the step; None once it is gone, whatever bears its name."""
    try:
        found = cluster.workload(str(step.options["kind"]), str(step.options["namespace"]), step.target.name)
    except NotFound:
        return None
    return found if found.uid == step.target.id else None


def _number(step: StepPlan, option: str) -> int:
    return int(cast("int", step.options[option]))


def _scale(step: StepPlan, world: World) -> None:
    """Returns once it has that many pods that are not on their way out."""
    cluster, wanted = world.kubernetes, _number(step, "replicas")
    again(lambda: _set(cluster, step, world))
    end = world.clock.monotonic() + ACT
    while (count := _count(cluster, step)) != wanted:
        if world.clock.monotonic() > end:
            raise FaultError(f"{step.target.name} has {count} pods, {ACT:g} s after it should have {wanted}")
        world.clock.sleep(LOOK_EVERY)


def _set(cluster: Cluster, step: StepPlan, world: World) -> None:
    found, before, wanted = _require(cluster, step), _number(step, "before"), _number(step, "replicas")
    if MARK in found.annotations:
        raise FaultError(f"{found.name} is held by {found.annotations[MARK]}")
    if found.replicas != before:
        raise FaultError(f"{found.name} is to have {found.replicas} pods now; when this was planned it was {before}")
    if before == wanted:
        raise FaultError(f"{found.name} is to have {wanted} pods anyway")
    cluster.scale(found, wanted, {MARK: mark(step, world)})


def _require(cluster: Cluster, step: StepPlan) -> Workload:
    found = _itself(cluster, step)
    if found is None:
        raise FaultError(f"{step.options['kind']} {step.target.name} ({step.target.id}) is gone")
    return found


def _count(cluster: Cluster, step: StepPlan) -> int:
    found = _require(cluster, step)
    return len([pod for pod in cluster.pods(found.namespace, labels=found.selector) if not (pod.deleting or pod.over)])


def _restore(step: StepPlan, world: World) -> None:
    cluster = world.kubernetes

    def act() -> None:
        found = _itself(cluster, step)
        if found is None or found.annotations.get(MARK) != mark(step, world):
            return
        ours = found.replicas == _number(step, "replicas")
        cluster.scale(found, _number(step, "before") if ours else found.replicas, {MARK: None})

    again(act)


def _verify(step: StepPlan, world: World) -> Answer:
    """Whole when all pods that it is to have are Ready, and it is to have some if it had before."""
    try:
        cluster = world.kubernetes
        found = _itself(cluster, step)
        if found is None:
            return Answer("gone", f"{step.options['kind']} {step.target.name} ({step.target.id}) is gone")
        serving = len(ready(cluster.pods(found.namespace, labels=found.selector)))
    except ChaosJCError as error:
        return Answer("unknown", error.message)
    before = _number(step, "before")
    if found.annotations.get(MARK) == mark(step, world):
        return Answer("broken", f"{found.name} is still scaled to {found.replicas}")
    if serving < found.replicas or (before and not found.replicas):
        return Answer("broken", f"{serving} of {found.replicas} pods of {found.name} are Ready, it had {before}")
    return Answer("whole", "" if found.replicas == before else f"somebody else scaled it to {found.replicas} meanwhile")


def _prepare(step: StepPlan, world: World) -> None:
    """The cluster answers, and knows it."""
    _require(world.kubernetes, step)


def _rights(step: StepPlan) -> tuple[Right, ...]:
    namespace, kind = str(step.options["namespace"]), f"{APPS[str(step.options['kind'])]}.apps"
    return Right("get", kind, namespace), Right("patch", kind, namespace), Right("list", "pods", namespace)


SCALE = Fault(Scale, _plan, _scale, _restore, _verify, _prepare, Way("cluster", rights=_rights))
