"""The programs that targets run, as far as they can be tried without breaking this machine."""

from __future__ import annotations

import collections
import errno
import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest

from chaosjc.faults.remote import Family, brick, net, pod, program

STATES = Path(__file__).parents[2] / "cases" / "faults"
PEERS = {"worker-001": "10.0.0.21", "worker-002": "10.0.0.22"}


def partition(*, everyone: bool) -> str:
    return net.table_of({"names": {"table": "t"}, "peers": {} if everyone else PEERS, "everyone": everyone})


def test_a_partition_drops_both_directions_and_what_is_passed_on() -> None:
    script = partition(everyone=False)
    assert "chain input { type filter hook input priority -300; ip saddr { 10.0.0.21, 10.0.0.22 } drop; };" in script
    assert "chain output { type filter hook output priority -300; ip daddr { 10.0.0.21, 10.0.0.22 } drop; };" in script
    assert script.count("drop") == 4


def test_a_partition_from_everyone_leaves_the_machine_its_own() -> None:
    script = partition(everyone=True)
    assert 'iifname != "lo" drop' in script and 'oifname != "lo" drop' in script
    assert script.count('!= "lo" drop') == 4


def test_packets_are_held_for_their_time_and_none_overtakes_another(monkeypatch: pytest.MonkeyPatch) -> None:
    now, draws = [100.0], [0.01, -0.01]
    monkeypatch.setattr(net.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(net.random, "uniform", lambda low, high: draws.pop(0))  # type: ignore[misc]
    inside, outside = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with inside, outside:
        os.set_blocking(inside.fileno(), False)
        held = collections.deque[tuple[float, bytes]]()
        for packet in (b"\x45first", b"\x60not IPv4", b"\x45second"):
            outside.send(packet)
        net.take(inside.fileno(), held, 0.1, 0.01)
    assert [packet for _, packet in held] == [b"\x45first", b"\x45second"]
    assert [due for due, _ in held] == [pytest.approx(100.11), pytest.approx(100.11)]


class Disk:
    """A file system of `blocks` of 4 KiB, of which `scrap` cannot be had although they count as free."""

    def __init__(self, blocks: int, used: int, scrap: int = 0) -> None:
        self.blocks, self.free, self.scrap, self.size = blocks, blocks - used, scrap, 0

    def statvfs(self, _: int) -> SimpleNamespace:
        return SimpleNamespace(f_bfree=self.free, f_frsize=4096, f_blocks=self.blocks)

    def allocate(self, _: int, offset: int, length: int) -> None:
        assert offset == self.size, "each piece follows the last"
        wanted = -(-length // 4096)
        if wanted > self.free - self.scrap:
            raise OSError(errno.ENOSPC, "full")
        self.free -= wanted
        self.size += length


@pytest.mark.parametrize(("leave", "scrap", "free"), [(0.0, 0, 0), (0.5, 0, 500), (0.0, 100, 112), (99.0, 0, 90_000)])
def test_a_disk_is_filled_up_to_what_is_left(
    monkeypatch: pytest.MonkeyPatch, leave: float, scrap: int, free: int
) -> None:
    disk = Disk(100_000, 10_000, scrap)
    monkeypatch.setattr(brick.os, "fstatvfs", disk.statvfs)
    monkeypatch.setattr(brick.os, "posix_fallocate", disk.allocate)
    brick.take(3, leave)
    assert free - 1 <= disk.free <= free


def glusterd(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def run(*words: str) -> str:
        assert words[:4] == ("gluster", "--mode=script", "get-state", "glusterd")
        Path(words[5], words[7]).write_text((STATES / name).read_text())
        return ""

    monkeypatch.setattr(brick, "run", run)


@pytest.mark.parametrize(
    ("state", "status"), [("glusterd-state.txt", "Started"), ("glusterd-state-dead.txt", "Stopped")]
)
def test_glusterd_knows_status_and_port_of_its_own_brick(
    monkeypatch: pytest.MonkeyPatch, state: str, status: str
) -> None:
    glusterd(monkeypatch, state)
    said, port = brick.as_glusterd_sees("scratch", "/scratch/scratch")
    assert said == status
    assert port > 1023 or status == "Stopped"
    assert brick.as_glusterd_sees("scratch", "/data/homes")[0] == "nothing of it"
    assert brick.as_glusterd_sees("other", "/scratch/scratch")[0] == "nothing of it"


def test_a_port_that_only_the_kernel_answers_is_no_brick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brick, "ANSWER", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as stopped:
        assert not brick.answers(stopped.getsockname()[1])


def test_a_pid_file_that_names_another_program_is_no_brick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(brick, "RUN", str(tmp_path))
    (tmp_path / "vols" / "homes").mkdir(parents=True)
    (tmp_path / "vols" / "homes" / "brick-001-data-homes.pid").write_text(f"{os.getpid()}\n")
    assert brick.process_of("homes", "/data/homes") is None
    with pytest.raises(SystemExit, match="/data/homes has no process of volume homes"):
        brick.require_process({"volume": "homes", "path": "/data/homes"})


def test_a_running_process_is_neither_stopped_nor_traced() -> None:
    assert brick.state_of(os.getpid()) in "RSD"
    assert not brick.traced(os.getpid(), any_thread=True)


UID = "0a1b2c3d-0000-4000-8000-00000000abcd"
PODS = {
    "cgroupfs": f"kubepods/besteffort/pod{UID}",
    "systemd": f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice",
}


def cgroups(monkeypatch: pytest.MonkeyPatch, root: Path, version: int, driver: str) -> Path:
    """A pod with one container that runs, and another pod; returns the container's directory."""
    monkeypatch.setattr(pod, "ROOT", str(root))
    tree = root / "freezer" if version == 1 else root
    files = {"freezer.state": "THAWED", "freezer.self_freezing": "0"} if version == 1 else {"cgroup.freeze": "0"}
    for name in (f"{PODS[driver]}/c1", f"{PODS[driver]}/ended", f"{PODS[driver].replace('0a1b2c3d', 'ffffffff')}/c2"):
        (tree / name).mkdir(parents=True)
        for file, text in {"cgroup.procs": "" if name.endswith("ended") else "7", **files}.items():
            (tree / name / file).write_text(f"{text}\n")
    if version == 2:
        (root / "cgroup.controllers").write_text("cpu\n")
        (tree / PODS[driver] / "c1" / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    return tree / PODS[driver] / "c1"


@pytest.mark.parametrize("driver", PODS)
@pytest.mark.parametrize("version", [1, 2])
def test_the_containers_of_one_pod_are_frozen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: int, driver: str
) -> None:
    told: list[str] = []
    monkeypatch.setattr(pod, "ready", lambda: told.append("ready"))
    monkeypatch.setattr(pod.signal, "pause", lambda: told.append("pause"))
    monkeypatch.setattr(pod, "unit_runs", lambda _: False)  # type: ignore[misc]
    container = cgroups(monkeypatch, tmp_path, version, driver)
    pod.freeze({"uid": UID})
    state = {1: ("freezer.state", "FROZEN"), 2: ("cgroup.freeze", "1")}[version]
    frozen = [path for path in tmp_path.rglob(state[0]) if path.read_text().strip() == state[1]]
    assert (frozen, told) == ([container / state[0]], ["ready", "pause"])
    if version == 1:
        (container / "freezer.self_freezing").write_text("1\n")  # the kernel does
    assert pod.look({"uid": UID, "unit": "u"}) == {"left": ["container c1 is frozen"]}


def test_a_pod_that_does_not_run_here_is_not_frozen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    container = cgroups(monkeypatch, tmp_path, 1, "cgroupfs")
    (container / "cgroup.procs").write_text("")
    with pytest.raises(SystemExit, match="no container of pod"):
        pod.freeze({"uid": UID})


def test_a_container_that_does_not_stop_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    container = cgroups(monkeypatch, tmp_path, 2, "systemd")
    (container / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    monkeypatch.setattr(pod, "SOON", 0.0)
    with pytest.raises(SystemExit, match="did not stop"):
        pod.freeze({"uid": UID})


FAMILIES: tuple[Family, ...] = get_args(Family)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_program_needs_the_standard_library_alone(family: Family) -> None:
    text = program(family)
    assert "chaosjc." not in "\n".join(line for line in text.splitlines() if line.startswith(("import ", "from ")))
    assert len(text) < 100_000, "one argument of a command may be 128 KiB"
