"""What `lab status` shows: gathered from the host's kernel, and from the API while the control plane is up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from chaosjc.errors import RemoteError
from chaosjc.lab import config, control, registry, users
from chaosjc.lab.api import Session
from chaosjc.lab.down import host_of
from chaosjc.lab.layout import Lab
from chaosjc.lab.machine import process
from chaosjc.lab.machine.balancer import Balancer
from chaosjc.lab.machine.machine import Machine
from chaosjc.lab.machine.network import Names


@dataclass(frozen=True)
class ControlProcess:
    """A process of the control plane; memory is resident."""

    role: str
    phase: str
    pid: int
    memory_mb: int


@dataclass(frozen=True)
class Server:
    """`status` is nova's word ("" when nova is away), `machine` the host's; memory without page cache."""

    id: str
    name: str
    status: str
    machine: str
    addresses: tuple[str, ...]
    pid: int | None
    memory_mb: int
    memory_limit_mb: int


@dataclass(frozen=True)
class Network:
    """A network with its ranges."""

    id: str
    name: str
    ranges: tuple[str, ...]


@dataclass(frozen=True)
class LoadBalancer:
    """Octavia's words, and whether the host has its haproxy."""

    id: str
    name: str
    address: str
    provisioning: str
    operating: str
    running: bool
    memory_mb: int


@dataclass(frozen=True)
class Status:
    """A whole lab; `up` when its control plane takes requests."""

    name: str
    directory: str
    cloud: str
    up: bool
    control: tuple[ControlProcess, ...]
    servers: tuple[Server, ...]
    networks: tuple[Network, ...]
    balancers: tuple[LoadBalancer, ...]

    def as_json(self) -> dict[str, Any]:
        """One object, `schema` 1."""
        return {"schema": 1, **asdict(self)}


def gather(lab: Lab) -> Status:
    """Read the lab; one that never was is simply down and empty."""
    processes = tuple(_control(control.look(lab, role)) for role in control.ROLES)
    up = all(p.phase == "ready" for p in processes)
    session = _session(lab) if up else None
    words = nova_words(session.call("compute", "/servers/detail?all_tenants=1")["servers"]) if session else {}
    return Status(
        name=lab.name,
        directory=str(lab.directory),
        cloud=lab.cloud,
        up=session is not None,
        control=processes,
        servers=merge((_machine(m) for m in host_of(lab).machines()), words),
        networks=_networks(session) if session else (),
        balancers=_balancers(lab, session) if session else (),
    )


def _session(lab: Lab) -> Session | None:
    claim = registry.claims().get(lab.tag)
    if claim is None:
        return None
    try:
        secrets = config.Secrets(**json.loads((lab.private / "secrets.json").read_text()))
        return users.admin_session(claim.ports, secrets)
    except RemoteError:  # it went down meanwhile
        return None


def _control(now: control.Process) -> ControlProcess:
    return ControlProcess(
        now.role, now.phase, now.pid if now.alive else 0, process.resident_mb(now.pid) if now.alive else 0
    )


def _machine(machine: Machine) -> Server:
    spec, usage = machine.spec, machine.cgroup.usage()
    addresses = tuple(a.partition("/")[0] for nic in spec.nics for a in nic.addresses)
    return Server(
        id=machine.uuid,
        name=spec.name,
        status="",
        machine=machine.state,
        addresses=addresses,
        pid=machine.leader(),
        memory_mb=usage.anonymous >> 20,
        memory_limit_mb=spec.memory_mb,
    )


def nova_words(servers: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """Id -> (name, status with the task under way) from the compute API's answer."""
    return {
        str(s["id"]): (str(s["name"]), " ".join(filter(None, (s["status"], s.get("OS-EXT-STS:task_state")))))
        for s in servers
    }


def merge(machines: Iterable[Server], words: Mapping[str, tuple[str, str]]) -> tuple[Server, ...]:
    """The host's machines with nova's words, and the servers that have no machine; by name."""
    merged = {m.id: replace(m, status=words.get(m.id, ("", ""))[1]) for m in machines}
    for server_id, (name, status) in words.items():
        if server_id not in merged:
            merged[server_id] = Server(server_id, name, status, "missing", (), None, 0, 0)
    return tuple(sorted(merged.values(), key=lambda s: (s.name, s.id)))


def _networks(session: Session) -> tuple[Network, ...]:
    subnets = session.call("network", "/v2.0/subnets")["subnets"]
    return tuple(
        Network(n["id"], n["name"], tuple(s["cidr"] for s in subnets if s["network_id"] == n["id"]))
        for n in session.call("network", "/v2.0/networks")["networks"]
    )


def _balancers(lab: Lab, session: Session) -> tuple[LoadBalancer, ...]:
    names = Names(lab.tag)

    def told(words: Mapping[str, Any]) -> LoadBalancer:
        ours = Balancer(names, lab.balancers, words["id"])
        return LoadBalancer(
            id=words["id"],
            name=words["name"],
            address=words["vip_address"],
            provisioning=words["provisioning_status"],
            operating=words["operating_status"],
            running=ours.running,
            memory_mb=ours.cgroup.usage().anonymous >> 20,
        )

    return tuple(map(told, session.call("load-balancer", "/v2.0/lbaas/loadbalancers")["loadbalancers"]))
