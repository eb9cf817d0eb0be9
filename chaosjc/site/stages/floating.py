"""The floating addresses by which parts of a site are reached from outside: planned and applied alike for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chaosjc.drivers.openstack import Cloud
from chaosjc.drivers.openstack_values import FloatingAddress
from chaosjc.site.change import Change

KIND = "floating address"


def plan(
    stage: str, name: str, external: str, port_id: str, found: Sequence[FloatingAddress], vm: str = ""
) -> Iterator[Change]:
    """One of the network `external`, empty where the file wants none; `port_id` is empty while there is no port."""
    if not external:
        for each in found:
            yield Change(stage, KIND, each.address, "delete")
    elif not found:
        yield Change(stage, KIND, name, "create", after=f"from {external}", vm=vm)
    elif not port_id or found[0].port_id != port_id:
        yield Change(stage, KIND, found[0].address, "update", after=f"to {name}", vm=vm)


def apply(cloud: Cloud, change: Change, found: Sequence[FloatingAddress], port_id: str) -> None:
    """Let those that are there lead to the port, or be gone; a new one is the caller's to make."""
    for each in found:
        if change.action == "update":
            cloud.point_floating_address(each.id, port_id)
        elif change.action == "delete":
            cloud.delete_floating_address(each.id)
