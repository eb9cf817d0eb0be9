"""Whether a site that others deployed has what experiments need: its servers, the ways to them, and what runs there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from chaosjc.checks.vm import Ways, vm_state
from chaosjc.drivers.prometheus import Prometheus
from chaosjc.errors import ChaosJCError, UsageError
from chaosjc.site import discover, endpoints
from chaosjc.site.cluster import ClusterView, Node
from chaosjc.site.context import Context, in_parallel
from chaosjc.site.model import SiteFile
from chaosjc.site.sections import Kubernetes
from chaosjc.site.topology import Topology, Vm, Volume
from chaosjc.site.verify import Result

LOOK = 30.0  # seconds for one VM


def verify(context: Context) -> tuple[Result, ...]:
    """One result for each thing that experiments need.

    UsageError where the site file does not fit the servers, or `only` names one that is not there.
    """
    found = discover.topology(context.site, context.cloud)
    if unknown := sorted((context.only or frozenset[str]()) - set(found.names)):
        raise UsageError(f"the site has no VM {', '.join(unknown)}", hint=f"it has: {', '.join(found.names)}")
    vms = [vm for vm in found.vms if context.only is None or vm.name in context.only]
    results = [each for of_vm in in_parallel(lambda vm: _vm(context, vm), vms) for each in of_vm]
    if context.only is None:
        results += [*_prometheus(context), *_volumes(context, found), *_cluster(context, found)]
    return tuple(results)


def _vm(context: Context, vm: Vm) -> list[Result]:
    """It runs, one can log in, and be root there: what faults ask of it."""
    ways = Ways(context.cloud, context.ssh, context.site.bastion, exporter=False)
    outcome, why = vm_state(vm.uuid, vm.name, ways, timeout=LOOK)
    running = Result(vm.role, vm.name, "runs, and SSH answers", held=outcome == "whole", why=why)
    return (
        [running, _asked(vm.role, vm.name, "root by sudo", lambda: _no_root(context, vm))]
        if running.held
        else [running]
    )


def _no_root(context: Context, vm: Vm) -> str:
    done = context.ssh.run(vm.name, ["sudo", "-n", "true"], timeout=LOOK, check=False)
    return done.stderr.strip() or f"exit code {done.returncode}" if done.returncode else ""


def _prometheus(context: Context) -> list[Result]:
    at = context.site.adopted.prometheus if context.site.adopted else None

    def silent() -> str:
        with (
            endpoints.prometheus(context.state, at=at) as url,
            contextlib.closing(Prometheus.connect(url)) as client,
        ):
            return "" if client.ready() else "it is not ready"

    return [_asked("-", "-", f"Prometheus at {at}", silent)] if at else []


def _volumes(context: Context, found: Topology) -> list[Result]:
    """Each volume that is there, with the reasons why it must not be broken, and each that the file names."""
    servers = discover.pool(context.site, context.ssh, found.vms)
    if servers is None:
        return []
    volumes = discover.with_volumes(found, context.site, servers).volumes
    named = context.site.storage.volumes if context.site.storage else ()
    if volumes is None:
        return [Result("-", "-", "GlusterFS", held=False, why="no server of the pool answers")]
    there = {each.name for each in volumes}
    elsewhere = {each.name: misplaced(each, found, context.site) for each in volumes}
    return [
        *(
            Result("-", "-", f"volume {each.name}", held=not each.backlog, why="; ".join(each.backlog))
            for each in volumes
        ),
        *(Result("-", "-", f"bricks of {name}", held=not why, why=why) for name, why in elsewhere.items()),
        *(Result("-", "-", f"volume {name}", held=False, why="missing") for name in named if name not in there),
    ]


def misplaced(volume: Volume, found: Topology, site: SiteFile) -> str:
    """Pure: bricks that nobody can be asked of, and count as down: on no VM of the site, or on one of another role."""
    role = site.storage.role if site.storage else ""
    nowhere = [brick.path for brick in volume.bricks if not brick.vm]
    others = sorted({brick.vm for brick in volume.bricks} & {vm.name for vm in found.vms if vm.role != role})
    told = [f"on no VM of the site: {', '.join(nowhere)}"] if nowhere else []
    told += [f"on {', '.join(others)}, not of `storage.role` {role}: counted as down"] if others else []
    return "; ".join(told)


def _cluster(context: Context, found: Topology) -> Iterable[Result]:
    """The API server answers, and the VMs that the file calls nodes are those that are, and Ready."""
    cluster = context.site.kubernetes
    if cluster is None:
        return
    try:
        way = endpoints.way_to(context.site, found.vms)
        with endpoints.kubernetes(context.state, way=way) as client:
            view = discover.with_cluster(found, context.site, lambda: client).cluster
    except ChaosJCError as error:
        yield Result("-", "-", "Kubernetes", held=False, why=error.message)
        return
    if view is None:
        yield Result("-", "-", "Kubernetes", held=False, why="the API server does not answer")
        return
    yield Result("-", "-", "Kubernetes", held=True)
    yield from nodes(found.vms, view, cluster)


def nodes(vms: Iterable[Vm], view: ClusterView, cluster: Kubernetes) -> Iterable[Result]:
    """Pure: for each VM that is a node of the cluster, or ought to be by its role, whether it is both, and Ready."""
    for vm in vms:
        named, node = vm.role in (cluster.control_plane, *cluster.workers), view.node_of(vm.name)
        if named or node:
            why = _wrong_with(node) if named else "it is one, and `kubernetes` does not name its role"
            yield Result(vm.role, vm.name, "node", held=not why, why=why)


def _wrong_with(node: Node | None) -> str:
    return "it is no node of the cluster" if node is None else "" if node.ready else "not Ready"


def _asked(role: str, vm: str, what: str, question: Callable[[], str]) -> Result:
    """A question whose answer is what is wrong; one that fails is wrong, too."""
    try:
        why = question()
    except ChaosJCError as error:
        why = error.message
    return Result(role, vm, what, held=not why, why=why)
