"""The control plane may die at any time: servers live on, and nothing hangs for ever."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import pytest

from chaosjc.lab import control
from chaosjc.lab.layout import Lab
from tests.lab.cloud import MARKS, Cloud, host_of, lab_command, until

pytestmark = MARKS


def kill(lab: Lab) -> None:
    for role in control.ROLES:
        os.kill(control.look(lab, role).pid, signal.SIGKILL)
    until(lambda: not any(control.look(lab, role).alive for role in control.ROLES), 5)


def test_servers_outlive_the_control_plane(lab: Lab, cloud: Cloud) -> None:
    running, paused = cloud.boot("lives"), cloud.boot("stands")
    cloud.api.compute.pause_server(paused.id)
    cloud.wait(paused, "PAUSED")
    leader = cloud.machine(running).leader()
    kill(lab)
    assert cloud.ssh(running, "echo on") == "on"
    cloud.machine(paused).cgroup.kill()  # what happens meanwhile is noticed later
    lab_command(lab, "up")
    cloud.wait(paused, "SHUTOFF", 30)
    assert cloud.wait(running, "ACTIVE").id == running.id
    assert cloud.machine(running).leader() == leader
    assert cloud.ssh(running, "echo on") == "on"
    cloud.delete(running, paused)


def test_actions_cut_in_the_middle_are_finished(lab: Lab, cloud: Cloud) -> None:
    compute, server = cloud.api.compute, cloud.boot("cut")
    for act, status, back in (
        (compute.stop_server, "SHUTOFF", compute.start_server),
        (compute.pause_server, "PAUSED", compute.unpause_server),
        (compute.suspend_server, "SUSPENDED", compute.resume_server),
    ):
        act(server.id)
        time.sleep(0.1)
        kill(lab)
        lab_command(lab, "up")
        now = until_settled(cloud, server)
        assert now.status in (status, "ACTIVE"), "finished, or undone, but not under way for ever"
        if now.status != "ACTIVE":
            back(server.id)
            cloud.wait(server, "ACTIVE")
    cloud.wait_for_ssh(server)
    cloud.delete(server)


def until_settled(cloud: Cloud, server: Any) -> Any:
    until(lambda: not cloud.api.compute.get_server(server.id).task_state, 30)
    return cloud.api.compute.get_server(server.id)


@pytest.mark.parametrize("delay", [0.15, 0.7, 1.6])
def test_a_spawn_cut_in_the_middle_does_not_hang(lab: Lab, cloud: Cloud, delay: float) -> None:
    name = f"spawn-{delay:g}"
    request = cloud.request(name)

    def create() -> None:
        try:
            cloud.api.compute.create_server(**request)
        except Exception as error:
            print(f"the caller was told {type(error).__name__}")

    caller = threading.Thread(target=create)
    caller.start()
    time.sleep(delay)
    kill(lab)
    caller.join()
    lab_command(lab, "up")
    for server in list(cloud.api.compute.servers(name=name)):
        until(lambda server=server: cloud.api.compute.get_server(server.id).status in ("ACTIVE", "ERROR"), 30)
        print(f"killed {delay:g} s after the call: {cloud.api.compute.get_server(server.id).status}")
        cloud.delete(server)
    assert not [m.spec.name for m in host_of(lab).machines() if m.spec.name == name]
    free = [p for p in cloud.api.network.ports() if p.device_owner.startswith("compute:")]
    assert not [p for p in free if not cloud.api.compute.find_server(p.device_id)]
