"""What `site verify` says of a site that others deployed."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from chaosjc.drivers.openstack import Cloud
from chaosjc.errors import UsageError
from chaosjc.site import adoption, context, discover
from chaosjc.site.cluster import ClusterView, Node
from chaosjc.site.sections import Kubernetes
from chaosjc.site.topology import Brick, ReplicaSet, Topology, Volume
from tests.unit.site.adopted_site import SERVERS, adopted_site
from tests.unit.site.fakes import FakeCloud

ROLES = {"worker": "k8s-node-a", "gpu": "k8s-node-b", "brick": ["gluster01*", "gluster02*"], "archive": "gluster03*"}
SITE = adopted_site(adopted={"servers": ROLES})


def cloud() -> FakeCloud:
    made = FakeCloud()
    made.server_table = {each.id: each for each in SERVERS}
    return made


def found() -> Topology:
    return discover.topology(SITE, cloud())


def test_a_vm_that_is_not_there_is_not_verified(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("")
    site = adopted_site(adopted={"ssh_config": str(config)})
    asked = ["k8s-node-a", "typo"]
    opened = context.open_site(site, state=str(tmp_path / "state"), only=asked, cloud=cast("Cloud", cloud()))
    with pytest.raises(UsageError, match="no VM typo") as caught:
        adoption.verify(opened)
    assert "k8s-node-b" in caught.value.hint


@pytest.mark.parametrize(
    ("vms", "why"),
    [
        (("gluster01.storage", "gluster02.storage"), ""),
        (("gluster01.storage", "gluster03.storage"), "on gluster03.storage, not of `storage.role` brick: counted as d"),
        (("gluster01.storage", ""), "on no VM of the site: /bricks/homes"),
    ],
)
def test_bricks_that_nobody_is_asked_of_are_told(vms: tuple[str, ...], why: str) -> None:
    bricks = tuple(Brick("homes", vm, "/bricks/homes") for vm in vms)
    said = adoption.misplaced(Volume("homes", (ReplicaSet("homes/0", bricks, 2),)), found(), SITE)
    assert said.startswith(why) and bool(said) is bool(why)


def test_nodes_are_those_of_the_roles_that_the_file_names() -> None:
    view = ClusterView(nodes=tuple(Node(vm, "u", vm, True, True) for vm in ("k8s-node-a", "k8s-node-b")))
    results = list(adoption.nodes(found().vms, view, Kubernetes(control_plane="worker", workers=("worker", "brick"))))
    assert {each.vm: each.why for each in results} == {
        "k8s-node-a": "",
        "k8s-node-b": "it is one, and `kubernetes` does not name its role",
        "gluster01.storage": "it is no node of the cluster",
        "gluster02.storage": "it is no node of the cluster",
    }
    assert [each.vm for each in results if each.held] == ["k8s-node-a"]
