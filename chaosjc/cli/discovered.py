"""A topology as a tree, for `chaosjc site discover`."""

from __future__ import annotations

from rich.text import Text
from rich.tree import Tree

from chaosjc.site.topology import Brick, ReplicaSet, Topology, Vm, Volume


def tree(site: str, found: Topology) -> Tree:
    """VM → bricks, then volume → replica sets → bricks, and mounts."""
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
    return root


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
