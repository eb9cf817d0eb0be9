from __future__ import annotations

from pathlib import Path

from chaosjc.drivers.gluster import Gluster
from chaosjc.drivers.openstack_values import Server
from chaosjc.drivers.ssh import Ssh
from chaosjc.errors import CommandTimeout
from chaosjc.site import discover
from chaosjc.site.topology import Brick, ReplicaSet, Topology, Vm, Volume
from tests.unit.drivers.gluster import Answer, Pool, said
from tests.unit.fakes import FakeClock
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
    assert topology.others({"worker-001"}) == topology.of_role("worker")[1:]


# ------------------------------------------------------------------ volumes

VMS = {
    "worker-001": ("worker", "10.68.0.7"),
    "worker-002": ("worker", "10.68.0.8"),
    "monitor": ("monitor", "10.68.0.9"),
    "brick-001": ("brick", "10.68.0.95"),
    "brick-002": ("brick", "10.68.0.234"),
}
OWN = "".join(f"brick-00{n} /data/homes 12 S 0\n" for n in (1, 2, 3))
CLIENTS = said("clients.xml").replace("10.68.0.231:", "10.68.0.9:")


def servers() -> FakeCloud:
    """brick-003 is gone."""
    cloud = FakeCloud()
    cloud.server_table = {
        name: Server(name, name, "ACTIVE", addresses=(address,), metadata={**MARK, "chaosjc:role": role})
        for name, (role, address) in VMS.items()
    }
    return cloud


def discovered(**more: Answer) -> Topology:
    answers: dict[str, Answer] = {"volume info": said("volumes.xml"), "own": OWN, **more}
    for name in ("homes", "pictures", "wide"):
        answers.setdefault(f"volume heal {name} info summary", said("heal.xml").replace("homes", name))
        answers.setdefault(f"volume status {name} clients", CLIENTS)
    clock = FakeClock()
    pool = Gluster(["brick-001"], Pool(clock, {"brick-001": answers}), clock=clock)
    return discover.with_volumes(discover.topology(lab_site(), servers()), lab_site(), pool)


def volume(found: Topology, name: str) -> Volume:
    return next(each for each in found.volumes or () if each.name == name)


def test_volumes_are_what_their_layout_says_named_by_the_site_file_or_not() -> None:
    found = discovered(own=OWN.replace("brick-003 /data/homes 12 S", "brick-003 /data/homes - -"))
    assert [each.name for each in found.volumes or ()] == ["homes", "pictures", "plain", "wide"]
    (homes,) = volume(found, "homes").sets
    assert (homes.name, homes.needed, homes.first_decides) == ("homes/0", 2, False)
    assert homes.bricks == (
        Brick("homes", "brick-001", "/data/homes", online=True),
        Brick("homes", "brick-002", "/data/homes", online=True),
        Brick("homes", "brick-003", "/data/homes", online=False),
    )
    assert [each.name for each in volume(found, "wide").sets] == ["wide/0", "wide/1"]
    assert [each.arbiter for each in volume(found, "pictures").bricks] == [False, False, True]
    assert [each.path for each in found.bricks_on("brick-002")] == [
        "/data/homes", "/scratch/pictures", "/scratch/plain", "/scratch/wide-a", "/scratch/wide-b",
    ]  # fmt: skip


def test_mounts_are_those_that_ought_to_and_those_that_are_seen_but_not_the_bricks_own_daemons() -> None:
    assert volume(discovered(), "homes").mounts == ("monitor", "worker-001", "worker-002")
    assert volume(discovered(), "plain").mounts == ()


def test_backlog_is_why_a_volume_has_not_settled() -> None:
    backlog = volume(discovered(), "homes").backlog
    assert backlog[0].startswith("worker-001 is not connected to brick-001:/data/homes")
    assert volume(discovered(), "plain").backlog == ("the volume is Created",)
    there = CLIENTS.replace("10.68.0.9:", "10.68.0.7:").replace("10.68.0.95:", "10.68.0.8:")
    assert volume(discovered(**{"volume status homes clients": there}), "homes").backlog == ()


def test_where_no_server_answers_the_layout_is_unknown_not_empty() -> None:
    clock = FakeClock()
    pool = Gluster(["brick-001"], Pool(clock, {"brick-001": CommandTimeout("killed")}), clock=clock)
    found = discover.topology(lab_site(), servers())
    assert found.volumes == ()
    assert discover.with_volumes(found, lab_site(), pool).volumes is None


def test_bricks_that_do_not_tell_are_neither_online_nor_offline() -> None:
    found = discovered(own=CommandTimeout("killed"))
    assert {each.online for each in volume(found, "homes").bricks} == {None}


def test_a_pool_is_the_vms_of_the_storage_role() -> None:
    ssh = Ssh(Path("config"))
    pool = discover.pool(lab_site(), ssh)
    assert pool is not None
    assert pool.hosts == ("brick-001", "brick-002", "brick-003")
    assert discover.pool(lab_site(storage=None), ssh) is None


def test_an_arbiter_alone_takes_no_writes() -> None:
    bricks = (Brick("v", "a", "/x"), Brick("v", "b", "/x"), Brick("v", "c", "/x", arbiter=True))
    assert not ReplicaSet("v/0", bricks, needed=1).writable(["a:/x", "b:/x"])
    assert ReplicaSet("v/0", bricks, needed=1).writable(["b:/x", "c:/x"])
