"""The storage experiments on the real thing, each beside a writer that knows nothing of the canary."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import pytest

from tests.lab.runs import Stage, hypothesis
from tests.lab.storage.files import same_everywhere, still
from tests.lab.storage.seen import HEALING, STALLS, WORKER, seen
from tests.lab.storage.settled import durability, settled

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

OTHER, BRICK = "worker-002", "brick-002"
SCRATCH = 0.5  # seconds between two writes of the canary on `scratch`


@contextmanager
def by_hand(storage: Stage, option: str, value: str) -> Generator[None]:
    """An option of the volume as somebody sets it by hand; `site deploy` mends it."""
    storage.site.by_hand("brick-001", f"sudo gluster --mode=script volume set homes {option} {value}")
    try:
        yield
    finally:
        storage.site.run("deploy")


@contextmanager
def frozen(storage: Stage, name: str) -> Generator[None]:
    """The VM of this name, as the cloud pauses it; it answers again at the end."""
    cloud = storage.site.context().cloud
    server = next(each for each in cloud.servers() if each.name == name)
    cloud.pause_server(server.id)
    try:
        yield
    finally:
        cloud.unpause_server(server.id)
        cloud.wait_server(server.id, lambda server: server.status == "ACTIVE")


@contextmanager
def unmounted(storage: Stage, worker: str) -> Generator[None]:
    """The volume, there, with nobody who writes to it."""
    storage.site.by_hand(worker, "sudo systemctl stop chaosjc-canary.target gluster-homes.service")
    try:
        yield
    finally:
        storage.site.run("deploy")


@pytest.mark.parametrize(
    "experiment",
    [
        "brick-vm-frozen",
        "brick-broken-four-ways",
        *(pytest.param(name, marks=pytest.mark.long) for name in ("brick-partitioned", "brick-vm-stopped")),
    ],
)
def test_a_broken_brick_costs_a_stall_and_no_write(storage: Stage, experiment: str) -> None:
    saw = seen(storage, experiment, 0)
    assert saw.run["verdict"] == "PASS"
    assert saw.errors == set()
    saw.assert_agreed()


def test_a_lost_brick_is_deployed_anew_and_no_write_is_lost(storage: Stage) -> None:
    before = {each.name: each.id for each in storage.site.context().cloud.servers()}
    with still(storage.site):
        saw = seen(storage, "brick-vm-deleted", 0)
        assert same_everywhere(storage.site), "healed means that its disk has all that the others have"
    after = {each.name: each.id for each in storage.site.context().cloud.servers()}
    assert [name for name in before if before[name] != after[name]] == [saw.run["faults"][0]["targets"][0]["name"]]
    assert saw.errors == set()
    saw.assert_agreed()
    settled(storage)
    found = durability(storage)
    assert (found.lost, found.corrupt, found.behind) == (0, 0, 0)


def test_a_timeout_raised_by_hand_is_named_and_fails(storage: Stage) -> None:
    with by_hand(storage, "network.ping-timeout", "42"):
        assert "update option homes network.ping-timeout" in storage.site.planned()
        saw = seen(storage, "brick-vm-frozen", 1)
        assert hypothesis(saw.run, STALLS)["held"] is False
        assert [each["held"] for each in saw.run["hypotheses"] if each["name"] not in (STALLS, HEALING)] == [True] * 7
        saw.assert_agreed()
    assert storage.site.run("plan") == []


def test_a_second_fault_is_refused_until_all_is_healed(storage: Stage) -> None:
    """While a brick is away, and while what was written meanwhile is not healed: nobody heals until told to."""
    settled(storage)
    with by_hand(storage, "cluster.self-heal-daemon", "off"):
        with frozen(storage, BRICK):
            storage.site.by_hand(WORKER, "sudo touch /srv/homes/written-meanwhile")
            assert storage.run("brick-process-killed", 4)["code"] == "blast-radius"
        refused = storage.run("brick-process-killed", 4)
        assert refused["code"] == "backlog"
        assert f"{BRICK}:/data/homes" in refused["reason"]


def test_a_second_fault_is_refused_until_every_client_is_back(storage: Stage) -> None:
    """Nothing is to be healed: one who writes nothing has lost the bricks."""
    settled(storage)
    with unmounted(storage, OTHER):
        refused = storage.run("brick-process-killed", 4)
        assert refused["code"] == "backlog"
        assert f"{OTHER} is not connected to brick-001:/data/homes" in refused["reason"]
    settled(storage)
    storage.dry_run("brick-process-killed", 0)


def test_without_a_quorum_writers_are_told_at_once_and_nothing_is_lost(storage: Stage) -> None:
    saw = seen(storage, "quorum-lost", 0, "/srv/scratch")
    assert saw.run["verdict"] == "PASS"
    assert saw.errors == {"ENOTCONN"}
    saw.assert_agreed(SCRATCH)


def test_a_full_disk_is_told_as_such(storage: Stage) -> None:
    saw = seen(storage, "disk-full", 0, "/srv/scratch")
    assert saw.run["verdict"] == "PASS"
    assert saw.errors == {"ENOSPC"}
    saw.assert_agreed(SCRATCH)
