"""A topology as a tree, for `chaosjc site discover`, with the cluster."""

from __future__ import annotations

from dataclasses import replace

from rich.text import Text
from rich.tree import Tree

from chaosjc.errors import ChaosJCError
from chaosjc.site import discover, endpoints
from chaosjc.site.cluster import ClusterView
from chaosjc.site.context import Context
from chaosjc.site.topology import Brick, Front, ReplicaSet, Topology, Vm, Volume


def with_cluster(found: Topology, context: Context) -> Topology:
    """The same with what runs on the site's cluster; `cluster` is None where it has one that does not answer."""
    if context.site.kubernetes is None:
        return found
    try:
        way = endpoints.way_to(context.site, found.vms)
        with endpoints.kubernetes(context.state, way=way) as cluster:
            return discover.with_cluster(found, context.site, lambda: cluster)
    except ChaosJCError:
        return replace(found, cluster=None)


def tree(site: str, found: Topology) -> Tree:
    """VM → bricks, then volume → replica sets → bricks, and mounts, then balancer → members."""
    root = Tree(Text(f"site {site}", "bold"))
    vms = root.add(f"{len(found.vms)} VMs")
    for vm in found.vms:
        branch = vms.add(_vm(vm))
        for brick in found.bricks_on(vm.name):
            branch.add(Text.assemble(f"brick {brick.path} of {brick.volume}  ", _online(brick)))
    if found.volumes is None:
        root.add(Text("volumes: no GlusterFS server of the site answers", "red"))
    for volume in found.volumes or ():
        _add_volume(root, volume)
    _add_front(root, found.front)
    if found.cluster is None:
        root.add(Text("cluster: its API server does not answer", "red"))
    elif found.cluster.nodes:
        _add_cluster(root, found.cluster)
    return root


def _add_cluster(root: Tree, cluster: ClusterView) -> None:
    branch = root.add(f"cluster: {len(cluster.nodes)} nodes, {len(cluster.pods)} pods, {len(cluster.users)} people")
    for node in cluster.nodes:
        where = node.vm or Text("no VM of the site", "yellow")
        state = Text("Ready", "green") if node.ready else Text("not Ready", "red")
        cordoned = "" if node.schedulable else "  cordoned"
        running = sum(pod.node == node.name for pod in cluster.pods)
        branch.add(Text.assemble(f"{node.name}  on ", where, "  ", state, f"{cordoned}  {running} pods"))


def _add_front(root: Tree, front: Front | None) -> None:
    if front is None:
        root.add(Text("balancer: Octavia does not answer", "red"))
    elif front.id:
        told = ("balancer ", (f"{front.address}:{front.port}", "bold"), "  ", _status(front.status, front.status))
        branch = root.add(Text.assemble(*told))
        for each in front.members:
            said = each.status if each.enabled else "disabled"
            at = f"{each.address}:{each.port}"
            branch.add(Text.assemble(f"member {each.vm}  {at}  ", _status(said, "ONLINE" if each.answers else "")))


def _status(told: str, status: str) -> Text:
    return Text(told, "green" if status == "ONLINE" else "red")


def _vm(vm: Vm) -> Text:
    breakable = "protected" if vm.protected else "may be broken" if vm.opted_in else ""
    told = (vm.name, f"  {vm.role}  {vm.address}  ", (vm.status, "" if vm.status == "ACTIVE" else "red"))
    return Text.assemble(*told, f"  {breakable}" if breakable else "")


def _add_volume(root: Tree, volume: Volume) -> None:
    kind = "  sacrificial" if volume.sacrificial else ""
    branch = root.add(Text.assemble("volume ", (volume.name, "bold"), kind))
    for each in volume.sets:
        bricks = branch.add(f"replica set {each.name}, {_rule(each)}")
        for brick in each.bricks:
            arbiter = "  arbiter" if brick.arbiter else ""
            bricks.add(Text.assemble(f"{brick.id}{arbiter}  ", _online(brick)))
    branch.add(f"mounted by {', '.join(volume.mounts) or 'nobody'}")
    for reason in volume.backlog:
        branch.add(Text(reason, "yellow"))
    if not volume.backlog:
        branch.add(Text("healed, every client connected to every brick", "green"))


def _rule(each: ReplicaSet) -> str:
    tie = ", of just these the first must be one" if each.first_decides else ""
    return f"{each.needed} of {len(each.bricks)} needed to write{tie}"


def _online(brick: Brick) -> Text:
    if brick.online is None:
        return Text("not known to be online", "yellow")
    return Text("online", "green") if brick.online else Text("offline", "red")
