"""The cloud, the pool of GlusterFS servers, and the Kubernetes cluster → topology."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from chaosjc.checks import gluster
from chaosjc.checks.gluster import Health
from chaosjc.drivers.gluster import Gluster
from chaosjc.drivers.gluster_values import BrickInfo, VolumeInfo
from chaosjc.drivers.kubernetes import Cluster
from chaosjc.drivers.openstack import Cloud
from chaosjc.drivers.openstack_values import Port, Server
from chaosjc.drivers.ssh import Ssh
from chaosjc.errors import ChaosJCError, RemoteError
from chaosjc.site import cluster_view
from chaosjc.site.model import SiteFile
from chaosjc.site.topology import Brick, ReplicaSet, Topology, Vm, Volume

SITE, ROLE, DIGEST = "chaosjc:site", "chaosjc:role", "chaosjc:digest"
"""Metadata of a server: whose it is, what it is for, and of which user data it was made."""


def topology(site: SiteFile, cloud: Cloud) -> Topology:
    """Every server that carries the site's mark, also such as the file no longer names. One request."""
    return from_servers(site, cloud.find_servers({SITE: site.name}))


def from_servers(site: SiteFile, servers: tuple[Server, ...]) -> Topology:
    """Pure."""
    return Topology(tuple(sorted((_vm(site, each) for each in servers), key=lambda vm: (vm.name, vm.uuid))))


LOOK = 10.0  # seconds that the pool gets for each question, where a brick may hang


def pool(site: SiteFile, ssh: Ssh) -> Gluster | None:
    """The site's GlusterFS servers, by their VMs' names; None where it has no storage."""
    if site.storage is None:
        return None
    return Gluster.over(ssh, [each.name for each in site.machines if each.role == site.storage.role])


def with_volumes(found: Topology, site: SiteFile, servers: Gluster) -> Topology:
    """The same with every volume that the servers have, named by the site file or not, by its real layout.

    `volumes` is None where none of them answers. Asks all of them at once; raises nothing.
    """
    asked = servers.asking(timeout=LOOK)
    try:
        layouts = sorted(asked.volumes(), key=lambda each: each.name)
    except RemoteError:
        return replace(found, volumes=None)

    def health(each: VolumeInfo) -> Health:
        return gluster.health(asked, each, mounting(site, each.name, found))

    with ThreadPoolExecutor(len(layouts) + 1) as threads:
        own = threads.submit(gluster.own, asked, layouts)
        healths = list(threads.map(health, layouts))
    look = _Look(site, found, {id: each.online for id, each in own.result()[0].items()})
    return replace(found, volumes=tuple(map(look.volume, layouts, healths)))


def with_cluster(found: Topology, site: SiteFile, connect: Callable[[], Cluster]) -> Topology:
    """The same with what runs on its cluster; `cluster` is None where no API server answers. Raises nothing."""
    if site.kubernetes is None:
        return found
    try:
        asked = connect().asking(timeout=LOOK)
        return replace(found, cluster=cluster_view.look(site, asked, found.vms))
    except ChaosJCError:
        return replace(found, cluster=None)


def mounting(site: SiteFile, volume: str, found: Topology) -> dict[str, str]:
    """The VMs that ought to mount a volume, and their addresses; one that is not there has none."""
    addresses = {vm.name: vm.address for vm in found.vms}
    return {name: addresses.get(name, "") for name in clients(site, volume)}


def clients(site: SiteFile, volume: str) -> tuple[str, ...]:
    """The VMs that mount a volume by the site file; of one that it does not name, none."""
    if site.storage is None or volume not in site.storage.volumes:
        return ()
    return tuple(each.name for each in site.machines if each.role in site.storage.clients)


@dataclass(frozen=True)
class _Look:
    """What a volume's place in the topology depends on; `online` by brick, of those that told."""

    site: SiteFile
    found: Topology
    online: Mapping[str, bool]

    def volume(self, layout: VolumeInfo, health: Health) -> Volume:
        rule = gluster.quorum(layout)
        sets = tuple(
            ReplicaSet(
                f"{layout.name}/{n}", tuple(self._brick(layout, b) for b in bricks), rule.needed, rule.first_decides
            )
            for n, bricks in enumerate(layout.replica_sets)
        )
        named = self.site.storage.volumes.get(layout.name) if self.site.storage else None
        mounts = {
            *clients(self.site, layout.name),
            *self._connected(health, {b.vm for each in sets for b in each.bricks}),
        }
        return Volume(layout.name, sets, tuple(sorted(mounts)), named is not None and named.sacrificial, health.reasons)

    def _brick(self, layout: VolumeInfo, brick: BrickInfo) -> Brick:
        there = next((vm.name for vm in self.found.vms if brick.host in (vm.name, vm.address)), "")
        gone = brick.host if any(each.name == brick.host for each in self.site.machines) else ""
        return Brick(layout.name, there or gone, brick.path, brick.arbiter, self.online.get(brick.id))

    def _connected(self, health: Health, carrying: Collection[str]) -> set[str]:
        """VMs by address; those that carry bricks are connected in any case, by their self-heal daemons."""
        return {vm.name for vm in self.found.vms if vm.address in health.clients and vm.name not in carrying}


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
