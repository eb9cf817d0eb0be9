"""How a site was found beside how its file says that it ought to be."""

from __future__ import annotations

import dataclasses

import pytest

from chaosjc.journal.events import Fact
from chaosjc.site.cluster import ClusterView, Node, Workload
from chaosjc.site.facts import NAMED, facts
from chaosjc.site.model import SiteFile
from chaosjc.site.sections import Hub, Kubernetes, Lbaas
from chaosjc.site.stages.volumes_plan import wanted_options
from chaosjc.site.topology import Brick, Front, FrontMember, ReplicaSet, Topology, Vm, Volume
from tests.unit.site.adopted_site import adopted_site
from tests.unit.site.fakes import lab_site

PING = "network.ping-timeout"
SITE = lab_site(kubernetes=Kubernetes(control_plane="monitor"), hub=Hub(port=30080), lbaas=Lbaas())


def volumes(site: SiteFile = SITE) -> tuple[Volume, ...]:
    """As the file lays them out."""
    assert site.storage
    found: list[Volume] = []
    for name, wanted in site.storage.volumes.items():
        path = site.brick_path(name)
        sets = tuple(
            ReplicaSet(f"{name}/{n}", tuple(Brick(name, vm, path, online=True) for vm in vms), 2)
            for n, vms in enumerate(site.replica_sets(name))
        )
        found.append(Volume(name, sets, options=wanted_options(wanted)))
    return tuple(found)


def whole() -> Topology:
    """All is as SITE says."""
    vms = tuple(Vm(each.name, each.name, each.role, "", True, False, "ACTIVE") for each in SITE.machines)
    nodes = tuple(Node(name, name, name) for name in (SITE.control_plane, *SITE.workers))
    hub = Workload("Deployment", "jhub", "hub", "u", "hub", 1, ready=1)
    members = tuple(FrontMember(name, name, "lb", "p", "", 80, True, "ONLINE", True) for name in SITE.workers)
    return Topology(vms, volumes(), ClusterView(nodes, (), (hub,)), Front("lb", members=members))


def differing(found: Topology, site: SiteFile = SITE) -> dict[str, tuple[str, str]]:
    return {each.name: (each.expected, each.observed) for each in facts(site, found) if each.expected != each.observed}


def changed(name: str, **more: object) -> Topology:
    """With this of a volume instead."""
    return dataclasses.replace(
        whole(), volumes=tuple(dataclasses.replace(v, **more) if v.name == name else v for v in volumes())
    )


def test_all_is_as_the_file_says() -> None:
    found = facts(SITE, whole())
    assert [each for each in found if each.expected != each.observed] == []
    assert Fact(name="VMs of role worker", expected="2 ACTIVE", observed="2 ACTIVE") in found
    assert Fact(name=f"volume homes: {PING}", expected="2", observed="2") in found
    assert Fact(name="nodes of role worker", expected="2 Ready", observed="2 Ready") in found
    assert Fact(name="balancer: members", expected="2 answering", observed="2 answering") in found


@pytest.mark.parametrize(
    ("set_", "told"),
    [
        ({PING: "42"}, {f"volume homes: {PING}": ("2", "42")}),
        ({PING: None}, {f"volume homes: {PING}": ("2", "not set")}),
        ({"auth.allow": "10.0.0.1"}, {"volume homes: auth.allow": ("not set", "10.0.0.1")}),
        ({"diagnostics.count-fop-hits": "enable"}, {}),
        ({"nfs.disable": "on"}, {}),
    ],
)
def test_one_option_that_was_altered(set_: dict[str, str | None], told: dict[str, tuple[str, str]]) -> None:
    homes = next(each for each in volumes() if each.name == "homes")
    options = {name: value for name, value in {**homes.options, **set_}.items() if value is not None}
    assert differing(changed("homes", options=options)) == told


def test_bricks_in_another_order_are_another_layout() -> None:
    homes = next(each for each in volumes() if each.name == "homes")
    turned = (dataclasses.replace(homes.sets[0], bricks=homes.sets[0].bricks[::-1]),)
    (expected, observed) = differing(changed("homes", sets=turned))["volume homes: layout"]
    assert (expected.split(", ")[0], observed.split(", ")[-1]) == ("brick-001:/data/homes",) * 2


def test_a_brick_that_is_offline_or_does_not_tell() -> None:
    homes = next(each for each in volumes() if each.name == "homes")
    first, second, third = homes.sets[0].bricks
    states = (dataclasses.replace(first, online=False), dataclasses.replace(second, online=None), third)
    found = differing(changed("homes", sets=(dataclasses.replace(homes.sets[0], bricks=states),)))
    told = "1 online; brick-001:/data/homes is offline; brick-002:/data/homes is not known to be online"
    assert found == {"volume homes: bricks": ("3 online", told)}


def test_vms_that_are_gone_stopped_or_too_many() -> None:
    there = [vm for vm in whole().vms if vm.name != "worker-001"]
    there = [dataclasses.replace(vm, status="SHUTOFF") if vm.name == "worker-002" else vm for vm in there]
    there.append(Vm("worker-009", "9", "worker", "", True, False, "ACTIVE"))
    found = differing(dataclasses.replace(whole(), vms=tuple(there)))
    told = "0 ACTIVE; worker-001 is gone; worker-002 is SHUTOFF; worker-009 is not in the file"
    assert found == {"VMs of role worker": ("2 ACTIVE", told)}


def test_of_many_some_are_named() -> None:
    more = tuple(Vm(f"worker-1{n:02}", f"{n}", "worker", "", True, False, "ACTIVE") for n in range(NAMED + 3))
    (_, observed) = differing(dataclasses.replace(whole(), vms=(*whole().vms, *more)))["VMs of role worker"]
    assert observed.count("is not in the file") == NAMED
    assert observed.endswith("; 3 more are not")


def test_nodes_and_the_hub() -> None:
    first, second = SITE.workers
    nodes = (Node(SITE.control_plane, "m", SITE.control_plane, ready=False), Node(first, "a", first, schedulable=False))
    hub = Workload("Deployment", "jhub", "hub", "u", "hub", 0)
    found = differing(dataclasses.replace(whole(), cluster=ClusterView(nodes, (), (hub,))))
    assert found == {
        "nodes of role monitor": ("1 Ready", "0 Ready; monitor is not Ready"),
        "nodes of role worker": ("2 Ready", f"0 Ready; {first} is cordoned; {second} is no node"),
        "hub in jhub: pods": ("1 of 1 ready", "0 of 0 ready"),
    }


def test_a_member_that_does_not_answer() -> None:
    first, second = SITE.workers
    member = FrontMember(first, first, "lb", "p", "", 80, True, "ERROR", False)
    found = differing(dataclasses.replace(whole(), front=Front("lb", members=(member,))))
    assert found == {"balancer: members": ("2 answering", f"0 answering; {first} is ERROR; {second} is no member")}


def test_what_did_not_answer_is_not_known_and_what_was_not_looked_at_is_no_fact() -> None:
    silent = facts(SITE, Topology(whole().vms, None, None, None))
    assert [each.name for each in silent if not each.observed] == [
        "volume homes", "volume scratch", "nodes of role monitor", "nodes of role worker", "hub in jhub: pods",
        "balancer: members",
    ]  # fmt: skip
    assert {each.name.split()[0] for each in facts(SITE, Topology(whole().vms))} == {"VMs"}


def test_a_volume_that_is_missing() -> None:
    found = dataclasses.replace(whole(), volumes=volumes()[:1])
    assert differing(found) == {"volume scratch": ("there", "missing")}


def test_of_a_site_that_others_deployed_nothing_is_expected_but_that_it_works() -> None:
    site = adopted_site(adopted={"servers": {"worker": "k8s-node-*", "brick": "gluster*"}})
    vm = Vm("k8s-node-a", "a", "worker", "", True, False, "ACTIVE")
    homes = Volume(
        "homes", (ReplicaSet("homes/0", (Brick("homes", "g", "/x", online=True),), 1),), options={PING: "42"}
    )
    found = facts(site, Topology((vm,), (homes,)))
    assert [each.name for each in found] == ["VMs of role worker", "VMs of role brick", "volume homes: bricks"]
    assert [each.expected == each.observed for each in found] == [True] * 3
