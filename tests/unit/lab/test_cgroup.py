"""On a directory tree that looks like each kind of host; the kernel's part is tested with a lab."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chaosjc.drivers import command
from chaosjc.errors import LabError
from chaosjc.lab.machine.cgroup import Cgroup, Hierarchies, Usage, remove_tree

V1 = ("cpu,cpuacct", "cpuset", "memory", "pids", "systemd")


@pytest.fixture
def hybrid(tmp_path: Path) -> Hierarchies:
    for name in ("unified", *V1):
        (tmp_path / name).mkdir()
    (tmp_path / "cpu").symlink_to("cpu,cpuacct")
    for key in ("cpuset.cpus", "cpuset.mems"):
        (tmp_path / "cpuset" / key).write_text("0-1" if key.endswith("cpus") else "0")
    return Hierarchies.of_host(tmp_path)


@pytest.fixture
def pure(tmp_path: Path) -> Hierarchies:
    (tmp_path / "cgroup.procs").touch()
    return Hierarchies.of_host(tmp_path)


def kernel_files(directory: Path, *names: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).touch()


def test_a_hybrid_host(hybrid: Hierarchies, tmp_path: Path) -> None:
    assert hybrid.unified == tmp_path / "unified"
    assert hybrid.v1["cpu"] == hybrid.v1["cpuacct"] == tmp_path / "cpu,cpuacct"
    assert len(hybrid.all) == 1 + len(V1), "each hierarchy once"


def test_a_pure_v2_host(pure: Hierarchies, tmp_path: Path) -> None:
    assert pure == Hierarchies(tmp_path, {})
    assert pure.all == [tmp_path]


def test_on_hybrid_a_machine_has_a_group_in_every_hierarchy(hybrid: Hierarchies, tmp_path: Path) -> None:
    for controller, key in (
        ("memory", "memory.limit_in_bytes"),
        ("cpu,cpuacct", "cpu.cfs_quota_us"),
        ("cpu,cpuacct", "cpu.shares"),
        ("pids", "pids.max"),
    ):
        kernel_files(tmp_path / controller / "lab" / "m", key)
    kernel_files(tmp_path / "cpu,cpuacct/lab", "cpu.shares")
    Cgroup("lab/m", hybrid).create(memory_mb=512, vcpus=2)
    for hierarchy in ("unified", *V1):
        assert (tmp_path / hierarchy / "lab/m/wrap").is_dir()
        assert (tmp_path / hierarchy / "lab/m/guest").is_dir()
    assert (tmp_path / "memory/lab/m/memory.limit_in_bytes").read_text() == str(512 << 20)
    assert (tmp_path / "cpu,cpuacct/lab/m/cpu.cfs_quota_us").read_text() == "200000"
    assert (tmp_path / "cpu,cpuacct/lab/m/cpu.shares").read_text() == "2048", "two of a busy host's threads"
    assert (tmp_path / "cpu,cpuacct/lab/cpu.shares").read_text() == "10240", "the machines together go first"
    for level in ("lab", "lab/m", "lab/m/wrap", "lab/m/guest"):
        assert (tmp_path / "cpuset" / level / "cpuset.cpus").read_text() == "0-1", "an empty cpuset takes no process"


def test_on_v2_the_limits_are_in_the_one_group(pure: Hierarchies, tmp_path: Path) -> None:
    kernel_files(tmp_path / "lab/m", "memory.max", "cpu.max", "cpu.weight", "pids.max")
    kernel_files(tmp_path / "lab", "cpu.weight")
    group = Cgroup("lab/m", pure)
    group.create(memory_mb=256, vcpus=1)
    assert (tmp_path / "lab/m/memory.max").read_text() == str(256 << 20)
    assert (tmp_path / "lab/m/cpu.max").read_text() == "100000 100000"
    assert (tmp_path / "lab/m/cpu.weight").read_text() == "100"
    assert (tmp_path / "lab/cpu.weight").read_text() == "1000"
    assert (tmp_path / "lab/cgroup.subtree_control").exists(), "children may have controllers"
    assert group.leaf_directories("guest") == [tmp_path / "lab/m/guest"]


def test_a_controller_that_is_not_delegated_is_no_error(pure: Hierarchies, tmp_path: Path) -> None:
    Cgroup("lab/m", pure).create(memory_mb=256, vcpus=1)
    assert not (tmp_path / "lab/m/memory.max").exists()


@pytest.mark.parametrize(
    ("events", "populated", "frozen"),
    [
        ("populated 0\nfrozen 0\n", False, False),
        ("populated 1\nfrozen 0\n", True, False),
        ("populated 1\nfrozen 1\n", True, True),
    ],
)
def test_the_unified_group_tells(pure: Hierarchies, tmp_path: Path, events: str, populated: bool, frozen: bool) -> None:
    kernel_files(tmp_path / "lab/m")
    (tmp_path / "lab/m/cgroup.events").write_text(events)
    group = Cgroup("lab/m", pure)
    assert (group.populated, group.frozen) == (populated, frozen)


def test_a_group_that_does_not_exist_is_empty(pure: Hierarchies) -> None:
    group = Cgroup("lab/never", pure)
    assert (group.populated, group.frozen, group.pids(), group.usage()) == (False, False, [], Usage(0, 0, 0))
    group.kill()
    group.remove()


def test_pids_of_all_leaves(pure: Hierarchies, tmp_path: Path) -> None:
    for leaf, pids in (("wrap", "10\n"), ("guest", "11\n12\n")):
        kernel_files(tmp_path / "lab/m" / leaf)
        (tmp_path / "lab/m" / leaf / "cgroup.procs").write_text(pids)
    assert sorted(Cgroup("lab/m", pure).pids()) == [10, 11, 12]


def test_freeze_says_when_the_kernel_does_not(pure: Hierarchies, tmp_path: Path) -> None:
    kernel_files(tmp_path / "lab/m")
    (tmp_path / "lab/m/cgroup.events").write_text("populated 1\nfrozen 0\n")
    (tmp_path / "lab/m/cgroup.procs").write_text(f"{os.getpid()}\n")  # which runs, to ask
    with pytest.raises(LabError, match="not frozen after 0 s"):
        Cgroup("lab/m", pure).freeze(True, timeout=0)
    assert (tmp_path / "lab/m/cgroup.freeze").read_text() == "1"


def test_a_group_stands_still_where_all_that_is_left_cannot_be_frozen(pure: Hierarchies, tmp_path: Path) -> None:
    kernel_files(tmp_path / "lab/m")
    (tmp_path / "lab/m/cgroup.events").write_text("populated 1\nfrozen 0\n")
    sleeper = command.spawn(["sleep", "60"], log=tmp_path / "log")  # as one that waits for its file system
    (tmp_path / "lab/m/cgroup.procs").write_text(f"{sleeper.pid}\n")
    group = Cgroup("lab/m", pure)
    assert not group.frozen, "nobody has asked for it"
    group.freeze(True, timeout=5)
    assert group.frozen
    sleeper.kill()
    sleeper.wait()


def test_usage_on_both(hybrid: Hierarchies, tmp_path: Path) -> None:
    group = tmp_path / "memory/lab/m"
    kernel_files(group)
    (group / "memory.stat").write_text("rss 1\ntotal_rss 4096\ntotal_cache 8192\n")
    kernel_files(tmp_path / "cpu,cpuacct/lab/m")
    (tmp_path / "cpu,cpuacct/lab/m/cpuacct.usage").write_text("77\n")
    assert Cgroup("lab/m", hybrid).usage() == Usage(4096, 8192, 77)
    pure = Hierarchies(tmp_path / "unified", {})
    kernel_files(tmp_path / "unified/lab/m")
    (tmp_path / "unified/lab/m/memory.stat").write_text("anon 4096\nfile 8192\n")
    (tmp_path / "unified/lab/m/cpu.stat").write_text("usage_usec 5\n")
    assert Cgroup("lab/m", pure).usage() == Usage(4096, 8192, 5000)


def test_removing_is_deepest_first(tmp_path: Path) -> None:
    (tmp_path / "a/b/c").mkdir(parents=True)
    assert remove_tree(tmp_path / "a", attempts=1)
    assert remove_tree(tmp_path / "a", attempts=1), "nothing there is fine"
