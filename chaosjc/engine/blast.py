"""The ledger of the blast radius: which bricks are down, or will be, whoever broke them, set by set; and whom it
reaches. Pure.

All steps of a plan count at once, also such as follow one another: what the first took down is healed long after its
undo, and until then the set has one brick less that it can rely on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chaosjc.journal.events import StepPlan
from chaosjc.journal.state import RunState, StepState
from chaosjc.site.cluster import ClusterView, Pod
from chaosjc.site.topology import Brick, ReplicaSet, Topology, Volume

MINE = "this run"
LINKS = ("net.partition", "net.delay")
"""Faults of the ways between their target and others, which have two ends."""
UNREACHED = ("lb.member", "vm.pause", "vm.stop", "vm.delete")
"""Faults whose target is no way in any more."""
PROXY = "proxy"
"""Every user's way to his server leads through it, as zero-to-jupyterhub calls it."""


@dataclass(frozen=True)
class Radius:
    """A replica set as a run would leave it. `down` is why, by brick: observed, reserved by another run, or by this."""

    volume: Volume
    set: ReplicaSet
    down: Mapping[Brick, str]

    @property
    def touched(self) -> bool:
        """Whether this run takes any of its bricks down."""
        return MINE in self.down.values()

    @property
    def left(self) -> tuple[Brick, ...]:
        """The bricks that would be up."""
        return tuple(brick for brick in self.set.bricks if brick not in self.down)

    @property
    def writable(self) -> bool:
        """Whether files could still be written with what is left."""
        return self.set.writable([brick.id for brick in self.down])

    @property
    def told(self) -> str:
        """`would keep 1 of 3 bricks, 2 are needed: brick-001 (this run), brick-002 (VM is PAUSED)`."""
        needed = "1 is needed" if self.set.needed == 1 else f"{self.set.needed} are needed"
        if len(self.left) == self.set.needed and self.set.first_decides:
            needed += f", the first among them ({_name(self.set.bricks[0])})"
        down = ", ".join(f"{_name(brick)} ({why})" for brick, why in self.down.items())
        kept = f"would keep {len(self.left)} of {len(self.set.bricks)} bricks, {needed}"
        return f"{kept}: {down}" if down else kept


def taken(steps: Iterable[StepPlan], topology: Topology) -> frozenset[Brick]:
    """The bricks that these steps take down, or keep from a VM that mounts their volume."""
    return frozenset(brick for step in steps for brick in _taken(step, topology))


def ledger(
    topology: Topology, steps: Iterable[StepPlan], others: Iterable[RunState], *, looked_at: float = math.inf
) -> tuple[Radius, ...]:
    """Every replica set with all that is down, reserved by `others`, or taken down by `steps`.

    What was seen whole again after the look at the topology had begun, at `looked_at`, is still reserved: the look does
    not show what came of it. Of a site whose layout is not known (`volumes` is None) it is empty: see that first.
    """
    why = _reserved(topology, others, looked_at) | dict.fromkeys(taken(steps, topology), MINE)
    return tuple(_radius(volume, each, topology, why) for volume in topology.volumes or () for each in volume.sets)


def told(topology: Topology, radii: Iterable[Radius]) -> list[tuple[str, str, bool]]:
    """For a dry run: each replica set and each volume, what is to be said of it, and whether that is well."""
    if topology.volumes is None:
        return [("volumes", "their layout is not known", False)]
    sets = [(each.set.name, each.told, each.writable) for each in radii]
    return sets + [(each.name, _health(each), not each.backlog) for each in topology.volumes]


def people(steps: Iterable[StepPlan], topology: Topology) -> frozenset[str]:
    """The hub's users, canaries apart, whose servers these steps take away, stop, or make hard to reach.

    Of a cluster that is not known (`cluster` is None) it is empty: see that first.
    """
    return frozenset(_people(steps, topology.cluster)) if topology.cluster else frozenset()


def members(steps: Iterable[StepPlan], topology: Topology) -> frozenset[str]:
    """The VMs of these steps to which the balancer then hands nobody: disabled, gone, frozen, or cut off from all."""
    front = topology.front
    cut = [each for each in steps if each.fault in UNREACHED or (each.fault in LINKS and each.options.get("everyone"))]
    return frozenset(each.target.name for each in cut if front and front.member(each.target.name))


def front_left(topology: Topology, steps: Iterable[StepPlan], others: Iterable[RunState]) -> frozenset[str]:
    """The members to which users would still be handed, whoever took the others away."""
    reserved = {
        name
        for other in others
        if other.admitted_at is not None
        for name in members([each.plan for each in other.steps.values() if not each.settled], topology)
    }
    gone = reserved | members(steps, topology)
    there = {each.name for each in topology.vms if each.status == "ACTIVE"}
    answering = [each.vm for each in topology.front.members if each.answers] if topology.front else []
    return frozenset(name for name in answering if name in there and name not in gone)


def _people(steps: Iterable[StepPlan], cluster: ClusterView) -> Iterable[str]:
    """Who has a server on one of the VMs, in one of the pods, or anywhere behind a proxy among them."""
    felt = [each for each in steps if each.fault != "lb.member"]  # there, connections stay, and others take new ones
    here = [pod for step in felt for pod in _pods_of(step, cluster)]
    proxied = {pod.namespace for pod in here if pod.component == PROXY}
    proxied |= {str(step.options.get("namespace")) for step in felt if step.target.role == PROXY}
    behind = [pod for pod in cluster.pods if pod.namespace in proxied] if proxied else []
    return (pod.real_user for pod in (*here, *behind) if pod.real_user)


def _pods_of(step: StepPlan, cluster: ClusterView) -> tuple[Pod, ...]:
    if step.target.kind == "vm":
        return cluster.pods_on(step.target.name)
    pod = cluster.pod(step.target.id)
    return (pod,) if pod else ()


def _health(volume: Volume) -> str:
    sacrificial = ["may lose its quorum: it is sacrificial"] if volume.sacrificial else []
    return "; ".join([*(volume.backlog or ["nothing to heal"]), *sacrificial])


def _radius(volume: Volume, each: ReplicaSet, topology: Topology, planned: Mapping[Brick, str]) -> Radius:
    whys = {brick: planned.get(brick) or _observed(brick, topology) for brick in each.bricks}
    return Radius(volume, each, {brick: why for brick, why in whys.items() if why})


def _reserved(topology: Topology, others: Iterable[RunState], looked_at: float) -> dict[Brick, str]:
    """A run reserves with its admission, and each brick until the step that breaks it is seen whole again."""
    return {
        brick: f"run {other.run}"
        for other in others
        if other.admitted_at is not None
        for brick in taken([each.plan for each in other.steps.values() if not _over(each, looked_at)], topology)
    }


def _over(step: StepState, looked_at: float) -> bool:
    return step.settled and (step.verified_at or 0.0) < looked_at


def _taken(step: StepPlan, topology: Topology) -> Iterable[Brick]:
    """Those of the step's VM, of one volume only where the step names it; and those that it is cut off from."""
    here = () if step.fault == "lb.member" else topology.bricks_on(step.target.name)
    if step.fault == "disk.fill":
        return [brick for brick in here if _disk(brick.path) == _disk(str(step.options.get("path", brick.path)))]
    if step.fault in LINKS and not here:
        return _kept_from(step, topology)
    return [brick for brick in here if step.options.get("volume") in (None, "", brick.volume)]


def _kept_from(step: StepPlan, topology: Topology) -> list[Brick]:
    """What a client no longer has, though all others may: its own files have that many bricks less."""
    mounted = [volume for volume in topology.volumes or () if step.target.name in volume.mounts]
    if step.options.get("everyone"):
        return [brick for volume in mounted for brick in volume.bricks]
    peers, names = step.options.get("peers"), {volume.name for volume in mounted}
    there = [brick for vm in peers for brick in topology.bricks_on(vm)] if isinstance(peers, dict) and names else []
    return [brick for brick in there if brick.volume in names]


def at_the_other_end(step: StepPlan, vm: str) -> bool:
    """Whether a step cuts or slows its target's way to this VM."""
    peers = step.options.get("peers")
    return step.fault in LINKS and (bool(step.options.get("everyone")) or (isinstance(peers, dict) and vm in peers))


def _disk(path: str) -> str:
    """The first directory of a brick's path: bricks that share it may share their disk too."""
    return path.strip("/").partition("/")[0]


def _observed(brick: Brick, topology: Topology) -> str:
    """Why a brick is down now; empty where it is up."""
    vm = topology.named(brick.vm)
    if vm is None and brick.vm:
        return "VM is gone"
    if vm is not None and vm.status != "ACTIVE":
        return f"VM is {vm.status}"
    if brick.online is None:
        return "not known to be online"
    return "" if brick.online else "offline"


def _name(brick: Brick) -> str:
    return brick.vm or brick.path
