"""What a topology is asked for by name is looked up; the answers are those of a search from the beginning."""

from __future__ import annotations

from chaosjc.site.cluster import ClusterView, Node, Pod
from chaosjc.site.topology import Brick, Front, FrontMember, ReplicaSet, Topology, Vm, Volume


def vm(name: str, uuid: str) -> Vm:
    return Vm(name, uuid, "worker", "", True, False, "ACTIVE")


def member(vm: str, id: str) -> FrontMember:
    return FrontMember(vm, id, "lb", "pool", "", 80, True, "ONLINE", True)


def test_of_two_vms_of_one_name_the_first() -> None:
    found = Topology((vm("a", "1"), vm("b", "2"), vm("a", "3"))).named("a")
    assert found is not None
    assert found.uuid == "1"
    assert Topology(()).named("a") is None


def test_of_two_nodes_or_members_that_are_one_vm_the_first() -> None:
    node = ClusterView((Node("n1", "1", "a"), Node("n2", "2", "a"))).node_of("a")
    assert node is not None
    assert node.uid == "1"
    front = Front(members=(member("a", "1"), member("a", "2"))).member("a")
    assert front is not None
    assert front.id == "1"
    assert (ClusterView().node_of("a"), Front().member("a")) == (None, None)


def test_bricks_of_a_vm_come_volume_by_volume() -> None:
    volumes = tuple(
        Volume(name, (ReplicaSet(f"{name}/0", tuple(Brick(name, vm, f"/{name}") for vm in ("a", "b")), 1),))
        for name in ("homes", "scratch")
    )
    around = Topology((vm("a", "1"), vm("b", "2")), volumes)
    assert [brick.volume for brick in around.bricks_on("a")] == ["homes", "scratch"]
    assert around.bricks_on("c") == Topology((), None).bricks_on("a") == ()


def test_pods_by_their_vm_and_by_their_uid() -> None:
    pods = tuple(Pod("jhub", f"p{n}", f"uid{n}", "hub", vm="a" if n % 2 else "b") for n in range(4))
    view = ClusterView(pods=pods)
    assert [pod.name for pod in view.pods_on("a")] == ["p1", "p3"]
    assert (view.pods_on("c"), view.pod("uid2"), view.pod("uid9")) == ((), pods[2], None)
