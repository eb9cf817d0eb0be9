"""How a site was found beside how its file says that it ought to be: what a report tells of configuration. Pure.

Only what a look at the site asked for anyway is told of, part by part. What the file says nothing about is no fact, but
for the options of a volume that chaosjc deploys: those that somebody set by hand are named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from chaosjc.journal.events import Fact
from chaosjc.site import sections
from chaosjc.site.cluster import NOT_LOOKED_AT, ClusterView
from chaosjc.site.model import SiteFile
from chaosjc.site.stages.volumes_plan import AUTOMATIC, as_option, brick_ids, wanted_options
from chaosjc.site.topology import NO_FRONT, Front, Topology, Vm, Volume

NAMED = 5
"""Of many that are not as they ought to be, so many are named."""
HUB = "hub"
"""The component that zero-to-jupyterhub runs once."""


def facts(site: SiteFile, found: Topology) -> tuple[Fact, ...]:
    """VMs, and volumes, nodes, hub and balancer as far as they were looked at."""
    return (
        *_vms(site, found.vms),
        *(_storage(site, found.volumes) if found.volumes != () else ()),
        *(_cluster(site, found) if found.cluster != NOT_LOOKED_AT else ()),
        *(_front(site, found.front, found.vms) if found.front != NO_FRONT else ()),
    )


def _vms(site: SiteFile, vms: Sequence[Vm]) -> Iterator[Fact]:
    """Role by role. Of a site that others deployed, nobody knows which ought to be there besides."""
    planned: dict[str, list[str]] = {role: [] for role in site.role_names}
    for role, name in _planned(site, vms):
        planned.setdefault(role, []).append(name)
    for role, names in planned.items():
        there = {vm.name: vm.status for vm in vms if vm.role == role}
        wrong = {name: f"is {there.get(name, 'gone')}" for name in names if there.get(name) != "ACTIVE"}
        more = {name: "is not in the file" for name in there if name not in names}
        yield _tally(f"VMs of role {role}", names, "ACTIVE", wrong, more)


def _planned(site: SiteFile, vms: Iterable[Vm]) -> Iterator[tuple[str, str]]:
    """Role and name of each VM that ought to be there."""
    return ((each.role, each.name) for each in (vms if site.adopted else site.machines))


def _storage(site: SiteFile, found: Sequence[Volume] | None) -> Iterator[Fact]:
    there = {each.name: each for each in found or ()}
    for name, wanted in (site.storage.volumes if site.storage else {}).items():
        volume = there.get(name)
        if volume is None:
            yield Fact(name=f"volume {name}", expected="there", observed="" if found is None else "missing")
            continue
        if not site.adopted:
            yield Fact(name=f"volume {name}: layout", expected=_planned_layout(site, name), observed=_layout(volume))
        offline = {
            each.id: "is not known to be online" if each.online is None else "is offline"
            for each in volume.bricks
            if not each.online
        }
        yield _tally(f"volume {name}: bricks", [each.id for each in volume.bricks], "online", offline)
        yield from () if site.adopted else _options(name, wanted, volume.options)


def _planned_layout(site: SiteFile, name: str) -> str:
    assert site.storage is not None  # noqa: S101 - it has the volume
    volume, ids = site.storage.volumes[name], brick_ids(site, name)
    sets = [ids[at : at + volume.replica] for at in range(0, len(ids), volume.replica)]
    return _sets([[(id, bool(volume.arbiter) and id == each[-1]) for id in each] for each in sets])


def _layout(volume: Volume) -> str:
    return _sets([[(brick.id, brick.arbiter) for brick in each.bricks] for each in volume.sets])


def _sets(sets: Iterable[Iterable[tuple[str, bool]]]) -> str:
    """`brick-001:/data/homes, brick-002:/data/homes (arbiter) + …`: files are distributed over what is added."""
    return " + ".join(", ".join(f"{id} (arbiter)" if arbiter else id for id, arbiter in each) for each in sets)


def _options(name: str, wanted: sections.Volume, options: Mapping[str, str]) -> Iterator[Fact]:
    expected = wanted_options(wanted)
    there = {option: as_option(value) for option, value in options.items() if option not in AUTOMATIC - expected.keys()}
    for option in sorted(expected.keys() | there.keys()):
        values = (each.get(option, "not set") for each in (expected, there))
        yield Fact(name=f"volume {name}: {option}", expected=next(values), observed=next(values))


def _cluster(site: SiteFile, found: Topology) -> Iterator[Fact]:
    if site.kubernetes is None:
        return
    for role in dict.fromkeys((site.kubernetes.control_plane, *site.kubernetes.workers)):
        names = [name for of, name in _planned(site, found.vms) if of == role]
        name = f"nodes of role {role}"
        if found.cluster is None:
            yield Fact(name=name, expected=f"{len(names)} Ready")
            continue
        states = {name: _node(found.cluster, name) for name in names}
        yield _tally(name, names, "Ready", {name: state for name, state in states.items() if state})
    if site.hub:
        yield _hub(site.hub, found.cluster)


def _node(cluster: ClusterView, vm: str) -> str:
    """What is wrong with the node that a VM is."""
    node = cluster.node_of(vm)
    if node is None:
        return "is no node"
    return "" if node.ready and node.schedulable else "is cordoned" if node.ready else "is not Ready"


def _hub(hub: sections.Hub, cluster: ClusterView | None) -> Fact:
    about, expected = f"hub in {hub.namespace}: pods", "1 of 1 ready"
    if cluster is None:
        return Fact(name=about, expected=expected)
    there = [each for each in cluster.workloads if each.namespace == hub.namespace and each.component == HUB]
    observed = ", ".join(f"{each.ready} of {each.replicas} ready" for each in there) or "there is none"
    return Fact(name=about, expected=expected, observed=observed)


def _front(site: SiteFile, front: Front | None, vms: Iterable[Vm]) -> Iterator[Fact]:
    workers = site.kubernetes.workers if site.kubernetes else ()
    names = [name for role, name in _planned(site, vms) if role in workers]
    if front is None:
        yield Fact(name="balancer: members", expected=f"{len(names)} answering")
        return
    members = {name: front.member(name) for name in names}
    wrong = {
        name: f"is {member.status}" if member else "is no member"
        for name, member in members.items()
        if member is None or not member.answers
    }
    yield _tally("balancer: members", names, "answering", wrong)


def _tally(
    name: str, wanted: Collection[str], well: str, wrong: Mapping[str, str], more: Mapping[str, str] | None = None
) -> Fact:
    """`4 ACTIVE`, or `3 ACTIVE; brick-002 is SHUTOFF`."""
    told = [f"{each} {why}" for each, why in (*wrong.items(), *(more or {}).items())]
    rest = [f"{len(told) - NAMED} more are not"] if len(told) > NAMED else []
    observed = "; ".join([f"{len(wanted) - len(wrong)} {well}", *told[:NAMED], *rest])
    return Fact(name=name, expected=f"{len(wanted)} {well}", observed=observed)
