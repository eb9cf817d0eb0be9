"""Asks, once for each plan, what opens the ways back and whether it is enough; the guards judge the answers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from chaosjc.drivers.openstack_access import CloudAccess
from chaosjc.engine.undo_path import Access
from chaosjc.errors import ChaosJCError
from chaosjc.faults.fault import Way
from chaosjc.faults.registry import FAULTS
from chaosjc.faults.world import World
from chaosjc.journal.events import StepPlan
from chaosjc.site import credentials
from chaosjc.site.credentials import Credential

ACTION = ("POST", "/servers/{}/action")
REQUESTS = {"cloud": (ACTION,), "deploy": (("DELETE", "/servers/{}"), ("POST", "/servers"))}
"""What inject and undo of a server's fault ask of Nova: to act on it both times; or to delete it, and make another."""
MEMBER = "lb.member"


def look(world: World, steps: Sequence[StepPlan]) -> Access:
    """Only of what the steps go through: nothing is asked without a site. Raises nothing.

    That root can be had on a VM is proved by the watchdog, with each fault's `prepare`, before the first intent.
    """
    ways = [(step, fault.way) for step in steps if (fault := FAULTS.get(step.fault)) and fault.way]
    ways = [(step, way) for step, way in ways if way.channel != "host" or step.options.get("host")]  # else it is here
    if not world.has_site or not ways:
        return Access()
    cloud, silent = _cloud(world, ways)
    lacking = (*silent, *_lacking_in_cloud(cloud, ways), *_lacking_in_cluster(world, ways))
    return Access(tuple(_credentials(world, cloud, ways)), lacking)


def _cloud(world: World, ways: Sequence[tuple[StepPlan, Way]]) -> tuple[CloudAccess | None, tuple[str, ...]]:
    """What Keystone says, should a way lead through the cloud; or that nobody can say, and no undo be relied on."""
    if not any(way.channel in REQUESTS for _, way in ways):
        return None, ()
    try:
        return world.cloud.access(), ()
    except ChaosJCError as error:
        return None, (f"whether the user of clouds.yaml may do it, nobody can say: {error.message}",)


def _credentials(world: World, cloud: CloudAccess | None, ways: Sequence[tuple[StepPlan, Way]]) -> Iterator[Credential]:
    with contextlib.suppress(ChaosJCError):
        _ = world.ssh  # of an adopted site, its configuration is written with it
        yield from credentials.ssh(world.site, world.state, _hosts(ways))
    if cloud:
        yield from credentials.cloud(cloud)
    if world.site.kubernetes and any(way.channel in ("cluster", "deploy") or way.rights(step) for step, way in ways):
        adopted = world.site.adopted
        yield from credentials.kubernetes(Path(adopted.kubeconfig) if adopted else world.state.kubeconfig)


def _hosts(ways: Iterable[tuple[StepPlan, Way]]) -> set[str]:
    """The VMs that SSH has to reach."""
    return {
        str(step.options.get("host") or step.target.name)
        for step, _ in ways
        if step.options.get("host") or step.target.kind == "vm"
    }


def _lacking_in_cloud(cloud: CloudAccess | None, ways: Sequence[tuple[StepPlan, Way]]) -> tuple[str, ...]:
    """What surely may not be done with a server; of a balancer nobody has said what its requests are."""
    servers = [(step, REQUESTS[way.channel]) for step, way in ways if way.channel in REQUESTS and step.fault != MEMBER]
    requests = {(method, path.format(step.target.id)) for step, asked in servers for method, path in asked}
    if not (cloud and requests):
        return ()
    return tuple(f"{cloud.name} of clouds.yaml cannot do it: {why}" for why in cloud.lacks(sorted(requests)))


def _lacking_in_cluster(world: World, ways: Sequence[tuple[StepPlan, Way]]) -> tuple[str, ...]:
    """What may not be done, or what nobody can say."""
    rights = dict.fromkeys(right for step, way in ways for right in way.rights(step))
    try:
        return tuple(f"the kubeconfig's user may not {each}" for each in rights if not world.kubernetes.may(each))
    except ChaosJCError as error:
        return (f"whether the kubeconfig's user may do it, nobody can say: {error.message}",)
