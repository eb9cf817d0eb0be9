"""The cloud, the pool of GlusterFS servers, the Kubernetes cluster and the balancer before it → topology."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from chaosjc.checks import gluster
from chaosjc.checks.gluster import Health
from chaosjc.drivers.balancer import Balancers
from chaosjc.drivers.balancer_values import Member
from chaosjc.drivers.gluster import Gluster
from chaosjc.drivers.gluster_values import BrickInfo, VolumeInfo
from chaosjc.drivers.kubernetes import Cluster
from chaosjc.drivers.openstack import Cloud
from chaosjc.drivers.openstack_values import Port, Server
from chaosjc.drivers.ssh import Ssh
from chaosjc.errors import ChaosJCError, RemoteError
from chaosjc.site import cluster_view
from chaosjc.site.adopted import check_servers
from chaosjc.site.model import SiteFile
from chaosjc.site.sections import FRONT, PODS, Lbaas
from chaosjc.site.topology import Brick, Front, FrontMember, ReplicaSet, Topology, Vm, Volume

SITE, ROLE, DIGEST = "chaosjc:site", "chaosjc:role", "chaosjc:digest"
"""Metadata of a server: whose it is, what it is for, and of which user data it was made."""


def topology(site: SiteFile, cloud: Cloud) -> Topology:
    """Every server that carries the site's mark, also such as the file no longer names. One request.

    Of an adopted site, every server that its file means; UsageError where the file does not fit what is there.
    """
    servers = _servers(site, cloud)
    if site.adopted:
        policy = (*site.policy.targets, *site.policy.protected)
        check_servers(site.adopted, servers, [name for name in policy if not PODS.fullmatch(name)])
    return from_servers(site, servers)


def present(site: SiteFile, cloud: Cloud) -> tuple[Vm, ...]:
    """The same VMs, whether or not the file of an adopted site fits all that is there: for who puts things back."""
    return from_servers(site, _servers(site, cloud)).vms


def _servers(site: SiteFile, cloud: Cloud) -> tuple[Server, ...]:
    """Those with the site's mark; of an adopted site, which bear none, all of the project."""
    return cloud.servers() if site.adopted else cloud.find_servers({SITE: site.name})


def from_servers(site: SiteFile, servers: tuple[Server, ...]) -> Topology:
    """Pure. Of an adopted site, without those that fit none of its roles."""
    found = [each for each in servers if site.adopted is None or site.adopted.roles_of(each)]
    vms = sorted((_vm(site, each) for each in found), key=lambda vm: (vm.name, vm.uuid))
    planes = [vm for vm in vms if site.kubernetes and vm.role == site.kubernetes.control_plane]
    return Topology(tuple(replace(vm, essential=_essential(site, vm, alone=planes == [vm])) for vm in vms))


def _essential(site: SiteFile, vm: Vm, *, alone: bool) -> str:
    """Why it is never drawn; `alone` tells of the one control plane."""
    served = (
        urlsplit(site.controller).hostname or "",
        *(_host(each) for each in site.monitoring.also.get("controller", ())),
    )
    if any(host and vm.called(host) for host in served):
        return "the site's controller runs on it"
    return "it is the only control plane" if alone else ""


def _host(endpoint: str) -> str:
    """Of HOST:PORT."""
    return endpoint.rpartition(":")[0].strip("[]")


def members(site: SiteFile, roles: Collection[str], vms: Collection[Vm]) -> tuple[str, ...]:
    """The names of the VMs of these roles: those of the file, be they there or not, or of an adopted site's `vms`."""
    return tuple(each.name for each in (vms if site.adopted else site.machines) if each.role in roles)


LOOK = 10.0  # seconds that the pool gets for each question, where a brick may hang


def pool(site: SiteFile, ssh: Ssh, vms: Collection[Vm] = ()) -> Gluster | None:
    """The site's GlusterFS servers, by their VMs' names; None where it has no storage. `vms` as for `members`."""
    if site.storage is None:
        return None
    return Gluster.over(ssh, members(site, (site.storage.role,), vms))


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


def with_front(found: Topology, site: SiteFile, cloud: Cloud) -> Topology:
    """The same with the balancer before its hub; `front` is None where Octavia does not answer. Raises nothing."""
    if site.lbaas is None:
        return found
    try:
        return replace(found, front=_front(site.lbaas, cloud.balancers, mark(site), found))
    except RemoteError:
        return replace(found, front=None)


def _front(lbaas: Lbaas, octavia: Balancers, marked: str, found: Topology) -> Front:
    balancer = next(iter(octavia.marked(marked)), None)
    if balancer is None:
        return Front(sacrificial=lbaas.sacrificial)
    pool = octavia.pool_at(balancer.id, lbaas.listen)
    members = octavia.members(pool) if pool else ()

    def known(each: Member) -> FrontMember:
        """The VM by its address; by the member's name while there is none."""
        vm = next((vm.name for vm in found.vms if vm.address == each.address), each.name)
        ids = (each.id, balancer.id, pool)
        return FrontMember(vm, *ids, each.address, each.port, each.enabled, each.operating, each.answers)

    told = (balancer.id, balancer.address, lbaas.listen, balancer.operating)
    return Front(*told, tuple(map(known, members)), lbaas.sacrificial)


def mounting(site: SiteFile, volume: str, found: Topology) -> dict[str, tuple[str, ...]]:
    """The VMs that ought to mount a volume, and the addresses by any of which they may; one that is gone has none."""
    addresses = {vm.name: vm.addresses for vm in found.vms}
    return {name: addresses.get(name, ()) for name in clients(site, volume, found.vms)}


def clients(site: SiteFile, volume: str, vms: Collection[Vm]) -> tuple[str, ...]:
    """The VMs that mount a volume by the site file; of one that it does not name, none. `vms` as for `members`."""
    if site.storage is None or volume not in site.storage.volumes:
        return ()
    return members(site, site.storage.clients, vms)


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
            *clients(self.site, layout.name, self.found.vms),
            *self._connected(health, {b.vm for each in sets for b in each.bricks}),
        }
        sacrificial = named is not None and named.sacrificial
        return Volume(layout.name, sets, tuple(sorted(mounts)), sacrificial, health.reasons, layout.options)

    def _brick(self, layout: VolumeInfo, brick: BrickInfo) -> Brick:
        there = next((vm.name for vm in self.found.vms if vm.called(brick.host)), "")
        gone = brick.host if any(each.name == brick.host for each in self.site.machines) else ""
        return Brick(layout.name, there or gone, brick.path, brick.arbiter, self.online.get(brick.id))

    def _connected(self, health: Health, carrying: Collection[str]) -> set[str]:
        """VMs by address; those that carry bricks are connected in any case, by their self-heal daemons."""
        return {vm.name for vm in self.found.vms if health.clients & set(vm.addresses) and vm.name not in carrying}


def _vm(site: SiteFile, server: Server) -> Vm:
    role = site.adopted.roles_of(server)[0] if site.adopted else server.metadata.get(ROLE, "")
    return Vm(
        name=server.name,
        uuid=server.id,
        role=role,
        address=server.addresses[0] if server.addresses else "",
        opted_in=site.opted_in(server.name, role),
        protected=site.protected(server.name, role),
        status=server.status,
        also=server.addresses[1:],
    )


def mark(site: SiteFile) -> str:
    """The description of everything in the cloud, but servers, that the site owns."""
    return f"chaosjc site {site.name}"


def in_cloud(site: SiteFile, name: str) -> str:
    """The name in the cloud of a group or a VM's port: other sites may use the same project."""
    return f"{site.name}-{name}"


def addresses(site: SiteFile, ports: Iterable[Port]) -> dict[str, str]:
    """VM name → address, by the site's ports: a deleted VM's successor gets the same. The VIP is one of them."""
    found = {each.name: each.address for each in ports}
    named = {each.name: each.address for each in site.machines} | ({FRONT: site.lbaas.vip} if site.lbaas else {})
    wanted = {name: address or found.get(in_cloud(site, name), "") for name, address in named.items()}
    return {name: address for name, address in wanted.items() if address}


def vip(site: SiteFile, ports: Iterable[Port]) -> Port | None:
    """The port of the VIP, if there is one: it tells of a balancer also when the file names none any more.

    Where a VM has its name, the port is the VM's.
    """
    if any(each.name == FRONT for each in site.machines):
        return None
    return next((each for each in ports if each.name == in_cloud(site, FRONT) and each.description == mark(site)), None)


def ports(site: SiteFile, cloud: Cloud) -> tuple[Port, ...]:
    """All of the project's ports on the site's network; none while there is no network."""
    return tuple(port for network in cloud.networks(site.name) for port in cloud.ports(network.id))
