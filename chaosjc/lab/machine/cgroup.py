"""Control groups, on a pure v2 host and on a v1 host with the unified hierarchy beside it.

A machine has a group in every hierarchy. The unified one, which both kinds of host have, freezes, kills and tells; the
v1 controllers, where there are any, limit. On v2 no process may sit in a group that has children, so processes live in
leaves only: `wrap` holds the supervisor, `guest` the machine itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from chaosjc.errors import LabError

ROOT = Path("/sys/fs/cgroup")
LEAVES = ("wrap", "guest")
_CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids")
_PIDS = 8192  # a fork bomb stays inside its machine
_WEIGHT = 10  # times that of one process beside the lab: a busy control plane or test must not slow what is measured
_POLL = 0.01


@dataclass(frozen=True)
class Usage:
    """Bytes of anonymous memory and page cache, and nanoseconds of processor time since the machine's first boot."""

    anonymous: int
    cache: int
    cpu_ns: int


@dataclass(frozen=True)
class Hierarchies:
    """Where this host mounts the unified hierarchy, and the v1 ones by controller (empty on a pure v2 host)."""

    unified: Path
    v1: dict[str, Path]

    @classmethod
    def of_host(cls, root: Path = ROOT) -> Hierarchies:
        """Read off the mounted tree. `cpu -> cpu,cpuacct` links are the same hierarchy and are left out."""
        unified = root / "unified"
        if not unified.is_dir():
            return cls(root, {})
        mounts = (d for d in sorted(root.iterdir()) if d.is_dir() and not d.is_symlink() and d != unified)
        return cls(unified, {controller: d for d in mounts for controller in d.name.split(",")})

    @property
    def all(self) -> list[Path]:
        """Every hierarchy once, the unified one first."""
        return [self.unified, *dict.fromkeys(self.v1.values())]

    def groups(self, name: str) -> list[Path]:
        """The directories of group `name` that exist, one a hierarchy."""
        return [d / name for d in self.all if (d / name).is_dir()]


class Cgroup:
    """One group, `name` = `parent/child`, in every hierarchy of the host."""

    def __init__(self, name: str, hierarchies: Hierarchies | None = None) -> None:
        self.name = name
        self.host = hierarchies or Hierarchies.of_host()
        self.unified = self.host.unified / name
        self.v1 = {controller: d / name for controller, d in self.host.v1.items()}

    # ---- making and removing
    def create(self, memory_mb: int, vcpus: int) -> None:
        """Make the group with its limits and its two leaves; safe to repeat."""
        self._delegate()
        for directory in self._directories():
            for leaf in LEAVES:
                (directory / leaf).mkdir(parents=True, exist_ok=True)
        if "cpuset" in self.v1:
            self._fill_cpusets()
        for file, value in self._limits(memory_mb, vcpus):
            if file.exists():  # a host need not delegate every controller
                file.write_text(value)

    def _directories(self) -> list[Path]:
        return [self.unified, *dict.fromkeys(self.v1.values())]

    def _delegate(self) -> None:
        """Let children of our parents have controllers; only a pure v2 host needs it, and may refuse some."""
        if self.host.v1:
            return
        self.unified.parent.mkdir(parents=True, exist_ok=True)
        for directory in (self.host.unified, self.unified.parent):
            for controller in _CONTROLLERS:
                with contextlib.suppress(OSError):
                    (directory / "cgroup.subtree_control").write_text(f"+{controller}")

    def _fill_cpusets(self) -> None:
        """A v1 cpuset is born empty and takes no process."""
        group = self.v1["cpuset"]
        for directory in (group.parent, group, *(group / leaf for leaf in LEAVES)):
            for key in ("cpuset.cpus", "cpuset.mems"):
                with contextlib.suppress(OSError):
                    (directory / key).write_text((self.host.v1["cpuset"] / key).read_text())

    def _limits(self, memory_mb: int, vcpus: int) -> list[tuple[Path, str]]:
        """A machine of two processors has twice as much of a busy host as one of one: its threads are as many."""
        memory, quota = str(memory_mb << 20), vcpus * 100_000
        if not self.v1:
            limits = {"memory.max": memory, "cpu.max": f"{quota} 100000", "cpu.weight": str(100 * vcpus)}
            own = [(self.unified / key, value) for key, value in (limits | {"pids.max": str(_PIDS)}).items()]
            return [(self.unified.parent / "cpu.weight", str(100 * _WEIGHT)), *own]
        limits = [
            ("memory", "memory.limit_in_bytes", memory),
            ("cpu", "cpu.cfs_quota_us", str(quota)),
            ("cpu", "cpu.shares", str(1024 * vcpus)),
            ("pids", "pids.max", str(_PIDS)),
        ]
        own = [(self.v1[c] / key, value) for c, key, value in limits if c in self.v1]
        return [(self.v1["cpu"].parent / "cpu.shares", str(1024 * _WEIGHT)), *own] if "cpu" in self.v1 else own

    def leaf_directories(self, leaf: str) -> list[Path]:
        """What a process writes `0` to the `cgroup.procs` of, to live in `leaf`."""
        return [directory / leaf for directory in self._directories()]

    def remove(self) -> None:
        """Remove the empty group everywhere; the kernel may need a moment after the last process."""
        for directory in self._directories():
            remove_tree(directory)

    # ---- looking
    def event(self, key: str) -> bool:
        """`populated` or `frozen` of cgroup.events; False for a group that does not exist."""
        words = _read(self.unified / "cgroup.events").split()
        return dict(zip(words[::2], words[1::2], strict=False)).get(key) == "1"

    @property
    def populated(self) -> bool:
        """Whether any process lives in the group."""
        return self.event("populated")

    @property
    def frozen(self) -> bool:
        """Whether every process in it stands still.

        One that waits for a file system that is served by another of them waits for ever, and cannot be frozen before
        it has its answer: it stands still too, and is frozen then before it runs on.
        """
        return self.event("frozen") or (
            _read(self.unified / "cgroup.freeze").strip() == "1" and not any(map(_may_run, self.pids()))
        )

    def pids(self) -> list[int]:
        """All processes of the group, as the host counts them."""
        return [int(pid) for d, _, _ in os.walk(self.unified) for pid in _read(Path(d) / "cgroup.procs").split()]

    def usage(self) -> Usage:
        """What the group uses now."""
        if not self.v1:
            stat, cpu = _table(self.unified / "memory.stat"), _table(self.unified / "cpu.stat")
            return Usage(stat.get("anon", 0), stat.get("file", 0), cpu.get("usage_usec", 0) * 1000)
        stat = _table(self.v1["memory"] / "memory.stat") if "memory" in self.v1 else {}
        used = _read(self.v1["cpuacct"] / "cpuacct.usage") if "cpuacct" in self.v1 else ""
        return Usage(stat.get("total_rss", 0), stat.get("total_cache", 0), int(used or 0))

    # ---- acting
    def freeze(self, frozen: bool, timeout: float = 10.0) -> None:
        """Stop or go on, and wait until it is so. Raises LabError after `timeout` seconds."""
        (self.unified / "cgroup.freeze").write_text("1" if frozen else "0")
        end = time.monotonic() + timeout
        while self.frozen != frozen:
            if time.monotonic() > end:
                raise LabError(f"{self.name}: not {'frozen' if frozen else 'thawed'} after {timeout:g} s")
            time.sleep(_POLL)

    def kill(self, timeout: float = 15.0) -> None:
        """End every process, frozen ones too. Raises LabError if some survive `timeout` seconds."""
        if not self.unified.is_dir():
            return
        end = time.monotonic() + timeout
        self._kill_once()
        while self.populated:
            if time.monotonic() > end:
                raise LabError(f"{self.name}: processes survive SIGKILL: {self.pids()}")
            time.sleep(_POLL)
            self._kill_once()
        with contextlib.suppress(OSError):
            (self.unified / "cgroup.freeze").write_text("0")

    def _kill_once(self) -> None:
        switch = self.unified / "cgroup.kill"
        if switch.exists():
            with contextlib.suppress(FileNotFoundError):
                switch.write_text("1")
            return
        for pid in self.pids():  # kernels before 5.14
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _may_run(pid: int) -> bool:
    """Whether a thread of a process is running or about to; the freezer has stopped those that slept lightly."""
    states = (_read(each / "stat").rpartition(")")[2].split()[:1] for each in Path(f"/proc/{pid}/task").glob("*"))
    return any(state == ["R"] for state in states)


def remove_tree(directory: Path, attempts: int = 25) -> bool:
    """Remove a cgroup directory and all below it, deepest first; True if nothing is left."""
    for _ in range(attempts):
        below = [Path(d) for d, _, _ in os.walk(directory, topdown=False)]
        for path in below:
            with contextlib.suppress(OSError):
                path.rmdir()
        if not directory.exists():
            return True
        time.sleep(0.02)
    return False


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _table(path: Path) -> dict[str, int]:
    words = _read(path).split()
    return {key: int(value) for key, value in zip(words[::2], words[1::2], strict=False)}
