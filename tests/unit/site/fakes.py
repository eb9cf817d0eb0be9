"""A cloud in memory, as strict as Neutron and Nova where the stages depend on it, and a site to put on it."""

from __future__ import annotations

import ipaddress
import json
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from chaosjc.clock import Clock, rfc3339
from chaosjc.drivers import openstack
from chaosjc.drivers.balancer import Balancers
from chaosjc.drivers.openstack_access import CloudAccess
from chaosjc.drivers.openstack_values import (
    FloatingAddress,
    Group,
    Named,
    Network,
    Port,
    Router,
    RuleSpec,
    Server,
    ServerSpec,
    Subnet,
)
from chaosjc.errors import RemoteError
from chaosjc.site import model
from chaosjc.site.model import SiteFile
from tests.sites import lab_file
from tests.unit.drivers.octavia import FakeOctavia
from tests.unit.fakes import FakeClock

ROOT = Path(__file__).parents[3]
OUT = (RuleSpec("egress", "IPv4"), RuleSpec("egress", "IPv6"))


def lab_site(**changes: Any) -> SiteFile:
    """sites/lab.yaml, with top-level fields replaced."""
    return model.load(ROOT / "sites" / "lab.yaml").model_copy(update=changes)


def small_site() -> SiteFile:
    """The same without storage: a bastion, two workers, a monitor."""
    return SiteFile.restore(json.dumps(lab_file(storage=False)))


class FakeCloud(openstack.Cloud):
    """One project. Servers become ACTIVE the first time that somebody looks after their creation."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.octavia = FakeOctavia()
        super().__init__(SimpleNamespace(load_balancer=self.octavia), "fake", clock or FakeClock())
        self._lock = threading.RLock()
        self._ids = 0
        self.calls: list[str] = []
        self.server_table: dict[str, Server] = {}
        self.user_data: dict[str, bytes] = {}
        self.network_table: dict[str, Network] = {"public": Network("public", "public")}
        self.subnet_table: dict[str, Subnet] = {}
        self.port_table: dict[str, Port] = {}
        self.group_table: dict[str, Group] = {}
        self.router_table: dict[str, Router] = {}
        self.floating_table: dict[str, FloatingAddress] = {}
        self.octavia.address = lambda port_id: self.port_table[port_id].address
        self.image_list: tuple[Named, ...] = (Named("image-1", "chaosjc-golden"),)
        self.flavor_list: tuple[Named, ...] = (
            Named("flavor-s", "m1.small"),
            Named("flavor-m", "m1.medium"),
            Named("flavor-d", "s1.small"),
        )

    def _new(self, kind: str) -> str:
        with self._lock:
            self._ids += 1
            return f"{kind}-{self._ids}"

    def _wrote(self, what: str) -> None:
        self.calls.append(what)

    @property
    def balancers(self) -> Balancers:
        return super().balancers

    def access(self) -> CloudAccess:
        return CloudAccess("the password", roles=("member",))

    # -- servers

    def servers(self) -> tuple[Server, ...]:
        return tuple(self.server(each) for each in list(self.server_table))

    def server(self, uuid: str) -> Server:
        if uuid not in self.server_table:
            raise openstack.NotFound(f"server {uuid}")
        found = self.server_table[uuid]
        if found.status == "BUILD":
            self.server_table[uuid] = replace(found, status="ACTIVE")
        if found.task_state == "deleting":
            self.delete_server(uuid)
        return found

    def create_server(self, spec: ServerSpec) -> Server:
        port = self.port_table[spec.port_id]
        if port.device_id:
            raise RemoteError(f"port {port.name} is in use")
        flavor = next(each.name for each in self.flavor_list if each.id == spec.flavor_id)
        uuid, created = self._new("server"), rfc3339(self._clock.time())
        self._wrote(f"create server {spec.name}")
        self.server_table[uuid] = Server(
            uuid, spec.name, "BUILD", "", spec.image_id, flavor, (port.address,), dict(spec.metadata), created
        )
        self.user_data[uuid] = spec.user_data
        self.port_table[port.id] = replace(port, device_id=uuid)
        return self.server_table[uuid]

    def delete_server(self, uuid: str) -> None:
        self._wrote(f"delete server {self.server_table[uuid].name}" if uuid in self.server_table else "delete nothing")
        self.server_table.pop(uuid, None)
        for port in list(self.port_table.values()):
            if port.device_id == uuid:
                self.port_table[port.id] = replace(port, device_id="")

    def _become(self, uuid: str, verb: str, before: set[str], after: str) -> None:
        found = self.server(uuid)
        if before and found.status not in before:
            raise RemoteError(f"cannot {verb} {found.name} while it is {found.status}")
        self._wrote(f"{verb} {found.name}")
        self.server_table[uuid] = replace(found, status=after)

    def pause_server(self, uuid: str) -> None:
        self._become(uuid, "pause", {"ACTIVE"}, "PAUSED")

    def unpause_server(self, uuid: str) -> None:
        self._become(uuid, "unpause", {"PAUSED"}, "ACTIVE")

    def resume_server(self, uuid: str) -> None:
        self._become(uuid, "resume", {"SUSPENDED"}, "ACTIVE")

    def start_server(self, uuid: str) -> None:
        self._become(uuid, "start", {"SHUTOFF"}, "ACTIVE")

    def stop_server(self, uuid: str) -> None:
        self._become(uuid, "stop", {"ACTIVE"}, "SHUTOFF")

    def reboot_server(self, uuid: str) -> None:
        self._become(uuid, "reboot", set(), "ACTIVE")

    def console(self, uuid: str, lines: int = 50) -> str:
        return f"console of {self.server(uuid).name}\n"

    # -- images and flavors

    def images(self, name: str) -> tuple[Named, ...]:
        return tuple(each for each in self.image_list if each.name == name)

    def flavors(self) -> tuple[Named, ...]:
        return self.flavor_list

    # -- networks

    def networks(self, name: str) -> tuple[Network, ...]:
        return tuple(each for each in self.network_table.values() if each.name == name)

    def create_network(self, name: str, description: str) -> Network:
        self._wrote(f"create network {name}")
        made = Network(self._new("network"), name, description)
        self.network_table[made.id] = made
        return made

    def delete_network(self, uuid: str) -> None:
        if self.subnets(uuid) or self.ports(uuid):
            raise RemoteError(f"network {uuid} is in use")
        self.network_table.pop(uuid, None)

    def subnets(self, network_id: str) -> tuple[Subnet, ...]:
        return tuple(each for each in self.subnet_table.values() if each.network_id == network_id)

    def create_subnet(self, subnet: Subnet) -> Subnet:
        self._wrote(f"create subnet {subnet.cidr}")
        made = replace(subnet, id=self._new("subnet"))
        self.subnet_table[made.id] = made
        return made

    def update_subnet(self, uuid: str, nameservers: Iterable[str]) -> None:
        self.subnet_table[uuid] = replace(self.subnet_table[uuid], nameservers=tuple(nameservers))

    def delete_subnet(self, uuid: str) -> None:
        self.subnet_table.pop(uuid, None)

    def ports(self, network_id: str) -> tuple[Port, ...]:
        return tuple(each for each in list(self.port_table.values()) if each.network_id == network_id)

    def create_port(self, port: Port, subnet_id: str) -> Port:
        with self._lock:
            missing = port.group_ids - self.group_table.keys()
            taken = {each.address for each in self.port_table.values()}
            if missing or port.address in taken:
                raise RemoteError(f"port {port.name}: no group {missing}, or {port.address} is taken")
            hosts = ipaddress.ip_network(self.subnet_table[subnet_id].cidr).hosts()
            next(hosts)  # the gateway
            address = port.address or next(str(each) for each in hosts if str(each) not in taken)
            self._wrote(f"create port {port.name}")
            made = replace(port, id=self._new("port"), address=address)
            self.port_table[made.id] = made
            return made

    def update_port(self, uuid: str, group_ids: Iterable[str]) -> None:
        self.port_table[uuid] = replace(self.port_table[uuid], group_ids=frozenset(group_ids))

    def delete_port(self, uuid: str) -> None:
        self.port_table.pop(uuid, None)

    # -- security groups

    def groups(self) -> tuple[Group, ...]:
        return tuple(self.group_table.values())

    def create_group(self, name: str, description: str) -> Group:
        self._wrote(f"create group {name}")
        made = Group(self._new("group"), name, description, tuple((self._new("rule"), each) for each in OUT))
        self.group_table[made.id] = made
        return made

    def delete_group(self, uuid: str) -> None:
        if any(uuid in each.group_ids for each in self.port_table.values()):
            raise RemoteError(f"group {uuid} is in use")
        self.group_table.pop(uuid, None)

    def create_rule(self, group_id: str, rule: RuleSpec) -> None:
        group = self.group_table[group_id]
        if rule in [each for _, each in group.rules] or (
            rule.remote_group and rule.remote_group not in self.group_table
        ):
            raise RemoteError(f"rule {rule} is there already, or names an unknown group")
        self.group_table[group_id] = replace(group, rules=(*group.rules, (self._new("rule"), rule)))

    def delete_rule(self, uuid: str) -> None:
        with self._lock:
            for group in list(self.group_table.values()):
                kept = tuple(each for each in group.rules if each[0] != uuid)
                self.group_table[group.id] = replace(group, rules=kept)

    # -- the way out

    def routers(self) -> tuple[Router, ...]:
        return tuple(self.router_table.values())

    def create_router(self, name: str, description: str, external_network: str) -> Router:
        assert external_network in self.network_table
        made = Router(self._new("router"), name, description)
        self.router_table[made.id] = made
        return made

    def route(self, router_id: str, subnet_id: str) -> None:
        router = self.router_table[router_id]
        self.router_table[router_id] = replace(router, subnet_ids=router.subnet_ids | {subnet_id})

    def delete_router(self, router: Router) -> None:
        self.router_table.pop(router.id, None)

    def floating_addresses(self) -> tuple[FloatingAddress, ...]:
        return tuple(self.floating_table.values())

    def create_floating_address(self, external_network: str, port_id: str, description: str) -> FloatingAddress:
        assert external_network in self.network_table
        made = FloatingAddress(self._new("floating"), "192.0.2.10", port_id, description)
        self.floating_table[made.id] = made
        return made

    def point_floating_address(self, uuid: str, port_id: str) -> None:
        self.floating_table[uuid] = replace(self.floating_table[uuid], port_id=port_id)

    def delete_floating_address(self, uuid: str) -> None:
        self.floating_table.pop(uuid, None)
