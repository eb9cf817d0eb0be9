"""The lab itself: down and up, two on one machine, killed and resumed, and gone without a trace."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaosjc.lab import leftovers, registry
from chaosjc.lab.layout import REGISTRY, Lab
from chaosjc.lab.status import gather
from tests.lab.cloud import MARKS, ROOT, Cloud, chaosjc, connects, host_of, lab_command

pytestmark = MARKS
NOBODY = 65534


@pytest.fixture
def second(state: Path) -> Iterator[Lab]:
    """Another lab of the same state root; it is not up yet."""
    lab = Lab.of("second", state)
    yield lab
    lab_command(lab, "reset")


def host_shows() -> dict[str, set[str]]:
    """Everything of the host that a lab might leave behind."""

    def lines(*argv: str) -> set[str]:
        return set(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines())

    return {
        "processes": lines("ps", "-ewwo", "args"),
        "mounts": lines("findmnt", "-rno", "TARGET"),
        "cgroups": {d for d, _, _ in os.walk("/sys/fs/cgroup") if "chaosjc" in d},
        "namespaces": set(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else set(),
        "links": set(os.listdir("/sys/class/net")),
        "loops": lines("losetup", "-nlO", "BACK-FILE"),
        "tables": lines("nft", "list", "tables"),
        "registry": {p.name for p in REGISTRY.glob("*")} if REGISTRY.exists() else set(),
    }


def left_by(lab: Lab, before: dict[str, set[str]]) -> dict[str, set[str]]:
    """What is there now and was not, of those things that carry the lab's mark: others work on this machine too."""
    marks = (lab.tag, str(lab.directory))
    return {
        kind: mine
        for kind, now in host_shows().items()
        if (mine := {thing for thing in now - before[kind] if any(mark in thing for mark in marks)})
    }


def test_two_labs_live_on_one_machine_and_reset_leaves_nothing(cloud: Cloud, second: Lab) -> None:
    before = host_shows()
    limits = {key: Path("/proc/sys", key).read_text() for key in ("fs/inotify/max_user_instances",)}
    lab_command(second, "up")
    other = Cloud.connect(second, cloud.key)
    other.furnish("10.231.73.0/24")
    there, here = other.boot("other", "s1.small"), cloud.boot("here")
    assert set(left_by(second, before)) >= {"processes", "mounts", "cgroups", "namespaces", "links", "loops", "tables"}
    assert second.tag != cloud.lab.tag
    assert not other.api.compute.find_server("here")
    assert other.ssh(there, "hostname") == "other"

    lab_command(second, "reset")
    assert left_by(second, before) == {}
    assert not leftovers.look(second)
    assert not second.directory.exists()
    assert limits == {key: Path("/proc/sys", key).read_text() for key in limits}, "the other lab still needs them"
    assert cloud.ssh(here, "hostname") == "here", "the other lab is untouched"
    cloud.delete(here)


def test_the_same_range_in_another_lab_is_refused_in_plain_words(cloud: Cloud, second: Lab) -> None:
    import openstack.exceptions

    here = cloud.boot("here")
    lab_command(second, "up")
    other = Cloud.connect(second, cloud.key)
    with pytest.raises(openstack.exceptions.ConflictException, match="can route a range to one network only"):
        other.furnish("10.231.71.0/24")
    cloud.delete(here)


def test_up_can_be_killed_at_any_moment_and_goes_on(second: Lab) -> None:
    root = second.directory.parent.parent
    argv = [sys.executable, "-m", "chaosjc.cli.main", "lab", "up", "--name", second.name, "--state", str(root)]
    chance = random.Random(4)
    for _ in range(8):
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
        delay = chance.uniform(0.2, 6)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
    lab_command(second, "up")
    now = gather(second)
    assert now.up
    assert [p.phase for p in now.control] == ["ready", "ready"]
    running = {line for line in host_shows()["processes"] if str(second.directory) in line}
    assert len(running) == 2, "one process of each role, however often it was started"


def test_up_again_changes_nothing(lab: Lab) -> None:
    before = [(p.role, p.pid) for p in gather(lab).control]
    lab_command(lab, "up")
    assert [(p.role, p.pid) for p in gather(lab).control] == before


def test_down_keeps_the_disks_and_up_brings_back_what_ran(lab: Lab, cloud: Cloud) -> None:
    ran, stopped = cloud.boot("ran"), cloud.boot("stopped")
    cloud.ssh(ran, "echo precious | sudo tee /root/f; sync")
    cloud.api.compute.stop_server(stopped.id)
    cloud.wait(stopped, "SHUTOFF")
    lab_command(lab, "down")
    assert not leftovers.look(lab), "nothing but files stays"
    assert not gather(lab).up

    began = time.monotonic()
    lab_command(lab, "up")
    print(f"warm up: {time.monotonic() - began:.1f} s")
    assert cloud.wait(ran, "ACTIVE").id == ran.id
    assert cloud.wait(stopped, "SHUTOFF").id == stopped.id
    cloud.wait_for_ssh(ran)
    assert cloud.ssh(ran, "sudo cat /root/f") == "precious"
    cloud.delete(ran, stopped)


def test_the_control_plane_is_small(lab: Lab) -> None:
    memory = {p.role: p.memory_mb for p in gather(lab).control}
    print(f"resident MiB: {memory}")
    assert 100 < sum(memory.values()) <= 700


def test_only_loopback_listens(lab: Lab) -> None:
    mine = {f"pid={p.pid}," for p in gather(lab).control}
    sockets = subprocess.run(["ss", "-Hltnup"], capture_output=True, text=True, check=True).stdout.splitlines()
    found = [line.split()[4] for line in sockets if any(pid in line for pid in mine)]
    ports = registry.claims()[lab.tag].ports
    assert sorted(found) == sorted(f"127.0.0.1:{port}" for port in (ports.cloud, ports.network))
    assert connects("127.0.0.1", ports.cloud)


def test_an_ordinary_user_works_with_the_cloud_and_sees_nothing_else(lab: Lab, cloud: Cloud) -> None:
    program = (
        "import os, pathlib, sys, warnings; warnings.simplefilter('ignore'); import openstack\n"
        f"c = openstack.connect(cloud={lab.cloud!r})\n"
        "print('lists', type(next(c.compute.servers(), None)).__name__ in ('Server', 'NoneType'))\n"
        f"for path in ({str(lab.private)!r}, {str(lab.directory)!r}):\n"
        "    try: os.listdir(path); print('readable', path)\n"
        "    except PermissionError: pass\n"
        "for forbidden in (lambda: list(c.compute.servers(all_projects=True)), lambda: list(c.identity.users())):\n"
        "    try: forbidden(); print('allowed')\n"
        "    except openstack.exceptions.HttpException as e: print(e.status_code)\n"
    )
    done = as_nobody(lab, sys.executable, "-c", program)
    assert done.stdout.splitlines() == ["lists True", "403", "403"], done.stdout + done.stderr


def test_the_openstack_client_works(lab: Lab, cloud: Cloud) -> None:
    client = Path(sys.executable).with_name("openstack")
    done = as_nobody(lab, str(client), "--os-cloud", lab.cloud, "server", "list", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert {each["Name"] for each in json.loads(done.stdout)} == {each.name for each in cloud.api.compute.servers()}


def as_nobody(lab: Lab, *argv: str) -> subprocess.CompletedProcess[str]:
    """What a program of an ordinary user says, who knows the lab by its clouds.yaml."""
    environment = {"PATH": os.environ["PATH"], "OS_CLIENT_CONFIG_FILE": str(lab.clouds), "HOME": "/nonexistent"}
    return subprocess.run(
        argv,
        capture_output=True,
        text=True,
        check=False,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        env=environment,
        cwd="/",
    )


def test_shell_enters_a_server(lab: Lab, cloud: Cloud) -> None:
    server = cloud.boot("entered")
    assert lab_command(lab, "shell", "entered", "hostname").strip() == "entered"
    missing = chaosjc("lab", "shell", "nobody", "--name", lab.name, "--state", str(lab.directory.parent.parent))
    assert missing.returncode != 0
    assert "no server is called 'nobody'" in missing.stderr
    cloud.delete(server)


def test_eight_at_once(lab: Lab, cloud: Cloud) -> None:
    servers = [cloud.create(f"eight-{n}", "m1.tiny") for n in range(8)]
    servers = [cloud.wait(server, "ACTIVE", 90) for server in servers]
    for server in servers:
        cloud.wait_for_ssh(server, 90)
    cloud.delete(*servers)
    assert not {s.id for s in servers} & {m.uuid for m in host_of(lab).machines()}
