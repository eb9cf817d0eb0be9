"""A server's whole life, each time compared with what the host's kernel says."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosjc.lab.machine import disks
from chaosjc.lab.machine.cgroup import Hierarchies
from chaosjc.lab.machine.machine import Machine
from tests.lab.cloud import IMAGE, MARKS, Cloud, connects, until

pytestmark = MARKS

USER_DATA = """\
#cloud-config
runcmd: ["echo done > /run/user-data"]
fs_setup: []
mounts: [[/dev/vdb, /data, ext4, "defaults,nofail", "0", "2"]]
"""


@pytest.fixture(scope="module")
def server(cloud: Cloud) -> Iterator[Any]:
    server = cloud.boot("life", "s1.small", user_data=USER_DATA)
    cloud.ssh(server, "sudo cloud-init status --wait")
    yield server
    cloud.delete(server)


@pytest.fixture
def machine(cloud: Cloud, server: Any) -> Machine:
    return cloud.machine(server)


def test_it_is_what_was_asked_for(cloud: Cloud, server: Any, machine: Machine) -> None:
    assert cloud.ssh(server, "hostname; cat /run/user-data").split() == ["life", "done"]
    seen = cloud.ssh(server, "cat /sys/class/net/eth0/address; ip -br -4 addr show eth0; ip route show default")
    assert cloud.mac(server) in seen
    assert cloud.address(server) + "/24" in seen
    assert "default via 10.231.71.1" in seen
    assert cloud.api.compute.get_server(server.id).metadata == {}
    assert machine.state == "running"
    size = int(cloud.ssh(server, "df --output=size -BG / | tail -1").strip("G"))
    assert size in (4, 5), "the root disk has the flavor's size"


def test_limits_of_the_flavor_hold(machine: Machine) -> None:
    v1 = Hierarchies.of_host().v1
    if v1:
        assert int((machine.cgroup.v1["memory"] / "memory.limit_in_bytes").read_text()) == 512 << 20
        assert int((machine.cgroup.v1["cpu"] / "cpu.cfs_quota_us").read_text()) == 100_000
    else:
        assert int((machine.cgroup.unified / "memory.max").read_text()) == 512 << 20
        assert (machine.cgroup.unified / "cpu.max").read_text().split()[0] == "100000"


def test_a_data_disk_fills_up_alone(cloud: Cloud, server: Any) -> None:
    cloud.ssh(server, "findmnt -n /data")
    full = cloud.try_ssh(server, "sudo dd if=/dev/zero of=/data/big bs=1M")
    assert "No space left on device" in full.stderr
    cloud.ssh(server, "sudo touch /root/fine; sudo rm /data/big")


def test_no_disk_has_a_cache_that_a_flush_would_empty(machine: Machine) -> None:
    """Else each fsync of a machine waits for the host's disk."""
    loops = disks.loop_devices(machine.directory)
    assert {file.name for file in loops.values()} == {"disk.img", "ephemeral0.img"}
    caches = {Path("/sys/block", device.name, "queue/write_cache").read_text() for device in loops}
    assert caches == {"write through\n"}


def act(cloud: Cloud, server: Any, request: Callable[[str], object], status: str) -> float:
    """Ask nova and wait; seconds."""
    began = time.monotonic()
    request(server.id)
    cloud.wait(server, status)
    return time.monotonic() - began


def test_pause_and_suspend_stand_still(cloud: Cloud, server: Any, machine: Machine) -> None:
    compute, leader = cloud.api.compute, machine.leader()
    for stop, status, go in (
        (compute.pause_server, "PAUSED", compute.unpause_server),
        (compute.suspend_server, "SUSPENDED", compute.resume_server),
    ):
        act(cloud, server, stop, status)
        assert machine.state == "paused"
        assert not connects(cloud.address(server), 22)
        act(cloud, server, go, "ACTIVE")
        assert machine.state == "running"
        assert machine.leader() == leader, "the same process 1 goes on"
        cloud.wait_for_ssh(server, 5)


def test_stop_is_graceful_and_start_keeps_the_disks(cloud: Cloud, server: Any, machine: Machine) -> None:
    cloud.ssh(server, "echo precious | sudo tee /root/f /data/f; sync")
    before = machine.console.stat().st_size
    assert act(cloud, server, cloud.api.compute.stop_server, "SHUTOFF") < 15
    assert machine.state == "off"
    assert "poweroff.target" in machine.console.read_text(errors="replace")[before:], "it shut down by itself"
    assert not Path(f"/run/netns/{machine.namespace}").exists()
    act(cloud, server, cloud.api.compute.start_server, "ACTIVE")
    cloud.wait_for_ssh(server)
    assert cloud.ssh(server, "sudo cat /root/f /data/f") == "precious\nprecious"


@pytest.mark.parametrize("kind", ["SOFT", "HARD"])
def test_reboot_gives_a_new_process_1(cloud: Cloud, server: Any, machine: Machine, kind: str) -> None:
    leader = machine.leader()
    act(cloud, server, lambda i: cloud.api.compute.reboot_server(i, kind), "ACTIVE")
    assert machine.leader() not in (None, leader)
    cloud.wait_for_ssh(server)


def test_a_paused_server_can_be_rebooted_hard(cloud: Cloud, server: Any, machine: Machine) -> None:
    act(cloud, server, cloud.api.compute.pause_server, "PAUSED")
    act(cloud, server, lambda i: cloud.api.compute.reboot_server(i, "HARD"), "ACTIVE")
    assert machine.state == "running"
    cloud.wait_for_ssh(server)


def test_poweroff_inside_is_noticed(cloud: Cloud, server: Any, machine: Machine) -> None:
    cloud.try_ssh(server, "sudo systemctl poweroff")
    until(lambda: machine.state == "off", 15)
    cloud.wait(server, "SHUTOFF", 15)
    act(cloud, server, cloud.api.compute.start_server, "ACTIVE")
    cloud.wait_for_ssh(server)


def test_console_log(cloud: Cloud, server: Any) -> None:
    log = cloud.api.compute.get_server_console_output(server.id)["output"]
    assert "Reached target" in log
    assert "cloud-init" in log


def test_rebuild_begins_again_with_the_same_address(cloud: Cloud, server: Any, machine: Machine) -> None:
    cloud.ssh(server, "sudo touch /root/old; sync")
    image = cloud.api.image.find_image(IMAGE)
    cloud.api.compute.rebuild_server(server.id, image=image.id)
    time.sleep(0.2)
    again = cloud.wait(server, "ACTIVE")
    cloud.wait_for_ssh(again)
    assert cloud.address(again) == cloud.address(server)
    assert cloud.try_ssh(again, "sudo ls /root/old").returncode != 0


def test_what_cannot_be_done_is_refused(cloud: Cloud, server: Any) -> None:
    import openstack.exceptions

    with pytest.raises(openstack.exceptions.HttpException):
        cloud.api.compute.unpause_server(server.id)
    assert cloud.wait(server, "ACTIVE").status == "ACTIVE"


def test_a_guest_that_does_not_shut_down_is_cut_off(cloud: Cloud, server: Any) -> None:
    """As nova asks for it, but with two seconds of patience instead of its sixty."""
    machine = cloud.machine(server)
    cloud.ssh(server, "sudo systemd-run -q --unit=stuck -p TimeoutStopSec=300 -p 'ExecStop=/bin/sleep 300' sleep 3600")
    before = time.monotonic()
    assert machine.stop(timeout=2.0) is False, "it did not go by itself"
    assert 2.0 <= time.monotonic() - before < 6.0
    assert machine.state == "off"
    cloud.wait(server, "SHUTOFF", 15)
    act(cloud, server, cloud.api.compute.start_server, "ACTIVE")
    cloud.wait_for_ssh(server)


def test_delete_leaves_nothing(cloud: Cloud) -> None:
    server = cloud.boot("gone", "s1.small")
    machine = cloud.machine(server)
    cloud.delete(server)
    assert machine.state == "missing"
    assert not machine.cgroup.unified.exists()
    assert not Path(f"/run/netns/{machine.namespace}").exists()
    assert not disks.mounts(machine.directory)
    assert not disks.loop_devices(machine.directory)
    assert not [link for link in os.listdir("/sys/class/net") if link == f"{machine.host.names.port(server.id)}"]
