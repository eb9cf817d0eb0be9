"""What Octavia says, as frozen values; made from openstacksdk's resources in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

ANSWERING = frozenset({"ONLINE", "NO_MONITOR"})
"""Operating statuses of a member that is given new connections."""


@dataclass(frozen=True)
class Balancer:
    """`address` and `port_id` are those of the VIP; `provisioning` and `operating` as Octavia writes them."""

    id: str
    name: str
    description: str
    address: str
    port_id: str
    provider: str = ""
    enabled: bool = True
    provisioning: str = "ACTIVE"
    operating: str = "ONLINE"


@dataclass(frozen=True)
class Listener:
    """A port of the VIP; times in seconds, `client` and `member` those that a side of a connection may be silent."""

    id: str
    name: str
    protocol: str
    port: int
    pool_id: str
    client: float
    member: float
    connect: float
    enabled: bool = True
    provisioning: str = "ACTIVE"


@dataclass(frozen=True)
class Pool:
    """`method` as Octavia writes it: ROUND_ROBIN, …; `monitor_id` empty where nobody looks after its members."""

    id: str
    name: str
    protocol: str
    method: str
    monitor_id: str = ""
    enabled: bool = True
    provisioning: str = "ACTIVE"


@dataclass(frozen=True)
class Monitor:
    """Asks every member; times in whole seconds. `path` and `codes` are of HTTP, and empty for others."""

    id: str
    type: str
    path: str
    codes: str
    every: int
    timeout: int
    failures: int
    successes: int
    enabled: bool = True
    provisioning: str = "ACTIVE"


@dataclass(frozen=True)
class Member:
    """One that connections are handed to."""

    id: str
    name: str
    address: str
    port: int
    subnet_id: str = ""
    weight: int = 1
    enabled: bool = True
    provisioning: str = "ACTIVE"
    operating: str = "NO_MONITOR"
    tags: frozenset[str] = frozenset()

    @property
    def answers(self) -> bool:
        """Whether it is given new connections."""
        return self.enabled and self.operating in ANSWERING


def balancer(raw: Any) -> Balancer:
    """From load_balancer's LoadBalancer."""
    return Balancer(
        id=raw.id,
        name=raw.name or "",
        description=raw.description or "",
        address=raw.vip_address or "",
        port_id=raw.vip_port_id or "",
        provider=raw.provider or "",
        enabled=raw.is_admin_state_up is not False,
        provisioning=raw.provisioning_status or "",
        operating=raw.operating_status or "",
    )


def listener(raw: Any) -> Listener:
    """From load_balancer's Listener."""
    return Listener(
        id=raw.id,
        name=raw.name or "",
        protocol=raw.protocol,
        port=raw.protocol_port,
        pool_id=raw.default_pool_id or "",
        client=(raw.timeout_client_data or 0) / 1000,
        member=(raw.timeout_member_data or 0) / 1000,
        connect=(raw.timeout_member_connect or 0) / 1000,
        enabled=raw.is_admin_state_up is not False,
        provisioning=raw.provisioning_status or "",
    )


def pool(raw: Any) -> Pool:
    """From load_balancer's Pool."""
    return Pool(
        id=raw.id,
        name=raw.name or "",
        protocol=raw.protocol,
        method=raw.lb_algorithm,
        monitor_id=raw.health_monitor_id or "",
        enabled=raw.is_admin_state_up is not False,
        provisioning=raw.provisioning_status or "",
    )


def monitor(raw: Any) -> Monitor:
    """From load_balancer's HealthMonitor."""
    http = raw.type in ("HTTP", "HTTPS")
    return Monitor(
        id=raw.id,
        type=raw.type,
        path=(raw.url_path or "") if http else "",
        codes=(raw.expected_codes or "") if http else "",
        every=raw.delay,
        timeout=raw.timeout,
        failures=raw.max_retries_down,
        successes=raw.max_retries,
        enabled=raw.is_admin_state_up is not False,
        provisioning=raw.provisioning_status or "",
    )


def member(raw: Any) -> Member:
    """From load_balancer's Member."""
    return Member(
        id=raw.id,
        name=raw.name or "",
        address=raw.address,
        port=raw.protocol_port,
        subnet_id=raw.subnet_id or "",
        weight=1 if raw.weight is None else raw.weight,
        enabled=raw.is_admin_state_up is not False,
        provisioning=raw.provisioning_status or "",
        operating=raw.operating_status or "",
        tags=frozenset(cast("list[str]", raw.tags or [])),
    )
