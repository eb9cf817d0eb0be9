"""What a lab shows on the host, and how each of it is taken away. Trusts nothing but the host and the lab's tag and
paths.

`look` reads, `plan` decides (pure), `clear` acts and looks again until nothing is left: the kernel lets go of mounts
and loop devices some time after it was told to.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from chaosjc.drivers.command import run
from chaosjc.errors import LabError
from chaosjc.lab.layout import Lab
from chaosjc.lab.machine import disks
from chaosjc.lab.machine.cgroup import Cgroup, Hierarchies, remove_tree
from chaosjc.lab.machine.network import Names

NAMESPACES = Path("/run/netns")
LINKS = Path("/sys/class/net")
_PATIENCE = 120.0  # a namespace made by another program pins our mounts for as long as it lives
_LAZY_AFTER, _PAUSE = 3.0, 0.05


@dataclass(frozen=True)
class Seen:
    """One lab's things on the host."""

    processes: tuple[int, ...] = ()
    groups: tuple[Path, ...] = ()
    links: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    mounts: tuple[Path, ...] = ()
    loops: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()

    def __bool__(self) -> bool:
        return self != Seen()


@dataclass(frozen=True)
class Removal:
    """One act; `what` names a field of Seen."""

    what: str
    name: str


def plan(seen: Seen) -> list[Removal]:
    """In which order: processes first, since they hold all else; bridges after ports; mounts from the top."""
    acts: list[tuple[str, list[str]]] = [
        ("processes", [str(pid) for pid in seen.processes]),
        ("links", sorted(seen.links, key=lambda link: ("-" in link, link))),  # bridges after their ports
        ("namespaces", sorted(seen.namespaces)),
        ("tables", sorted(seen.tables)),
        ("mounts", [str(path) for path in reversed(seen.mounts)]),
        ("loops", [str(path) for path in sorted(seen.loops)]),
        ("groups", [str(path) for path in sorted(seen.groups)]),
        ("files", [str(path) for path in sorted(seen.files)]),
    ]
    return [Removal(what, name) for what, names in acts for name in names]


def look(lab: Lab) -> Seen:
    """What is there now."""
    names = Names(lab.tag)
    return Seen(
        processes=tuple(sorted(Cgroup(names.cgroup).pids())),
        groups=tuple(Hierarchies.of_host().groups(names.cgroup)),
        links=tuple(link for link in os.listdir(LINKS) if names.is_link(link)),
        namespaces=tuple(n for n in _listed(NAMESPACES) if n.startswith(f"{lab.tag}-")),
        tables=tuple(t for t in (names.table,) if f"table bridge {t}\n" in run(["nft", "list", "tables"]).stdout),
        mounts=tuple(disks.mounts(lab.private)),
        loops=tuple(disks.loop_devices(lab.private)),
        files=tuple(f for f in (names.lock,) if f.exists()),
    )


def _listed(directory: Path) -> list[str]:
    return os.listdir(directory) if directory.is_dir() else []


def clear(lab: Lab, progress: Callable[[str], None] = lambda _: None) -> None:
    """Take away everything that is the lab's on the host, except its files. Raises LabError naming what stays."""
    names = Names(lab.tag)
    acts: dict[str, Callable[[str], object]] = {
        "links": lambda name: run(["ip", "link", "del", name], check=False),
        "namespaces": lambda name: run(["ip", "netns", "del", name], check=False),
        "tables": lambda name: run(["nft", "delete", "table", "bridge", name], check=False),
        "mounts": lambda name: run(["umount", name], check=False),
        "loops": lambda name: run(["losetup", "-d", name], check=False),
        "groups": lambda name: remove_tree(Path(name)),
        "files": lambda name: Path(name).unlink(missing_ok=True),
    }
    end, began = time.monotonic() + _PATIENCE, time.monotonic()
    while seen := look(lab):
        if seen.processes:
            progress(f"ending {len(seen.processes)} processes")
            Cgroup(names.cgroup).kill()
        for removal in plan(seen):
            if removal.what in acts:
                acts[removal.what](removal.name)
        if time.monotonic() - began > _LAZY_AFTER:
            _detach_mounts(lab)
            if held := users_of(seen.loops):
                progress(f"waiting for process {held[0]}, which still sees a mount of the lab")
        if time.monotonic() > end:
            raise LabError(_what_stays(lab, seen), hint="end what uses it, then run the same command again")
        time.sleep(_PAUSE)


def _detach_mounts(lab: Lab) -> None:
    """Somebody sits in a mount of the lab, a shell perhaps: take the mount from under it."""
    for path in reversed(disks.mounts(lab.private)):
        run(["umount", "-l", str(path)], check=False)


def users_of(loops: Iterable[Path]) -> list[int]:
    """Processes of other mount namespaces that came into being while a loop device was mounted, and keep it so."""
    devices = {f" {os.major(n)}:{os.minor(n)} " for path in loops if path.exists() for n in (path.stat().st_rdev,)}
    found: list[int] = []
    for file in Path("/proc").glob("[0-9]*/mountinfo"):
        with contextlib.suppress(OSError):
            text = file.read_text()
            if any(device in text for device in devices):
                found.append(int(file.parent.name))
    return sorted(found)


def _what_stays(lab: Lab, seen: Seen) -> str:
    left = ", ".join(f"{r.what} {r.name}" for r in plan(seen))
    users = ", ".join(map(str, users_of(seen.loops))) or "none"
    return f"lab {lab.name}: cannot remove {left} (used by processes: {users})"
