"""One brick, as its own machine sees it: process, port, index, file system and its own account of its work.

Everything is read from /proc and files, and one question goes to the brick's own port; no glusterd takes part, so that
nothing here waits for a lock of the cluster. Sources: GlusterFS 10.3 as observed.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chaosjc.canary.watch import Unknown

ANSWER = 2.0  # seconds within which a brick that is up answers: an idle one takes 0.5 ms
_ESTABLISHED = "01"
_GF_DUMP, _LIST_PROGRAMS = 123451501, 1
_BASE = re.compile(r"xattrop-[0-9a-f-]{36}")
_FOP = re.compile(r'"gluster\.brick\.[^"]*\.aggr\.fop\.(\w+)\.(count|latency_ave_usec)": ([0-9.]+)')


@dataclass(frozen=True)
class Space:
    """Bytes of a file system, and inodes (0 where it does not count them); what is free is so for its files."""

    free: int
    size: int
    free_inodes: int
    inodes: int


@dataclass(frozen=True)
class Places:
    """Where GlusterFS and the kernel keep what is read; a test has its own."""

    run: Path = Path("/var/run/gluster")
    state: Path = Path("/var/lib/glusterd")
    proc: Path = Path("/proc")


@dataclass(frozen=True)
class Fop:
    """A kind of file operation since the brick started; `average` in seconds."""

    name: str  # write, fsync, lookup, …
    count: int
    average: float


@dataclass(frozen=True)
class LocalBrick:
    """A brick of this machine; `vm` is the name under which the volume knows the machine."""

    volume: str
    vm: str
    path: str
    places: Places = Places()

    def port(self) -> int | None:
        """Where its process listens; None while no process of it runs.

        Raises Unknown where glusterd does not know the brick, or the pid file names another brick's process, as with
        brick multiplexing.
        """
        if not self._volfile.exists():
            raise Unknown(f"{self.path}: not a brick of volume {self.volume} yet")
        dashed = self.path.replace("/", "-")
        try:
            pid = int((self.places.run / "vols" / self.volume / f"{self.vm}{dashed}.pid").read_text())
            arguments = (self.places.proc / str(pid) / "cmdline").read_bytes().decode().split("\0")
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None
        if not arguments[0].endswith("glusterfsd"):
            return None  # the pid is another program's by now
        if _following(arguments, "--brick-name") != self.path:
            raise Unknown(f"{self.path}: process {pid} is another brick's")
        return int(_following(arguments, "--brick-port"))

    def clients(self, port: int) -> int:
        """Connections that its process has accepted and that are open at both ends."""
        lines = [line.split() for name in ("tcp", "tcp6") for line in self._sockets(name)]
        return sum(
            fields[3] == _ESTABLISHED and fields[9] != "0" and fields[1].endswith(f":{port:04X}") for fields in lines
        )

    def pending(self) -> int:
        """Entries that other bricks miss: the names in its index, which are hard links to a base file, but that one.

        Marks in the index `dirty` are left out: any write in progress has one. Raises Unknown where there is no brick.
        """
        try:
            names = os.listdir(self._inside / "indices" / "xattrop")
        except FileNotFoundError:
            raise Unknown(f"{self.path}: no index: no brick, or its disk is not mounted") from None
        return sum(not _BASE.fullmatch(name) for name in names)

    def space(self) -> Space:
        """What its file system has. Raises Unknown where there is no brick."""
        if not self._inside.is_dir():
            raise Unknown(f"{self.path}: no brick, or its disk is not mounted")
        found = os.statvfs(self.path)
        free, size = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
        return Space(free, size, found.f_favail, found.f_files)

    def arbiter(self) -> bool:
        """Whether it keeps names only, by its volfile. Raises Unknown where glusterd does not know the brick."""
        try:
            return "type features/arbiter" in self._volfile.read_text()
        except FileNotFoundError:
            raise Unknown(f"{self.path}: not a brick of volume {self.volume} yet") from None

    def dump(self) -> tuple[float, str]:
        """What it last wrote about itself (option diagnostics.stats-dump-interval), and when, in seconds since 1970.

        Raises Unknown where it wrote nothing.
        """
        wanted = f"glusterfsd_{_plain(self.path)}.dump"
        for found in (self.places.state / "stats").glob("glusterfsd_*.dump"):
            if _plain(found.name) == _plain(wanted):
                return found.stat().st_mtime, found.read_text()
        raise Unknown(f"{self.path}: no account of its work")

    @property
    def _inside(self) -> Path:
        return Path(self.path) / ".glusterfs"

    @property
    def _volfile(self) -> Path:
        dotted = self.path.strip("/").replace("/", "-")
        return self.places.state / "vols" / self.volume / f"{self.volume}.{self.vm}.{dotted}.vol"

    def _sockets(self, name: str) -> list[str]:
        with contextlib.suppress(FileNotFoundError):  # no tcp6 without IPv6
            return (self.places.proc / "net" / name).read_text().splitlines()[1:]
        return []


def answers(port: int, timeout: float = ANSWER) -> bool:
    """Whether the process behind a local port answers the question with which every client begins (GF-DUMP).

    A stopped process does not, though its kernel still accepts the connection. One that hangs up is alive too: it may
    not talk to ports above 1023.
    """
    body = struct.pack(">10IQ", 1, 0, 2, _GF_DUMP, 1, _LIST_PROGRAMS, 0, 0, 0, 0, 0)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
            connection.sendall(struct.pack(">I", 0x80000000 | len(body)) + body)
            connection.recv(4)
    except OSError:
        return False
    return True


def fops(dump: str, version: tuple[int, ...]) -> tuple[Fop, ...]:
    """All kinds that the brick has done at all, by name.

    What the dump calls microseconds are nanoseconds since GlusterFS 10, as in `volume profile`.
    """
    unit = 1e-9 if version >= (10,) else 1e-6
    found: dict[str, dict[str, float]] = {}
    for name, key, value in _FOP.findall(dump):
        found.setdefault(name, {})[key] = float(value)
    return tuple(
        Fop(name, int(values["count"]), values["latency_ave_usec"] * unit)
        for name, values in sorted(found.items())
        if _whole(values) and values["count"]
    )


def _whole(values: Mapping[str, float]) -> bool:
    """The brick may be writing the file right now."""
    return len(values) == 2


def _following(arguments: list[str], option: str) -> str:
    return arguments[arguments.index(option) + 1] if option in arguments else ""


def _plain(name: str) -> str:
    return re.sub(r"\W", "_", name)
