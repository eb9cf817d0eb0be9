"""What a child of the canary does on the mount: every call here may hang for as long as the volume does.

A request is a list of a verb and its arguments; what it returns travels as JSON. Every failure is an OSError.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import select
from collections.abc import Sequence
from typing import Any

SIZE = 4096  # bytes of a write
PAGE = 1000  # names that `names` returns at once
SHELVES = 16  # directories for the files of a VM: those who write at once then seldom wait for each other's directory
NUMBER = re.compile(r"\d{10}")  # of a write, in the name of its file


def payload(volume: str, vm: str, seq: int) -> bytes:
    """The bytes of a write: a line that says what it is, and bytes that only it has."""
    header = f"chaosjc {volume} {vm} {seq:010d}\n".encode()
    return header + hashlib.shake_256(header).digest(SIZE - len(header))


def digest(volume: str, vm: str, seq: int) -> str:
    """SHA-256 of that write, as hex."""
    return hashlib.sha256(payload(volume, vm, seq)).hexdigest()


def temporary(file: str) -> str:
    """The name under which a write begins. GlusterFS hashes it as the final name, so that a rename moves nothing."""
    return f".{file}.new"


def shelf(file: str) -> str:
    """The directory of a file: its number's last hex digit."""
    return f"{int(NUMBER.findall(file)[0]) % SHELVES:x}"


def type_at(point: str, mountinfo: str) -> str:
    """Type of the file system mounted at `point`, the topmost; empty where none is. `mountinfo` as in /proc."""
    found = ""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        if _unescaped(before.split(" ")[4]) == point:
            found = after.split(" ")[0]
    return found


class Mount:
    """Whether the volume is mounted, from the kernel's own list: asking does not touch the mount."""

    def __init__(self, point: str, types: Sequence[str]) -> None:
        self._point, self._types = point, types
        self._list = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)  # for as long as the process lives
        self._changes = select.poll()
        self._changes.register(self._list, select.POLLERR | select.POLLPRI)
        self._type = self._look()

    @property
    def there(self) -> bool:
        """Whether a file system of the right type is at the mount point now."""
        if self._changes.poll(0):
            self._type = self._look()
        return self._type in self._types

    def check(self) -> None:
        """Raises ENOTCONN where it is not: the directory below must not be written to."""
        if not self.there:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    def _look(self) -> str:
        os.lseek(self._list, 0, os.SEEK_SET)
        text = b"".join(iter(lambda: os.read(self._list, 65536), b""))
        return type_at(self._point, text.decode("utf-8", "surrogateescape"))


class Files:
    """The canary's files of one volume: MOUNT/.chaosjc/VM/SHELF/SEQ."""

    def __init__(self, volume: str, point: str, types: Sequence[str]) -> None:
        self._volume, self._point = volume, point
        self._mount = Mount(point, types)

    def answer(self, request: Sequence[Any]) -> Any:
        """Do what was asked. Raises OSError."""
        verb, *arguments = request
        self._mount.check()
        return {"write": self.write, "read": self.read, "unlink": self.unlink, "names": self.names}[verb](*arguments)

    def write(self, vm: str, seq: int) -> None:
        """Return once the write is as durable as the volume can make it."""
        file = f"{seq:010d}"
        directory = f"{self._directory(vm)}/{shelf(file)}"
        new = f"{directory}/{temporary(file)}"
        try:
            descriptor = _create(new)
        except FileNotFoundError:  # the first one there
            self._mount.check()
            os.makedirs(directory, exist_ok=True)
            descriptor = _create(new)
        try:
            _write_whole(descriptor, payload(self._volume, vm, seq))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(new, f"{directory}/{file}")
        with _opened(directory, os.O_RDONLY | os.O_DIRECTORY) as opened:
            os.fsync(opened)

    def read(self, vm: str, file: str) -> str:
        """SHA-256 of a file as this mount has it."""
        with _opened(f"{self._directory(vm)}/{shelf(file)}/{file}", os.O_RDONLY) as opened:
            found = hashlib.sha256()
            while data := os.read(opened, 16 * SIZE):
                found.update(data)
        return found.hexdigest()

    def unlink(self, vm: str, names: list[str]) -> None:
        """Remove files, whether they are there or not."""
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self._directory(vm)}/{shelf(name)}/{name}")

    def names(self, vm: str, after: str) -> list[str]:
        """The next names that follow `after`, sorted: PAGE of them, fewer at the end."""
        found: list[str] = []
        for number in range(SHELVES):
            with contextlib.suppress(FileNotFoundError):
                found += os.listdir(f"{self._directory(vm)}/{number:x}")
        return sorted(name for name in found if name > after)[:PAGE]

    def _directory(self, vm: str) -> str:
        return f"{self._point}/.chaosjc/{vm}"


def _create(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)


def _write_whole(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


@contextlib.contextmanager
def _opened(path: str, flags: int) -> Any:
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _unescaped(field: str) -> str:
    """mountinfo writes blanks, tabs, newlines and backslashes as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)
