"""What a site is: pure values, made by `discover`, read by faults, guards and reports."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from chaosjc.site.cluster import NOT_LOOKED_AT, ClusterView


def is_called(host: str, name: str, addresses: Collection[str]) -> bool:
    """Whether `host` means the server: by its name, with a domain or without, or by an address."""
    return host == name or host in addresses or host.startswith(f"{name}.")


@dataclass(frozen=True)
class Vm:
    """A server of the site; `status` as Nova writes it, `opted_in` and `protected` by the policy.

    `also` are its addresses besides the first. `essential` is why it is broken only by name; empty where it is not.
    """

    name: str
    uuid: str
    role: str
    address: str
    opted_in: bool
    protected: bool
    status: str
    also: tuple[str, ...] = ()
    essential: str = ""

    @property
    def addresses(self) -> tuple[str, ...]:
        """All of them."""
        return (self.address, *self.also) if self.address else ()

    def called(self, host: str) -> bool:
        """Whether a volume's layout or a kubeconfig means it: by its name, with a domain or without, or an address."""
        return is_called(host, self.name, self.addresses)


@dataclass(frozen=True)
class Brick:
    """A brick as the volume's own layout has it; `vm` is the VM that carries it, empty where that is none of the site.

    `online` is None where nobody could tell.
    """

    volume: str
    vm: str
    path: str
    arbiter: bool = False
    online: bool | None = None

    @property
    def id(self) -> str:
        """`brick-001:/data/homes`."""
        return f"{self.vm}:{self.path}"


@dataclass(frozen=True)
class ReplicaSet:
    """Bricks that hold the same files. `needed` must be up to write; of just half, the first must be among them."""

    name: str  # homes/0, homes/1, …
    bricks: tuple[Brick, ...]
    needed: int
    first_decides: bool = False

    def writable(self, down: Collection[str]) -> bool:
        """Whether it can be written while the bricks with these ids are down."""
        up = [brick for brick in self.bricks if brick.id not in down]
        if all(brick.arbiter for brick in up):
            return False  # an arbiter alone keeps no data
        if len(up) > self.needed or (len(up) == self.needed and not self.first_decides):
            return True
        return len(up) == self.needed and self.bricks[0] in up


@dataclass(frozen=True)
class Volume:
    """A volume, the replica sets over which its files are distributed, and the VMs that mount it.

    `backlog` are reasons, in words, why it must not be broken further now: something is not healed, a client is not
    connected to every brick, or that is not known. `mounts` are VMs by name; `sacrificial` as the site file says;
    `options` are those that were set, by their full names.
    """

    name: str
    sets: tuple[ReplicaSet, ...]
    mounts: tuple[str, ...] = ()
    sacrificial: bool = False
    backlog: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)

    @property
    def bricks(self) -> tuple[Brick, ...]:
        """All of them, set by set."""
        return tuple(brick for each in self.sets for brick in each.bricks)


@dataclass(frozen=True)
class FrontMember:
    """A VM to which a balancer hands connections; `answers` is whether it does so now, `status` as Octavia has it.

    `id` and those of its balancer and pool are Octavia's.
    """

    vm: str
    id: str
    balancer: str
    pool: str
    address: str
    port: int
    enabled: bool
    status: str
    answers: bool


@dataclass(frozen=True)
class Front:
    """The balancer before the hub: where users come in; `id` is that of Octavia, empty where there is none."""

    id: str = ""
    address: str = ""
    port: int = 0
    status: str = ""
    members: tuple[FrontMember, ...] = ()
    sacrificial: bool = False

    def member(self, vm: str) -> FrontMember | None:
        """The member that is this VM."""
        return self._members.get(vm)

    @cached_property
    def _members(self) -> Mapping[str, FrontMember]:
        return {each.vm: each for each in reversed(self.members)}  # of two, the first


NO_FRONT = Front()


@dataclass(frozen=True)
class Topology:
    """Everything that was found, sorted by name.

    Where the site has storage, a cluster or a front that did not answer, `volumes`, `cluster` or `front` is None.
    """

    vms: tuple[Vm, ...]
    volumes: tuple[Volume, ...] | None = ()
    cluster: ClusterView | None = NOT_LOOKED_AT
    front: Front | None = NO_FRONT

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all VMs."""
        return tuple(vm.name for vm in self.vms)

    def named(self, name: str) -> Vm | None:
        """The VM that bears this name now."""
        return self._named.get(name)

    def of_role(self, role: str) -> tuple[Vm, ...]:
        """All VMs of a role."""
        return tuple(vm for vm in self.vms if vm.role == role)

    def others(self, names: Collection[str]) -> tuple[Vm, ...]:
        """All VMs but these."""
        return tuple(vm for vm in self.vms if vm.name not in names)

    def bricks_on(self, vm: str) -> tuple[Brick, ...]:
        """The bricks that a VM carries, of all volumes."""
        return self._bricks.get(vm, ())

    # A plan asks for each of thousands of targets: what it asks by is looked up, not searched.

    @cached_property
    def _named(self) -> Mapping[str, Vm]:
        return {vm.name: vm for vm in reversed(self.vms)}  # of two, the first

    @cached_property
    def _bricks(self) -> Mapping[str, tuple[Brick, ...]]:
        found: dict[str, list[Brick]] = {}
        for volume in self.volumes or ():
            for brick in volume.bricks:
                found.setdefault(brick.vm, []).append(brick)
        return {vm: tuple(bricks) for vm, bricks in found.items()}


EMPTY = Topology(())
"""That of no site."""
