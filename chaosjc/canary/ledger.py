"""Acknowledged writes, on the worker's own disk: what audits compare the volume with.

A log of records of fixed width, each begun by a newline, so that one torn by a crash or a full disk spoils no other:

    + SEQ SHA256 DUE ACKED      acknowledged; times in seconds since 1970
    - SEQ                       no longer kept: written, durably, before its file is unlinked
    = SEQ                       no write had this number or a higher one yet
    lost SEQ, corrupt SEQ       what an audit found, each number once

Numbers never repeat, hence the order of records means nothing, and a log can be rewritten while it grows.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from chaosjc.canary.audit import Harm
from chaosjc.errors import UsageError

RECORD = re.compile(
    r"\+ (?P<seq>\d{10}) (?P<sha256>[0-9a-f]{64}) (?P<due>\d+\.\d{6}) (?P<acked>\d+\.\d{6})"
    r"|(?P<verb>-|=|lost|corrupt) (?P<number>\d{10})"
)
BLOCK = 1000  # numbers reserved at once: a restart skips what is left of them
SLACK = 20_000  # records, beyond those that count, before the log is rewritten
EPOCH = 1_767_225_600  # 2026 began
PACE = 20  # numbers for each second since then: more than are written by default, and ten digits last until 2041


@dataclass(frozen=True)
class Entry:
    """One acknowledged write; times in seconds since 1970."""

    seq: int
    sha256: str
    due: float
    acked: float


@dataclass
class Contents:
    """What a log says."""

    entries: dict[int, Entry] = field(default_factory=dict[int, Entry])
    harm: dict[int, Harm] = field(default_factory=dict[int, Harm])
    reserved: int = 0
    records: int = 0


def parse(text: str) -> Contents:
    """Read a log; what is no whole record is skipped."""
    found, dropped = Contents(), set[int]()
    for line in text.split("\n"):
        record = RECORD.fullmatch(line)
        if record is None:
            continue
        found.records += 1
        if record["seq"]:
            seq = int(record["seq"])
            found.entries[seq] = Entry(seq, record["sha256"], float(record["due"]), float(record["acked"]))
        elif record["verb"] == "-":
            dropped.add(int(record["number"]))
        elif record["verb"] == "=":
            found.reserved = max(found.reserved, int(record["number"]))
        else:
            found.harm[int(record["number"])] = "lost" if record["verb"] == "lost" else "corrupt"
    for seq in dropped:
        found.entries.pop(seq, None)
    return found


def plus(entry: Entry) -> str:
    """The record of an acknowledged write."""
    return f"+ {entry.seq:010d} {entry.sha256} {entry.due:.6f} {entry.acked:.6f}"


def beginning(now: float) -> int:
    """The first number of a ledger that begins now.

    A VM that was made anew has no ledger, and the volume still has what it wrote before: under numbers that are lower.
    """
    return max(0, int((now - EPOCH) * PACE))


class Ledger:
    """Its methods change memory and append at once, so that nothing is lost with the process.

    `sync` makes it survive the machine; it and `rewrite` may run in another thread than the rest.
    """

    def __init__(self, path: Path, beginning: int = 0) -> None:
        """`beginning` is the first number where there is no log yet.

        Raises UsageError where the file cannot be had, or another canary writes it.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._files = [self._open(path)]
            contents = parse(path.read_text(encoding="ascii", errors="replace"))
        except BlockingIOError:
            raise UsageError(f"{path}: another canary writes this ledger", hint="stop it first") from None
        except OSError as error:
            raise UsageError(
                f"{path}: {error.strerror}", hint="the ledger must lie on a disk of this machine"
            ) from error
        self.entries, self.harm = contents.entries, contents.harm
        self.first = contents.reserved if contents.records else beginning
        self._next = self._reserved = self.first
        self._records = contents.records
        self._reserve()
        self.sync()

    def take(self) -> int:
        """A number that no write ever had. Raises OSError where none can be reserved any more."""
        if self._next + BLOCK // 2 > self._reserved:
            try:
                self._reserve()
            except OSError:
                if self._next >= self._reserved:
                    raise
        self._next += 1
        return self._next - 1

    def took(self, seq: int) -> bool:
        """Whether the number was taken since this ledger was opened."""
        return self.first <= seq < self._next

    def add(self, entry: Entry) -> None:
        """A write was acknowledged. Raises OSError where that cannot be noted: it is not audited then."""
        self._append([plus(entry)])
        self.entries[entry.seq] = entry

    def drop(self, numbers: Iterable[int]) -> None:
        """Keep these no longer; their files may be unlinked after the next `sync`."""
        gone = list(numbers)
        self._append([f"- {seq:010d}" for seq in gone])
        for seq in gone:
            del self.entries[seq]

    def note(self, harm: dict[int, Harm]) -> None:
        """What an audit found."""
        self.harm |= harm
        self._append([f"{what} {seq:010d}" for seq, what in harm.items()])

    def sync(self) -> None:
        """Return once all of it is on the disk."""
        for file in list(self._files):
            os.fdatasync(file)

    @property
    def bloated(self) -> bool:
        """Whether most of the log says nothing any more."""
        return self._records > 2 * len(self.entries) + SLACK

    def begin_rewrite(self) -> list[str]:
        """From here on records go to a new log too; returns those that it needs besides."""
        fresh = self._fresh
        fresh.unlink(missing_ok=True)
        self._files.append(self._open(fresh))
        harm = [f"{what} {seq:010d}" for seq, what in self.harm.items()]
        lines = [*map(plus, self.entries.values()), *harm, f"= {self._reserved:010d}"]
        self._records = len(lines)
        return lines

    def rewrite(self, lines: list[str]) -> None:
        """Complete the new log and put it in the old one's place."""
        _write(self._files[-1], lines)
        os.fdatasync(self._files[-1])
        os.rename(self._fresh, self.path)
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def end_rewrite(self, *, done: bool) -> None:
        """Go on with the new log alone, or with the old one where `rewrite` failed."""
        os.close(self._files.pop(0 if done else 1))

    def close(self) -> None:
        """Make it durable, and let another canary have it."""
        self.sync()
        for file in (*self._files, self._lock):
            os.close(file)

    @property
    def _fresh(self) -> Path:
        return self.path.with_suffix(".new")

    def _reserve(self) -> None:
        self._append([f"= {self._reserved + BLOCK:010d}"])
        self._reserved += BLOCK

    def _append(self, lines: list[str]) -> None:
        self._records += len(lines)
        for file in self._files:
            _write(file, lines)

    @staticmethod
    def _open(path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _write(file: int, lines: list[str]) -> None:
    data = "".join(f"\n{line}" for line in lines).encode("ascii")
    while data:
        data = data[os.write(file, data) :]
