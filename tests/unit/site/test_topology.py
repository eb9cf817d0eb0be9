from __future__ import annotations

from chaosjc.drivers.openstack_values import Server
from chaosjc.site import discover
from chaosjc.site.topology import Vm
from tests.unit.site.fakes import FakeCloud, lab_site

MARK = {"chaosjc:site": "lab", "chaosjc:role": "worker"}


def test_only_servers_with_the_site_mark_belong_to_it() -> None:
    cloud = FakeCloud()
    cloud.server_table = {
        "2": Server("2", "worker-002", "PAUSED", addresses=("10.66.0.8",), metadata=MARK),
        "1": Server("1", "worker-001", "ACTIVE", addresses=("10.66.0.7",), metadata=MARK),
        "x": Server("x", "worker-001", "ACTIVE", metadata={"chaosjc:site": "other"}),
    }
    topology = discover.topology(lab_site(), cloud)
    assert topology.names == ("worker-001", "worker-002")
    assert topology.named("worker-002") == Vm("worker-002", "2", "worker", "10.66.0.8", True, False, "PAUSED")
    assert topology.by_uuid("x") is None
    assert topology.others({"worker-001"}) == topology.of_role("worker")[1:]
