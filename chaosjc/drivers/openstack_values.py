"""What an OpenStack cloud says, as frozen values; made from openstacksdk's resources in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast


@dataclass(frozen=True)
class Server:
    """A Nova server; `status` as Nova writes it (ACTIVE, PAUSED, …), `created` RFC 3339."""

    id: str
    name: str
    status: str
    task_state: str = ""
    image_id: str = ""
    flavor: str = ""
    addresses: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    created: str = ""
    fault: str = ""


@dataclass(frozen=True)
class ServerSpec:
    """What a new server is made of; `disks` are sizes in GiB of ext4 disks besides the root disk."""

    name: str
    image_id: str
    flavor_id: str
    port_id: str
    user_data: bytes
    metadata: Mapping[str, str]
    disks: tuple[int, ...] = ()


@dataclass(frozen=True)
class Network:
    """A Neutron network of this project."""

    id: str
    name: str
    description: str = ""


@dataclass(frozen=True)
class Subnet:
    """An IPv4 subnet."""

    id: str
    name: str
    network_id: str
    cidr: str
    nameservers: tuple[str, ...] = ()
    dhcp: bool = True


@dataclass(frozen=True)
class Port:
    """A port; `address` is its first fixed address, empty while it has none."""

    id: str
    name: str
    network_id: str
    address: str = ""
    group_ids: frozenset[str] = frozenset()
    device_id: str = ""
    description: str = ""


@dataclass(frozen=True, order=True)
class RuleSpec:
    """What a security group rule lets through; protocol `any`, ports 0 and remote empty mean all.

    `remote` is a CIDR or, with `remote_group`, the id of a group.
    """

    direction: str
    ethertype: str
    protocol: str = "any"
    port_min: int = 0
    port_max: int = 0
    remote: str = ""
    remote_group: str = ""


@dataclass(frozen=True)
class Group:
    """A security group with its rules: (id, what it lets through)."""

    id: str
    name: str
    description: str = ""
    rules: tuple[tuple[str, RuleSpec], ...] = ()


@dataclass(frozen=True)
class Router:
    """A router; `subnet_ids` are the subnets that it serves."""

    id: str
    name: str
    description: str = ""
    subnet_ids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class FloatingAddress:
    """A public address; `port_id` empty while it points nowhere."""

    id: str
    address: str
    port_id: str = ""
    description: str = ""


@dataclass(frozen=True)
class Named:
    """An image or a flavor: all that a deployment needs of it."""

    id: str
    name: str


Row = Mapping[str, Any]  # a JSON object as openstacksdk hands it on


def server(raw: Any) -> Server:
    """From compute's Server."""
    networks = cast("Mapping[str, list[Row]]", raw.addresses or {})
    flavor, fault = cast("Row", raw.flavor or {}), cast("Row", raw.fault or {})
    return Server(
        id=raw.id,
        name=raw.name,
        status=raw.status or "UNKNOWN",
        task_state=raw.task_state or "",
        image_id=cast("Row", raw.image or {}).get("id") or "",
        flavor=flavor.get("original_name") or flavor.get("id") or "",
        addresses=tuple(str(each["addr"]) for found in networks.values() for each in found),
        metadata=dict(cast("Mapping[str, str]", raw.metadata or {})),
        created=raw.created_at or "",
        fault=str(fault.get("message", "")),
    )


def network(raw: Any) -> Network:
    """From network's Network."""
    return Network(raw.id, raw.name, raw.description or "")


def subnet(raw: Any) -> Subnet:
    """From network's Subnet."""
    return Subnet(
        raw.id, raw.name, raw.network_id, raw.cidr, tuple(raw.dns_nameservers or ()), bool(raw.is_dhcp_enabled)
    )


def port(raw: Any) -> Port:
    """From network's Port."""
    fixed = cast("list[Row]", raw.fixed_ips or [])
    return Port(
        id=raw.id,
        name=raw.name,
        network_id=raw.network_id,
        address=str(fixed[0]["ip_address"]) if fixed else "",
        group_ids=frozenset(cast("list[str]", raw.security_group_ids or [])),
        device_id=raw.device_id or "",
        description=raw.description or "",
    )


def group(raw: Any) -> Group:
    """From network's SecurityGroup."""
    rules = cast("list[Row]", raw.security_group_rules or [])
    return Group(raw.id, raw.name, raw.description or "", tuple((str(each["id"]), rule(each)) for each in rules))


def rule(raw: Row) -> RuleSpec:
    """From a rule inside a SecurityGroup; Neutron keeps "everywhere" in two spellings."""
    remote = str(raw.get("remote_ip_prefix") or "")
    return RuleSpec(
        direction=raw["direction"],
        ethertype=raw["ethertype"],
        protocol=raw.get("protocol") or "any",
        port_min=raw.get("port_range_min") or 0,
        port_max=raw.get("port_range_max") or 0,
        remote="" if remote in ("0.0.0.0/0", "::/0") else remote,
        remote_group=raw.get("remote_group_id") or "",
    )


def router(raw: Any, ports: list[Any]) -> Router:
    """From network's Router and its ports."""
    inner = [each for each in ports if "gateway" not in str(each.device_owner)]
    fixed = [row for each in inner for row in cast("list[Row]", each.fixed_ips or [])]
    return Router(raw.id, raw.name, raw.description or "", frozenset(str(row["subnet_id"]) for row in fixed))


def floating(raw: Any) -> FloatingAddress:
    """From network's FloatingIP."""
    return FloatingAddress(raw.id, raw.floating_ip_address, raw.port_id or "", raw.description or "")
