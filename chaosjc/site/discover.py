"""The cloud → topology."""

from __future__ import annotations

from collections.abc import Iterable

from chaosjc.drivers.openstack import Cloud
from chaosjc.drivers.openstack_values import Port, Server
from chaosjc.site.model import SiteFile
from chaosjc.site.topology import Topology, Vm

SITE, ROLE, DIGEST = "chaosjc:site", "chaosjc:role", "chaosjc:digest"
"""Metadata of a server: whose it is, what it is for, and of which user data it was made."""


def topology(site: SiteFile, cloud: Cloud) -> Topology:
    """Every server that carries the site's mark, also such as the file no longer names. One request."""
    return from_servers(site, cloud.find_servers({SITE: site.name}))


def from_servers(site: SiteFile, servers: tuple[Server, ...]) -> Topology:
    """Pure."""
    return Topology(tuple(sorted((_vm(site, each) for each in servers), key=lambda vm: (vm.name, vm.uuid))))


def _vm(site: SiteFile, server: Server) -> Vm:
    role = server.metadata.get(ROLE, "")
    return Vm(
        name=server.name,
        uuid=server.id,
        role=role,
        address=server.addresses[0] if server.addresses else "",
        opted_in=site.opted_in(server.name, role),
        protected=site.protected(server.name, role),
        status=server.status,
    )


def mark(site: SiteFile) -> str:
    """The description of everything in the cloud, but servers, that the site owns."""
    return f"chaosjc site {site.name}"


def in_cloud(site: SiteFile, name: str) -> str:
    """The name in the cloud of a group or a VM's port: other sites may use the same project."""
    return f"{site.name}-{name}"


def addresses(site: SiteFile, ports: Iterable[Port]) -> dict[str, str]:
    """VM name → address, by the site's ports: a deleted VM's successor gets the same."""
    found = {each.name: each.address for each in ports}
    wanted = {each.name: each.address or found.get(in_cloud(site, each.name), "") for each in site.machines}
    return {name: address for name, address in wanted.items() if address}


def ports(site: SiteFile, cloud: Cloud) -> tuple[Port, ...]:
    """All of the project's ports on the site's network; none while there is no network."""
    return tuple(port for network in cloud.networks(site.name) for port in cloud.ports(network.id))
