"""A thin typed client of an OpenStack cloud, as one ordinary project user sees it.

Every call is bounded in time, answers frozen values and raises RemoteError (NotFound where the thing does not exist)
that says what was asked of which cloud. No policy and no waiting policy but `wait_server`.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any, Self

from chaosjc.clock import Clock, SystemClock
from chaosjc.drivers import openstack_access
from chaosjc.drivers import openstack_values as values
from chaosjc.drivers.balancer import Balancers
from chaosjc.drivers.openstack_access import CloudAccess
from chaosjc.drivers.openstack_files import CloudFiles
from chaosjc.drivers.openstack_sightings import Sightings
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

TIMEOUT = 30.0  # seconds for one HTTP request
SELDOM = 2.0  # seconds at most between two looks at a server: eight that were watched thrice a second kept Nova busy


class NotFound(RemoteError):
    """The cloud has no such thing, or does not show it to this project."""


class Cloud:
    """One project of one cloud. Safe to share between threads."""

    def __init__(self, connection: Any, name: str, clock: Clock | None = None) -> None:
        self._api = connection
        self.name = name
        self._clock = clock or SystemClock()
        self._sightings = Sightings(self.server, self.servers, self._clock)
        self._balancers = Balancers(name, lambda: connection.load_balancer, self._asking, self._clock)

    @classmethod
    def connect(
        cls, name: str, *, timeout: float = TIMEOUT, clock: Clock | None = None, files: CloudFiles | None = None
    ) -> Self:
        """Log in with the entry `name` of clouds.yaml, an undo with that of the `files` that its run had.

        `timeout` in seconds bounds each later request.
        """
        from keystoneauth1.exceptions import ClientException
        from openstack import connection as connections
        from openstack import exceptions

        try:
            connection: Any = connections.Connection(config=(files or CloudFiles.now()).entry(name, timeout))
        except (exceptions.ConfigException, ClientException) as error:  # or it has a secure.yaml, and no more than that
            where = f"{files.told}, as when the run began" if files else CloudFiles.now().told
            raise RemoteError(f"cloud {name}: {error}", hint=f"clouds.yaml: {where}") from error
        cloud = cls(connection, name, clock)
        with cloud._asking("log in"):
            connection.authorize()
            for service in ("compute", "network", "image"):  # made here, since making them is not thread-safe
                getattr(connection, service)
        return cloud

    @property
    def balancers(self) -> Balancers:
        """Its load balancers; nothing is asked before somebody asks one of them."""
        return self._balancers

    def access(self) -> CloudAccess:
        """What its credentials are, and what is known to limit them."""
        with self._asking("its credentials"):
            return openstack_access.of_connection(self._api)

    # -- servers

    def servers(self) -> tuple[Server, ...]:
        """All servers of the project."""
        with self._asking("list servers"):
            return tuple(values.server(each) for each in self._api.compute.servers())

    def server(self, uuid: str) -> Server:
        """One server by UUID; NotFound where it is gone."""
        with self._asking(f"server {uuid}"):
            return values.server(self._api.compute.get_server(uuid))

    def find_servers(self, metadata: Mapping[str, str]) -> tuple[Server, ...]:
        """The servers that carry all of these metadata."""
        return tuple(each for each in self.servers() if metadata.items() <= each.metadata.items())

    def create_server(self, spec: ServerSpec) -> Server:
        """Ask for a server and return at once; its status is BUILD."""
        with self._asking(f"create server {spec.name}"):
            made = self._api.compute.create_server(
                name=spec.name,
                image_id=spec.image_id,
                flavor_id=spec.flavor_id,
                networks=[{"port": spec.port_id}],
                user_data=base64.b64encode(spec.user_data).decode(),
                metadata=dict(spec.metadata),
                **_block_devices(spec),
            )
        return self.server(made.id)

    def delete_server(self, uuid: str) -> None:
        """Ask for its end; also right when it is gone already."""
        with self._asking(f"delete server {uuid}"):
            self._api.compute.delete_server(uuid, ignore_missing=True)

    def pause_server(self, uuid: str) -> None:
        """Freeze it."""
        self._act("pause_server", uuid)

    def unpause_server(self, uuid: str) -> None:
        """Thaw it."""
        self._act("unpause_server", uuid)

    def resume_server(self, uuid: str) -> None:
        """Bring it back from suspension."""
        self._act("resume_server", uuid)

    def start_server(self, uuid: str) -> None:
        """Power on."""
        self._act("start_server", uuid)

    def stop_server(self, uuid: str) -> None:
        """Power off, gracefully first."""
        self._act("stop_server", uuid)

    def reboot_server(self, uuid: str) -> None:
        """Power off and on at once (a hard reboot)."""
        self._act("reboot_server", uuid, "HARD")

    def console(self, uuid: str, lines: int = 50) -> str:
        """The end of its console log."""
        with self._asking(f"console of server {uuid}"):
            return str(self._api.compute.get_server_console_output(uuid, length=lines)["output"])

    def wait_server(
        self, uuid: str, ready: Callable[[Server], bool], *, timeout: float = 120.0, every: float = 0.3
    ) -> Server:
        """Poll until `ready` and no task is under way, ever less often; times in seconds.

        Raises NotFound when it vanishes, RemoteError after `timeout` or once Nova gives it up (ERROR).
        """
        end = self._clock.monotonic() + timeout
        with self._sightings.waiting() as look:
            while True:
                now = look(uuid, every)
                if ready(now) and not now.task_state:
                    return now
                if now.status == "ERROR":
                    why = now.fault or "no reason given"
                    raise RemoteError(f"cloud {self.name}: server {now.name} is in ERROR: {why}")
                if self._clock.monotonic() >= end:
                    doing = f", {now.task_state}" if now.task_state else ""
                    still = f"still {now.status}{doing} after {timeout:g} s"
                    raise RemoteError(f"cloud {self.name}: server {now.name}: {still}")
                self._clock.sleep(every)
                every = min(SELDOM, every * 1.25)

    def wait_gone(self, uuid: str, *, timeout: float = 120.0) -> None:
        """Poll until the cloud no longer knows the server."""
        with contextlib.suppress(NotFound):
            self.wait_server(uuid, lambda each: each.status == "DELETED", timeout=timeout)

    # -- images and flavors

    def images(self, name: str) -> tuple[Named, ...]:
        """Active images of this name, newest first."""
        with self._asking(f"image {name}"):
            found = [each for each in self._api.image.images(name=name) if each.status == "active"]
        found.sort(key=lambda each: each.created_at or "", reverse=True)
        return tuple(Named(each.id, each.name) for each in found)

    def flavors(self) -> tuple[Named, ...]:
        """All flavors that the project may use."""
        with self._asking("list flavors"):
            return tuple(Named(each.id, each.name) for each in self._api.compute.flavors())

    # -- networks

    def networks(self, name: str) -> tuple[Network, ...]:
        """Networks of this name, also those shared with the project."""
        with self._asking(f"network {name}"):
            found = list(self._api.network.networks(name=name))
        return tuple(values.network(each) for each in found)

    def create_network(self, name: str, description: str) -> Network:
        """A network without a subnet."""
        with self._asking(f"create network {name}"):
            made = self._api.network.create_network(name=name, description=description)
        return values.network(made)

    def delete_network(self, uuid: str) -> None:
        """Also right when it is gone already."""
        self._delete("network", uuid)

    def subnets(self, network_id: str) -> tuple[Subnet, ...]:
        """The subnets of a network."""
        with self._asking(f"subnets of {network_id}"):
            return tuple(values.subnet(each) for each in self._api.network.subnets(network_id=network_id))

    def create_subnet(self, subnet: Subnet) -> Subnet:
        """An IPv4 subnet as described, whose gateway is its first address."""
        with self._asking(f"create subnet {subnet.name} {subnet.cidr}"):
            made = self._api.network.create_subnet(
                name=subnet.name,
                network_id=subnet.network_id,
                cidr=subnet.cidr,
                ip_version=4,
                dns_nameservers=list(subnet.nameservers),
                enable_dhcp=subnet.dhcp,
            )
        return values.subnet(made)

    def update_subnet(self, uuid: str, nameservers: Iterable[str]) -> None:
        """Set its name servers."""
        with self._asking(f"update subnet {uuid}"):
            self._api.network.update_subnet(uuid, dns_nameservers=list(nameservers))

    def delete_subnet(self, uuid: str) -> None:
        """Also right when it is gone already."""
        self._delete("subnet", uuid)

    def ports(self, network_id: str) -> tuple[Port, ...]:
        """The project's ports on a network."""
        with self._asking(f"ports of {network_id}"):
            return tuple(values.port(each) for each in self._api.network.ports(network_id=network_id))

    def create_port(self, port: Port, subnet_id: str) -> Port:
        """A port as described; its address is allotted where `port.address` is empty."""
        fixed = {"subnet_id": subnet_id} | ({"ip_address": port.address} if port.address else {})
        with self._asking(f"create port {port.name} {port.address}".rstrip()):
            made = self._api.network.create_port(
                name=port.name,
                network_id=port.network_id,
                fixed_ips=[fixed],
                security_groups=sorted(port.group_ids),
                description=port.description,
            )
        return values.port(made)

    def update_port(self, uuid: str, group_ids: Iterable[str]) -> None:
        """Set its security groups."""
        with self._asking(f"update port {uuid}"):
            self._api.network.update_port(uuid, security_groups=sorted(group_ids))

    def delete_port(self, uuid: str) -> None:
        """Also right when it is gone already."""
        self._delete("port", uuid)

    # -- security groups

    def groups(self) -> tuple[Group, ...]:
        """The project's security groups with their rules."""
        with self._asking("list security groups"):
            return tuple(values.group(each) for each in self._api.network.security_groups())

    def create_group(self, name: str, description: str) -> Group:
        """A group; Neutron gives it rules that let everything out."""
        with self._asking(f"create security group {name}"):
            return values.group(self._api.network.create_security_group(name=name, description=description))

    def delete_group(self, uuid: str) -> None:
        """Also right when it is gone already."""
        self._delete("security_group", uuid)

    def create_rule(self, group_id: str, rule: RuleSpec) -> None:
        """Add a rule to a group."""
        with self._asking(f"create {rule.direction} rule in group {group_id}"):
            self._api.network.create_security_group_rule(
                security_group_id=group_id,
                direction=rule.direction,
                ether_type=rule.ethertype,
                protocol=None if rule.protocol == "any" else rule.protocol,
                port_range_min=rule.port_min or None,
                port_range_max=rule.port_max or None,
                remote_ip_prefix=rule.remote or None,
                remote_group_id=rule.remote_group or None,
            )

    def delete_rule(self, uuid: str) -> None:
        """Also right when it is gone already."""
        self._delete("security_group_rule", uuid)

    # -- the way out

    def routers(self) -> tuple[Router, ...]:
        """The project's routers; none where the cloud has no routers at all."""
        try:
            with self._asking("list routers"):
                return tuple(
                    values.router(each, list(self._api.network.ports(device_id=each.id)))
                    for each in self._api.network.routers()
                )
        except NotFound:
            return ()

    def create_router(self, name: str, description: str, external_network: str) -> Router:
        """A router whose gateway is on the network of that id."""
        with self._asking(f"create router {name}"):
            made = self._api.network.create_router(
                name=name, description=description, external_gateway_info={"network_id": external_network}
            )
        return values.router(made, [])

    def route(self, router_id: str, subnet_id: str) -> None:
        """Let the router serve the subnet."""
        with self._asking(f"connect subnet {subnet_id} to router {router_id}"):
            self._api.network.add_interface_to_router(router_id, subnet_id=subnet_id)

    def delete_router(self, router: Router) -> None:
        """With its interfaces; also right when it is gone already."""
        with self._asking(f"delete router {router.name}"), contextlib.suppress(NotFound):
            for subnet_id in router.subnet_ids:
                self._api.network.remove_interface_from_router(router.id, subnet_id=subnet_id)
            self._api.network.delete_router(router.id, ignore_missing=True)

    def floating_addresses(self) -> tuple[FloatingAddress, ...]:
        """The project's public addresses; none where the cloud has none to give."""
        try:
            with self._asking("list floating addresses"):
                return tuple(values.floating(each) for each in self._api.network.ips())
        except NotFound:
            return ()

    def create_floating_address(self, external_network: str, port_id: str, description: str) -> FloatingAddress:
        """A public address that leads to the port."""
        with self._asking(f"create floating address for port {port_id}"):
            made = self._api.network.create_ip(
                floating_network_id=external_network, port_id=port_id, description=description
            )
        return values.floating(made)

    def point_floating_address(self, uuid: str, port_id: str) -> None:
        """Let it lead to another port."""
        with self._asking(f"update floating address {uuid}"):
            self._api.network.update_ip(uuid, port_id=port_id)

    def delete_floating_address(self, uuid: str) -> None:
        """Also right when it is gone already."""
        self._delete("ip", uuid)

    # -- helpers

    def _act(self, verb: str, uuid: str, *args: str) -> None:
        with self._asking(f"{verb.replace('_', ' ')} {uuid}"):
            getattr(self._api.compute, verb)(uuid, *args)

    def _delete(self, kind: str, uuid: str) -> None:
        with self._asking(f"delete {kind.replace('_', ' ')} {uuid}"):
            getattr(self._api.network, f"delete_{kind}")(uuid, ignore_missing=True)

    @contextlib.contextmanager
    def _asking(self, what: str) -> Generator[None]:
        from keystoneauth1.exceptions import ClientException
        from openstack import exceptions

        try:
            yield
        except exceptions.NotFoundException as error:
            raise NotFound(f"cloud {self.name}: {what}: {_said(error)}") from error
        except (exceptions.SDKException, ClientException) as error:
            raise RemoteError(
                f"cloud {self.name}: {what}: {_said(error)}", hint=f"openstack --os-cloud {self.name} server list"
            ) from error


def _said(error: Exception) -> str:
    return str(getattr(error, "details", None) or error).strip() or type(error).__name__


def _block_devices(spec: ServerSpec) -> dict[str, Any]:
    """The image on the root disk and, of the flavor's ephemeral space, disks as large as asked for, in this order."""
    if not spec.disks:
        return {}
    local = {"destination_type": "local", "delete_on_termination": True}
    root = local | {"boot_index": 0, "source_type": "image", "uuid": spec.image_id}
    blank = local | {"boot_index": -1, "source_type": "blank", "guest_format": "ext4"}
    return {"block_device_mapping": [root, *(blank | {"volume_size": gib} for gib in spec.disks)]}
