"""Who is broken: a pure, seeded choice among what the site's policy allows."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from pydantic import Field, model_validator

from chaosjc.journal.events import Target
from chaosjc.site.cluster import Node, Pod, Workload
from chaosjc.site.model import BASTION, MONITOR
from chaosjc.site.topology import Brick, FrontMember, Topology, Vm
from chaosjc.spec.model import Model
from chaosjc.spec.scalars import Percent

ESSENTIAL = {MONITOR: "it measures", BASTION: "every way back goes through it"}
"""Roles that are never drawn: who breaks one of these has to name it."""


EVERYONE = "everyone"
"""In the place of peers: all that is not the target itself."""


PROTECTED = "the site's policy protects it"
NOT_OPTED_IN = "the site's policy does not name it as a target"
CLUSTER_UNKNOWN = "the site's cluster does not answer"


class Choice(Model, ABC):
    """The `target` of a fault, whatever it breaks."""

    @abstractmethod
    def draw(self, topology: Topology, rng: random.Random, wants: Wants) -> Chosen:
        """The same for the same input; what may not be broken is never drawn, but told with its reason."""


class SeveralChoice(Choice, ABC):
    """One that may be of several: all by name, or `count` or `percent` of those that are meant otherwise."""

    name: str | tuple[str, ...] | None = None
    count: int | None = Field(default=None, ge=1)
    percent: Percent | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names asked for; none when the choice is made otherwise."""
        if self.name is None:
            return ()
        return (self.name,) if isinstance(self.name, str) else self.name

    def check_how_many(self, kind: str) -> None:
        """Raise ValueError unless names and numbers go together; `kind` is what is named: `a VM`."""
        if self.name is not None and (self.count is not None or self.percent is not None):
            raise ValueError("`count` and `percent` choose among several; with `name` the choice is made")
        if self.count is not None and self.percent is not None:
            raise ValueError("expected `count` or `percent`, not both")
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"{kind} is named twice")


class TargetChoice(SeveralChoice):
    """The `target` of a fault: by name, or some of a role, or some that carry a brick of a replica set (`homes/0`)."""

    role: str | None = None
    replica_set: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if [self.name, self.role, self.replica_set].count(None) != 2:
            raise ValueError("expected `name`, or one of `role` and `replica_set` with `count` or `percent`")
        self.check_how_many("a VM")
        return self

    def draw(self, topology: Topology, rng: random.Random, wants: Wants) -> Chosen:
        """See Choice."""
        return choose(self, topology, rng, wants)


@dataclass(frozen=True)
class Wants:
    """What else a fault needs to know: each target's brick of `volume`, and the VMs that `peers` (roles, names) are.

    With `node` a VM must be one of the cluster's nodes, and all on it of a kind that somebody makes again; with
    `member` one to which the balancer hands users. Of pods, somebody must make another (`recreated`), or SSH must lead
    to the node (`reached`).
    """

    volume: str = ""
    peers: tuple[str, ...] = ()
    node: bool = False
    member: bool = False
    recreated: bool = False
    reached: bool = False


@dataclass(frozen=True)
class Refusal:
    """A candidate that may not be broken, and why; `code` is that of the guard that says so."""

    name: str
    code: str
    why: str


@dataclass(frozen=True)
class Chosen:
    """Targets and eligible peers left alone, both sorted by name; refusals; and how many were asked for.

    `bricks` are those that the targets carry, of all volumes; `peers` the VMs that the fault is about besides; `nodes`,
    `pods` and `workloads` what the targets are in the cluster; `members` what they are to the balancer.
    """

    targets: tuple[Target, ...]
    others: tuple[str, ...]
    refused: tuple[Refusal, ...]
    wanted: int
    bricks: tuple[Brick, ...] = ()
    peers: tuple[Target, ...] = ()
    nodes: tuple[Node, ...] = ()
    pods: tuple[Pod, ...] = ()
    workloads: tuple[Workload, ...] = ()
    members: tuple[FrontMember, ...] = ()

    def bricks_of(self, target: Target, volume: str = "") -> tuple[Brick, ...]:
        """Those of one target, of one volume where it is named."""
        return tuple(each for each in self.bricks if each.vm == target.name and volume in ("", each.volume))


NO_WANTS = Wants()


def choose(choice: TargetChoice, topology: Topology, rng: random.Random, wants: Wants = NO_WANTS) -> Chosen:
    """Draw the targets. What may not be broken is never drawn, and every such candidate is told with its reason."""
    candidates, missing = _candidates(choice, topology)
    peers, unknown = _peers_of(wants, topology)

    def refusal(vm: Vm) -> Refusal | None:
        return (
            _refusal(vm, named=bool(choice.names))
            or _without_brick(vm, topology, wants.volume)
            or (_alone(vm, peers) if wants.peers else None)
            or (_without_node(vm, topology) if wants.node else None)
            or (_no_member(vm, topology) if wants.member else None)
        )

    answers = [(vm, refusal(vm)) for vm in candidates]
    refused = [*unknown, *missing, *(answer for _, answer in answers if answer is not None)]
    eligible = [] if unknown else sorted((vm for vm, answer in answers if answer is None), key=_name)
    wanted = len(choice.names) or how_many(choice.count, choice.percent, len(eligible))
    drawn = eligible if choice.names else sorted(rng.sample(eligible, min(wanted, len(eligible))), key=_name)
    names = {vm.name for vm in drawn}
    among = f"role {choice.role}" if choice.role else choice.replica_set
    why = "named in the file" if choice.names else f"drawn from {len(eligible)} of {among}"
    return Chosen(
        tuple(_target(vm, why) for vm in drawn),
        tuple(vm.name for vm in _peers(drawn, topology) if vm.name not in names),
        tuple(refused),
        wanted,
        tuple(brick for vm in drawn for brick in topology.bricks_on(vm.name)),
        tuple(_target(vm, "the file's `from`") for vm in peers),
        tuple(node for vm in drawn if (node := _node_of(vm, topology)) is not None),
        members=tuple(each for vm in drawn if topology.front and (each := topology.front.member(vm.name))),
    )


def _target(vm: Vm, why: str) -> Target:
    return Target(id=vm.uuid, name=vm.name, role=vm.role, address=vm.address, why=why)


def _candidates(choice: TargetChoice, topology: Topology) -> tuple[list[Vm], list[Refusal]]:
    if choice.names:
        return _named(choice.names, topology)
    if choice.role is not None:
        return list(topology.of_role(choice.role)), []
    return _of_set(choice.replica_set or "", topology)


def _of_set(name: str, topology: Topology) -> tuple[list[Vm], list[Refusal]]:
    if topology.volumes is None:
        return [], [Refusal(name, "layout-unknown", "the layout of the site's volumes is not known")]
    found = next((each for volume in topology.volumes for each in volume.sets if each.name == name), None)
    if found is None:
        return [], [Refusal(name, "target-missing", "the site has no such replica set")]
    return _named(tuple(dict.fromkeys(brick.vm for brick in found.bricks)), topology)


def _peers_of(wants: Wants, topology: Topology) -> tuple[list[Vm], list[Refusal]]:
    """Roles and names as VMs, each once, sorted by name; what is neither, refused."""
    known = {*topology.names, *(vm.role for vm in topology.vms), EVERYONE}
    everyone = EVERYONE in wants.peers
    unknown = [Refusal(p, "target-missing", "the site has no such VM or role") for p in wants.peers if p not in known]
    found = [vm for vm in topology.vms if everyone or {vm.name, vm.role} & set(wants.peers)]
    return sorted(found, key=_name), unknown


def _alone(vm: Vm, peers: list[Vm]) -> Refusal | None:
    if any(peer.name != vm.name for peer in peers):
        return None
    return Refusal(vm.name, "target-missing", "the fault is about its ways to others, and names none")


def _without_brick(vm: Vm, topology: Topology, volume: str) -> Refusal | None:
    if not volume:
        return None
    if topology.volumes is None:
        return Refusal(vm.name, "layout-unknown", "the layout of the site's volumes is not known")
    if any(brick.volume == volume for brick in topology.bricks_on(vm.name)):
        return None
    return Refusal(vm.name, "target-missing", f"it carries no brick of a volume {volume}")


def _node_of(vm: Vm, topology: Topology) -> Node | None:
    return topology.cluster.node_of(vm.name) if topology.cluster else None


def _without_node(vm: Vm, topology: Topology) -> Refusal | None:
    if topology.cluster is None:
        return Refusal(vm.name, "cluster-unknown", CLUSTER_UNKNOWN)
    if _node_of(vm, topology) is None:
        return Refusal(vm.name, "target-missing", "it is no node of the cluster")
    bare = [pod.name for pod in topology.cluster.pods_on(vm.name) if not (pod.owner or pod.user or pod.static)]
    if bare:
        return Refusal(vm.name, "not-recreated", f"nobody would make another {bare[0]}, which runs there")
    return None


def _no_member(vm: Vm, topology: Topology) -> Refusal | None:
    if topology.front is None:
        return Refusal(vm.name, "front-unknown", "the site's balancer does not answer")
    if topology.front.member(vm.name) is None:
        return Refusal(vm.name, "target-missing", "it is no member of the site's balancer")
    return None


def _named(names: tuple[str, ...], topology: Topology) -> tuple[list[Vm], list[Refusal]]:
    found = [vm for name in names if (vm := topology.named(name)) is not None]
    known = {vm.name for vm in found}
    return found, [Refusal(name, "target-missing", "the site has no such VM") for name in names if name not in known]


def _refusal(vm: Vm, *, named: bool = False) -> Refusal | None:
    if not named and (why := vm.essential or ESSENTIAL.get(vm.role)):
        return Refusal(vm.name, "protected", f"{why}: name it to break it all the same")
    if vm.protected:
        return Refusal(vm.name, "protected", PROTECTED)
    if not vm.opted_in:
        return Refusal(vm.name, "not-opted-in", NOT_OPTED_IN)
    return None


def how_many(count: int | None, percent: float | None, eligible: int) -> int:
    """Some percent are at least one; without either it is one."""
    if percent is not None:
        return max(1, math.floor(eligible * percent / 100))
    return count or 1


def _peers(drawn: list[Vm], topology: Topology) -> list[Vm]:
    roles = {vm.role for vm in drawn}
    return sorted((vm for vm in topology.vms if vm.role in roles and _refusal(vm) is None), key=_name)


_name: Callable[[Vm], str] = lambda vm: vm.name  # noqa: E731 - a sort key with a type
