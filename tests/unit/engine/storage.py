"""Topologies with bricks, or with pods, in a line."""

from __future__ import annotations

from collections.abc import Mapping

from chaosjc.journal.events import Planned, StepPlan, Target
from chaosjc.journal.state import RunState, StepState
from chaosjc.site.cluster import USER_PODS, ClusterView, Pod
from chaosjc.site.topology import Brick, Front, FrontMember, ReplicaSet, Topology, Vm, Volume
from tests.unit.engine.fakes import planned, step


def vm(name: str, status: str = "ACTIVE", role: str = "brick") -> Vm:
    return Vm(name, f"uuid of {name}", role, "", opted_in=True, protected=False, status=status)


def volume(
    name: str = "homes",
    vms: tuple[str, ...] = ("brick-001", "brick-002", "brick-003"),
    needed: int = 2,
    **more: object,
) -> Volume:
    """One replica set, all of it online; `arbiter` and `offline` are names of VMs, what is left goes to Volume."""
    first = bool(more.pop("first_decides", False))
    arbiter, offline, unknown = (more.pop(each, None) for each in ("arbiter", "offline", "unknown"))
    bricks = tuple(
        Brick(name, each, f"/data/{name}", each == arbiter, None if each == unknown else each != offline)
        for each in vms
    )
    return Volume(name, (ReplicaSet(f"{name}/0", bricks, needed, first),), **more)  # type: ignore[arg-type]


def site(*volumes: Volume, statuses: Mapping[str, str] | None = None) -> Topology:
    """The VMs of all bricks, ACTIVE unless said otherwise, and a worker."""
    names = sorted({brick.vm for each in volumes for brick in each.bricks})
    vms = [vm(name, (statuses or {}).get(name, "ACTIVE")) for name in names]
    return Topology((*vms, vm("worker-001", role="worker")), volumes)


def breaks(name: str, fault: str = "vm.pause", volume: str = "", role: str = "brick") -> StepPlan:
    options = {"volume": volume} if volume else {}
    return step(name, fault=fault, target=Target(id=f"uuid of {name}", name=name, role=role), options=options)


def other_run(*steps: StepPlan, admitted: bool = True, whole: bool = False, name: str = "other") -> RunState:
    plan: Planned = planned(*steps)
    states = {
        each.id: StepState(each, outcome="whole" if whole else None, verified_at=1.0 if whole else None)
        for each in steps
    }
    return RunState(name, plan, 0.0, states, admitted_at=1.0 if admitted else None)


def user_pod(user: str, vm: str = "worker-001", namespace: str = "jhub") -> Pod:
    return Pod(namespace, f"jupyter-{user}", f"uid of {user}", USER_PODS, vm, vm, user)


def clustered(*pods: Pod) -> Topology:
    """No bricks, and these pods."""
    return Topology((), (), ClusterView(pods=pods))


def fronted(*online: str, **others: str) -> Topology:
    """A balancer before these workers, and others with their status: worker_002="ERROR"."""
    statuses = dict.fromkeys(online, "ONLINE") | {name.replace("_", "-"): each for name, each in others.items()}
    members = tuple(
        FrontMember(name, f"id of {name}", "lb", "pool", "", 30080, True, each, each == "ONLINE")
        for name, each in statuses.items()
    )
    vms = tuple(vm(name, role="worker") for name in statuses)
    return Topology(vms, (), clustered().cluster, Front("lb", "", 80, "ONLINE", members))
