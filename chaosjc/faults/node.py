"""`node.drain`: a node takes no new pods and loses those it has, as before maintenance.

PodDisruptionBudgets are honoured, and pods of DaemonSets stay. The node carries a mark of the step for as long as it is
cordoned by it: only what bears that mark is uncordoned, so that what a person cordoned stays so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

from pydantic import Field

from chaosjc.drivers.kubernetes import Cluster
from chaosjc.drivers.kubernetes_api import Blocked, Conflict, NotFound
from chaosjc.drivers.kubernetes_values import Node, Pod, Right
from chaosjc.errors import ChaosJCError, FaultError
from chaosjc.faults.fault import Fault, FaultEntry, Way
from chaosjc.faults.held import HostEntry
from chaosjc.faults.target import Chosen, Wants
from chaosjc.faults.world import Answer, World
from chaosjc.journal.events import StepPlan
from chaosjc.spec.scalars import Duration, format_duration

ACT = 15.0  # seconds in which the API takes up a request, or never
MARK = "chaosjc/held-by"
"""Annotation of what a step has changed: run and step."""
TRIES = 10  # an object's own controller changes it too, to tell how it stands
LOOK_EVERY = 0.5  # seconds


class Drain(HostEntry):
    """Cordon nodes and evict their pods. `duration` counts from the last one's end."""

    fault: Literal["node.drain"] = "node.drain"
    within: Duration = 120.0
    """How long the evictions may take: a PodDisruptionBudget may forbid them for a while."""
    grace: Duration | None = Field(None, ge=0)
    """How long each pod may take to end; by default what it says itself."""
    heal_within: Duration = 60.0
    """How long the undo may take until the node is Ready for pods."""

    @property
    def wants(self) -> Wants:
        """See FaultEntry."""
        return Wants(node=True)


def _plan(entry: FaultEntry, chosen: Chosen, prefix: str) -> tuple[StepPlan, ...]:
    fault = cast("Drain", entry)
    return tuple(
        StepPlan(
            id=f"{prefix}.{target.name}",
            fault="node.drain",
            target=target,
            start=fault.start,
            duration=fault.duration,
            options={"node": node.name, "uid": node.uid, "within": fault.within, "grace": fault.grace},
            inject=f"cordon node {node.name} and evict its pods, within {format_duration(fault.within)}",
            undo="uncordon it, if this step has cordoned it",
            inject_timeout=fault.within + ACT,
            strikes_within=ACT,
            undo_timeout=fault.heal_within,
            gone_is_clean=True,  # a node of that name that comes later is not cordoned
        )
        for target, node in zip(chosen.targets, chosen.nodes, strict=True)
    )


def mark(step: StepPlan, world: World) -> str:
    """What the annotation says while this step holds an object."""
    return f"{world.run}/{step.id}"


def again(act: Callable[[], None]) -> None:
    """Until nobody else has changed the object meanwhile; raises the last Conflict."""
    for attempt in range(TRIES):
        try:
            act()
            return
        except Conflict:
            if attempt == TRIES - 1:
                raise


# ------------------------------------------------------------------ the three verbs


def _drain(step: StepPlan, world: World) -> None:
    cluster = world.kubernetes
    again(lambda: _cordon(cluster, step, world))
    end = world.clock.monotonic() + float(cast("float", step.options["within"]))
    while True:
        _still_ours(cluster, step, world)
        left = _evictable(cluster, step)
        if not left:
            return
        blocked = [why for pod in left if (why := _evict(cluster, step, pod))]
        if world.clock.monotonic() > end:
            names = ", ".join(pod.name for pod in left)
            raise FaultError(
                f"node {step.options['node']} still has {names}" + "".join(f"; {each}" for each in blocked)
            )
        world.clock.sleep(LOOK_EVERY)


def _node(cluster: Cluster, step: StepPlan) -> Node | None:
    """The very node of the step; None once it is gone, whatever bears its name."""
    try:
        found = cluster.node(str(step.options["node"]))
    except NotFound:
        return None
    return found if found.uid == step.options["uid"] else None


def _cordon(cluster: Cluster, step: StepPlan, world: World) -> None:
    node = _node(cluster, step)
    if node is None:
        raise FaultError(f"node {step.options['node']} ({step.options['uid']}) is gone")
    if not node.schedulable:
        raise FaultError(f"node {node.name} is cordoned already, by {node.annotations.get(MARK, 'somebody else')}")
    cluster.cordon(node, {MARK: mark(step, world)})


def _still_ours(cluster: Cluster, step: StepPlan, world: World) -> None:
    """An undo may come in while pods are still being evicted."""
    node = _node(cluster, step)
    if node is None or node.annotations.get(MARK) != mark(step, world):
        raise FaultError(f"node {step.options['node']} was uncordoned while it was drained")


def _evictable(cluster: Cluster, step: StepPlan) -> list[Pod]:
    """All that a drain waits for: what a DaemonSet or the kubelet itself would put back at once stays."""
    return [
        pod
        for pod in cluster.pods(node=str(step.options["node"]))
        if not (pod.static or pod.over or (pod.owner and pod.owner.kind == "DaemonSet"))
    ]


def _evict(cluster: Cluster, step: StepPlan, pod: Pod) -> str:
    """Why it may not be, for now; empty where it may, or is on its way."""
    if pod.deleting:
        return ""
    try:
        cluster.evict(pod, grace=cast("float | None", step.options["grace"]))
    except Blocked as error:
        return error.message
    except (NotFound, Conflict):
        pass  # it has ended meanwhile
    return ""


def _uncordon(step: StepPlan, world: World) -> None:
    cluster = world.kubernetes

    def act() -> None:
        node = _node(cluster, step)
        if node is not None and node.annotations.get(MARK) == mark(step, world):
            cluster.uncordon(node, {MARK: None})

    again(act)


def _verify(step: StepPlan, world: World) -> Answer:
    try:
        node = _node(world.kubernetes, step)
    except ChaosJCError as error:
        return Answer("unknown", error.message)
    if node is None:
        return Answer("gone", f"node {step.options['node']} ({step.options['uid']}) is gone")
    if not node.schedulable:
        return Answer("broken", f"node {node.name} is cordoned, by {node.annotations.get(MARK, 'somebody else')}")
    return Answer("whole") if node.ready else Answer("broken", f"node {node.name} is not Ready")


def _prepare(step: StepPlan, world: World) -> None:
    """The cluster answers, and knows the node."""
    if _node(world.kubernetes, step) is None:
        raise FaultError(f"node {step.options['node']} ({step.options['uid']}) is gone")


def _rights(_: StepPlan) -> tuple[Right, ...]:
    return Right("get", "nodes"), Right("patch", "nodes"), Right("list", "pods"), Right("create", "pods/eviction")


DRAIN = Fault(Drain, _plan, _drain, _uncordon, _verify, _prepare, Way("cluster", rights=_rights))
