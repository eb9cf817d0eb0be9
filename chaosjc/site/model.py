"""The site file: what a JupyterCloud should be, and the policy for breaking it.

Everything here is pure. `load` reads a file; a snapshot travels as JSON (`SiteFile.snapshot`, `SiteFile.restore`).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from chaosjc.site import clear
from chaosjc.site.adopted import BASTION, MONITOR, Adopted, check_file
from chaosjc.site.sections import PODS, Directory, Hub, Kubernetes, Lbaas, Monitoring, Name, Policy, Storage
from chaosjc.spec import reader
from chaosjc.spec.model import Model
from chaosjc.spec.problems import Problems, did_you_mean, quote
from chaosjc.spec.reader import Document
from chaosjc.spec.scalars import Duration
from chaosjc.spec.validate import validate

Environment = Literal["lab", "test", "pre-production", "production"]
PRIVATE: frozenset[Environment] = frozenset({"lab", "test"})
"""Environments whose state may live with the person who runs chaosjc; the others share one writer."""


class Rule(Model):
    """One kind of traffic that a security group lets in; `ports` is `22`, `9100-9200`, or absent for all."""

    protocol: Literal["tcp", "udp", "icmp", "any"]
    ports: int | str | None = None
    remote: str = Field(alias="from")

    @field_validator("ports")
    @classmethod
    def _ports(cls, value: int | str | None, info: ValidationInfo) -> int | str | None:
        if value is None:
            return None
        if info.data.get("protocol") not in ("tcp", "udp"):
            raise ValueError("only tcp and udp have ports")
        match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", str(value))
        if not match or not 1 <= int(match[1]) <= int(match[2] or match[1]) <= 65535:
            raise ValueError("expected a port such as 22, or a range such as 9100-9200")
        return value

    @property
    def port_range(self) -> tuple[int, int]:
        """First and last port; (0, 0) for all."""
        if self.ports is None:
            return 0, 0
        first, _, last = str(self.ports).partition("-")
        return int(first), int(last or first)


class NetworkModel(Model):
    """The site's own network, and the cloud's network that leads outside, if the site should reach it.

    Without `dhcp` a VM learns its address from its config drive.
    """

    cidr: str
    dhcp: bool = True
    nameservers: tuple[str, ...] = ()
    external: str = ""

    @field_validator("cidr")
    @classmethod
    def _cidr(cls, value: str) -> str:
        return value and str(ipaddress.IPv4Network(value))


class Role(Model):
    """Virtual machines that are alike.

    `numbered` names them worker-001, worker-002, …; by default only where there are several. `address` is the first
    one's, the others count up from it; without it the cloud allots one. `disks` are data disks, mount point and GiB,
    out of the flavor's ephemeral space; they live and die with their VM. `disposable`: nothing on it would be missed,
    so that a machine that refuses every login may be replaced; the role that carries bricks never is.
    """

    count: int = Field(1, ge=0, le=999)
    numbered: bool | None = None
    image: str
    flavor: str
    groups: tuple[str, ...]
    address: str = ""
    disks: dict[Directory, Annotated[int, Field(ge=1, le=16384)]] = Field(default_factory=dict[str, int])
    disposable: bool = True

    @field_validator("address")
    @classmethod
    def _address(cls, value: str) -> str:
        return value and str(ipaddress.IPv4Address(value))


class Ssh(Model):
    """Lifetimes of certificates; a user's must outlast the longest run, and is renewed at half its life."""

    user_certificates: Duration = 12 * 3600.0
    host_certificates: Duration = 365 * 86400.0


class SiteFile(Model):
    """A whole site."""

    api_version: Literal["chaosjc/v1"] = Field(alias="apiVersion")
    kind: Literal["Site"]
    name: Name
    description: str = ""
    environment: Environment
    cloud: str
    managed: bool = True
    controller: str = ""
    state: str = ""
    adopted: Adopted | None = None
    network: NetworkModel = Field(default_factory=lambda: NetworkModel(cidr=""))
    security_groups: dict[Name, tuple[Rule, ...]] = Field(default_factory=dict[str, tuple[Rule, ...]])
    roles: dict[Name, Role] = Field(default_factory=dict[str, Role])
    ssh: Ssh = Ssh()
    monitoring: Monitoring = Monitoring()
    storage: Storage | None = None
    kubernetes: Kubernetes | None = None
    hub: Hub | None = None
    lbaas: Lbaas | None = None
    policy: Policy = Policy()
    vars: dict[str, str | int | float] = Field(default_factory=dict[str, str | int | float])

    @field_validator("security_groups")
    @classmethod
    def _remotes(cls, groups: dict[str, tuple[Rule, ...]]) -> dict[str, tuple[Rule, ...]]:
        for name, rules in groups.items():
            for rule in rules:
                if rule.remote not in groups and not _is_network(rule.remote):
                    raise ValueError(
                        f"group {name}: from {quote(rule.remote)} is neither a network nor a group; "
                        + did_you_mean(rule.remote, groups)
                    )
        return groups

    @field_validator("roles")
    @classmethod
    def _roles(cls, roles: dict[str, Role], info: ValidationInfo) -> dict[str, Role]:
        for needed in (BASTION, MONITOR) if info.data.get("managed", True) else ():
            if needed not in roles:
                raise ValueError(f"a site needs the role {needed}")
            if _names(needed, roles[needed]) != (needed,):
                raise ValueError(f"there is one {needed}, without a number")
        if "security_groups" not in info.data:  # they are wrong themselves, and that was said
            return roles
        known: dict[str, object] = info.data["security_groups"]
        for name, role in roles.items():
            for group in role.groups:
                if group not in known:
                    raise ValueError(f"role {name}: no security group {quote(group)}; {did_you_mean(group, known)}")
        return roles

    @model_validator(mode="after")
    def _deployed(self) -> Self:
        """By chaosjc, so that all of it is in the file, or by others, so that none of it is."""
        if self.managed and self.adopted:
            raise ValueError("adopted: says how a site of others is found: write `managed: false`")
        if self.adopted:
            check_file(self, self.adopted.kubeconfig)
        elif not self.managed:
            raise ValueError("managed: false: others deployed the site: the section `adopted` must say how to find it")
        elif missing := [each for each in ("network", "security_groups", "roles") if each not in self.model_fields_set]:
            raise ValueError(f"{', '.join(missing)}: required of a site that chaosjc deploys, but missing")
        else:
            self._check_machines()
        return self

    def _check_machines(self) -> None:
        machines = self.machines
        if len({each.name for each in machines}) < len(machines):
            raise ValueError("two roles give the same VM name")
        fixed = [each.address for each in machines if each.address]
        network = ipaddress.IPv4Network(self.network.cidr)
        for address in fixed:
            if ipaddress.IPv4Address(address) not in network:
                raise ValueError(f"address {address} is outside {network}")
        if len(set(fixed)) < len(fixed):
            raise ValueError("two VMs have the same address")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        known = {*self.role_names, *(each.name for each in self.machines)}
        for name in (*self.policy.targets, *self.policy.protected):
            found = name in known or (self.adopted is not None and self.adopted.may_name(name))
            if not found and not PODS.fullmatch(name):
                raise ValueError(f"policy: no role or VM {quote(name)}; {did_you_mean(name, known)}")
        if self.environment not in PRIVATE and not (self.controller or self.state):
            raise ValueError(f"a {self.environment} site has one writer: name its `controller` or a shared `state`")
        return self

    @model_validator(mode="after")
    def _storage(self) -> Self:
        if self.storage is None:
            return self
        for name in (self.storage.role, *self.storage.clients):
            if name not in self.role_names:
                raise ValueError(f"storage: no role {quote(name)}; {did_you_mean(name, self.role_names)}")
        if self.adopted:
            return self
        if not self.storage.volumes:
            raise ValueError("storage: volumes: one or more are needed")
        role = self.roles[self.storage.role]
        if not role.disks:
            raise ValueError(f"storage: role {self.storage.role} needs `disks` for its bricks")
        if role.disposable:  # a deploy replaces such VMs at once, and all of them at the same time
            raise ValueError(f"storage: role {self.storage.role} carries bricks: say `disposable: false` of it")
        for name, volume in self.storage.volumes.items():
            if volume.disk and volume.disk not in role.disks:
                raise ValueError(f"storage: volume {name}: role {self.storage.role} has no disk {volume.disk}")
            if volume.replica * volume.distribute > role.count:
                raise ValueError(
                    f"storage: volume {name} needs {volume.replica * volume.distribute} VMs of role "
                    f"{self.storage.role}, there are {role.count}"
                )
        mounts = [volume.mount for volume in self.storage.volumes.values()]
        if len(set(mounts)) < len(mounts):
            raise ValueError("storage: two volumes are mounted at the same place")
        return self

    @model_validator(mode="after")
    def _sacrifices(self) -> Self:
        """What fills the disk of a volume that may be lost must not fill that of one that may not."""
        volumes = self.storage.volumes if self.storage and not self.adopted else {}
        kept = {self._disk(name): name for name, volume in volumes.items() if not volume.sacrificial}
        for name, volume in volumes.items():
            if volume.sacrificial and self._disk(name) in kept:
                raise ValueError(
                    f"storage: volume {name} is sacrificial, and shares the disk {self._disk(name)} with "
                    f"{kept[self._disk(name)]}: give it a `disk` of its own"
                )
        return self

    @model_validator(mode="after")
    def _cluster(self) -> Self:
        cluster = self.kubernetes
        if self.lbaas:
            self.lbaas.check(self.hub, self.network.cidr, {each.name: each.address for each in self.machines})
            if self.lbaas.floating and not self.network.external:
                raise ValueError("lbaas: a floating address is one of `network.external`, which the file does not name")
        if cluster is None:
            if self.hub:
                raise ValueError("hub: it runs on `kubernetes`, which the file does not have")
            return self
        for name in (cluster.control_plane, *cluster.workers):
            if name not in self.role_names:
                raise ValueError(f"kubernetes: no role {quote(name)}; {did_you_mean(name, self.role_names)}")
        if self.adopted:
            return self
        known = {*self.roles, *(each.name for each in self.machines)}
        for name in cluster.labels:
            if name not in known:
                raise ValueError(f"kubernetes: labels: no role or VM {quote(name)}; {did_you_mean(name, known)}")
        if self.roles[cluster.control_plane].count != 1:
            raise ValueError(f"kubernetes: role {cluster.control_plane} is the control plane: count 1")
        volumes = self.storage.volumes if self.storage else {}
        if self.hub and self.hub.homes not in volumes:
            raise ValueError(
                f"hub: no volume {quote(self.hub.homes)} for homes; {did_you_mean(self.hub.homes, volumes)}"
            )
        return self

    @property
    def role_names(self) -> tuple[str, ...]:
        """What its VMs are for."""
        return tuple(self.adopted.servers if self.adopted else self.roles)

    @property
    def bastion(self) -> str:
        """The SSH host through which all others are reached; empty where they are reached without one."""
        return self.adopted.bastion or "" if self.adopted else BASTION

    @property
    def machines(self) -> tuple[Machine, ...]:
        """Every VM that the site should have, in the order of the file; of an adopted site none is planned."""
        return tuple(
            Machine(name, role_name, role, _nth(role.address, index))
            for role_name, role in self.roles.items()
            for index, name in enumerate(_names(role_name, role))
        )

    @property
    def control_plane(self) -> str:
        """The name of the cluster's control plane VM; empty where there is no cluster."""
        role = self.kubernetes.control_plane if self.kubernetes else ""
        return next((each.name for each in self.machines if each.role == role), "")

    @property
    def workers(self) -> tuple[str, ...]:
        """The names of the VMs that run users' pods; none where there is no cluster."""
        roles = self.kubernetes.workers if self.kubernetes else ()
        return tuple(each.name for each in self.machines if each.role in roles)

    def brick_path(self, volume: str) -> str:
        """Where a volume's bricks lie, on each VM that carries one: `/data/homes`."""
        return f"{self._disk(volume)}/{volume}"

    def _disk(self, volume: str) -> str:
        assert self.storage is not None  # noqa: S101 - it has the volume
        return self.storage.volumes[volume].disk or next(iter(self.roles[self.storage.role].disks))

    def replica_sets(self, volume: str) -> tuple[tuple[str, ...], ...]:
        """The VMs that carry a volume's bricks, set by set: the first of the role, as many as it needs."""
        assert self.storage is not None  # noqa: S101 - it has the volume
        vms = [each.name for each in self.machines if each.role == self.storage.role]
        size, sets = self.storage.volumes[volume].replica, self.storage.volumes[volume].distribute
        return tuple(tuple(vms[at * size : (at + 1) * size]) for at in range(sets))

    def opted_in(self, name: str, role: str) -> bool:
        """Whether a fault may break this VM at all."""
        return bool({name, role} & set(self.policy.targets))

    def protected(self, name: str, role: str) -> bool:
        """Whether the policy forbids it whatever else is said."""
        return bool({name, role} & set(self.policy.protected))

    def pods_opted_in(self, namespace: str, component: str) -> bool:
        """Whether a fault may break pods of this kind at all."""
        return bool(self._pods(namespace, component) & set(self.policy.targets))

    def pods_protected(self, namespace: str, component: str) -> bool:
        """Whether the policy forbids it whatever else is said."""
        return bool(self._pods(namespace, component) & set(self.policy.protected))

    def _pods(self, namespace: str, component: str) -> set[str]:
        """How the policy may call them: a short name is of namespaces that are the site's own."""
        own = namespace.startswith("kube-") or (self.hub is not None and namespace == self.hub.namespace)
        return {f"pods/{namespace}/{component}", *([f"pods/{component}"] if own else [])}

    def snapshot(self) -> str:
        """The file as JSON, for the journal."""
        return self.model_dump_json(by_alias=True)

    @classmethod
    def restore(cls, snapshot: str) -> Self:
        """The inverse of `snapshot`."""
        return cls.model_validate_json(snapshot)


@dataclass(frozen=True)
class Machine:
    """One VM that should be; `address` is empty where the cloud allots one."""

    name: str
    role: str
    spec: Role
    address: str


def load(path: Path) -> SiteFile:
    """Read a site file. Raises SpecError with every problem, each at its line and column."""
    problems = Problems()
    return _beside(path, _valid(reader.load(path, problems), problems))


def parse(text: str, path: Path) -> SiteFile:
    """`load` for text at hand; `path` is where it is to be."""
    problems = Problems()
    return _beside(path, _valid(reader.parse(text, str(path), problems), problems))


def _valid(document: Document | None, problems: Problems) -> SiteFile:
    site = validate(document, SiteFile, problems) if document else None
    policy = site.policy.read(document, problems) if document and site else None
    if document and site:
        clear.refuse(document, problems, site.environment)
    problems.check()
    assert site is not None  # noqa: S101 - what yields None has added a problem
    return site.model_copy(update={"policy": policy})


def _beside(path: Path, site: SiteFile) -> SiteFile:
    """With its paths as they are seen from anywhere: a relative one begins at the file."""
    if site.adopted:
        return site.model_copy(update={"adopted": site.adopted.beside(path.parent)})
    return site.model_copy(update={"hub": site.hub.beside(path.parent)}) if site.hub else site


def _names(role_name: str, role: Role) -> tuple[str, ...]:
    numbered = role.count != 1 if role.numbered is None else role.numbered
    return tuple(f"{role_name}-{number:03}" if numbered else role_name for number in range(1, role.count + 1))


def _nth(first: str, index: int) -> str:
    return str(ipaddress.IPv4Address(first) + index) if first else ""


def _is_network(text: str) -> bool:
    try:
        ipaddress.IPv4Network(text)
    except ValueError:
        return False
    return True
