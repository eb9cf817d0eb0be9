"""What a brick's own file system holds of the storage canary's files: the other half of an audit."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from chaosjc.canary.brick import LocalBrick
from chaosjc.canary.files import SHELVES
from chaosjc.canary.watch import Unknown
from chaosjc.canary.web import Query, Reply
from chaosjc.errors import ChaosJCError

PATIENCE = 8.0  # seconds for one answer: the first has to read every file
PREFIX = "/audit/"
_REQUEST = re.compile(r"([a-z][a-z0-9-]{0,39})/\.chaosjc/([a-z][a-z0-9-]{0,39})")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_LINK_MODE, _LINK_MARK = 0o1000, "trusted.glusterfs.dht.linkto"

Key = tuple[int, int, int]
"""Inode, time of change in ns, size: a file that has the same three has the same bytes."""


@dataclass
class Replica:
    """A brick, and the digests of its canaries' files as far as they have not changed."""

    brick: LocalBrick
    _digests: dict[str, dict[Key, str]] = field(default_factory=dict[str, dict[Key, str]])

    def look(self, worker: str) -> dict[str, object]:
        """{"pending", "arbiter", "files": {name: SHA-256 hex, or null on an arbiter}} of one worker's directories.

        `pending` is the larger of before and after, so that 0 holds for all that was read between. No directory, no
        files. Raises Unknown, or OSError of the brick's file system.
        """
        arbiter, before = self.brick.arbiter(), self.brick.pending()
        files = self._files(worker, arbiter=arbiter)
        return {"pending": max(before, self.brick.pending()), "arbiter": arbiter, "files": files}

    def _files(self, worker: str, *, arbiter: bool) -> dict[str, str | None]:
        known, seen = self._digests.get(worker, {}), dict[Key, str]()
        found: dict[str, str | None] = {}
        for shelf in range(SHELVES):
            with contextlib.ExitStack() as stack:
                directory = self._enter(stack, worker, f"{shelf:x}")
                if directory is None:
                    continue
                for name, key in _listed(stack, directory):
                    with contextlib.suppress(FileNotFoundError):  # its time had come
                        if not arbiter:
                            seen[key] = known.get(key) or _digest(name, directory)
                        found[name] = seen.get(key)
        self._digests[worker] = seen
        return found

    def _enter(self, stack: contextlib.ExitStack, *steps: str) -> int | None:
        """Step by step, and never through a symbolic link: users of the volume can write one."""
        directory: int | None = None
        for step in (self.brick.path, ".chaosjc", *steps):
            try:
                directory = os.open(step, _DIRECTORY, dir_fd=directory)
            except FileNotFoundError:
                return None
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOTDIR):
                    raise Unknown(f"{step}: not a directory") from error
                raise
            stack.callback(os.close, directory)
        return directory


class Audits:
    """The route /audit/VOLUME/.chaosjc/WORKER: one look at a time at each brick, and no longer than 8 s each."""

    def __init__(self, replicas: dict[str, Replica]) -> None:
        self._replicas = replicas
        self._busy = {volume: threading.Lock() for volume in replicas}

    def __call__(self, rest: str, query: Query) -> Reply:
        """200 with the answer; 404 for what is no such thing; 503 with the reason where it cannot be told."""
        del query
        match = _REQUEST.fullmatch(rest)
        if not match or match[1] not in self._replicas:
            return Reply(404, {"reason": "ask for VOLUME/.chaosjc/WORKER, of a volume with a brick on this machine"})
        volume, worker = match.groups()
        return self._look(volume, lambda: self._replicas[volume].look(worker))

    def _look(self, volume: str, look: Callable[[], dict[str, object]]) -> Reply:
        """In a thread that may be left behind, since nothing ends a look at a file system that hangs."""
        replies: list[Reply] = []
        lock = self._busy[volume]
        if not lock.acquire(timeout=PATIENCE):
            return Reply(503, {"reason": "an earlier look at the brick has not ended"})

        def work() -> None:
            try:
                replies.append(_reply(look))
            finally:
                lock.release()

        thread = threading.Thread(target=work, name=f"audit of {volume}", daemon=True)
        thread.start()
        thread.join(PATIENCE)
        return replies[0] if replies else Reply(503, {"reason": f"no answer from the brick's disk in {PATIENCE:g} s"})


def _reply(look: Callable[[], dict[str, object]]) -> Reply:
    try:
        return Reply(200, look())
    except (ChaosJCError, OSError) as error:
        return Reply(503, {"reason": str(error)})


def _listed(stack: contextlib.ExitStack, directory: int) -> Iterator[tuple[str, Key]]:
    """The files of a directory but those whose name begins with a dot: nobody has acknowledged them yet."""
    for entry in stack.enter_context(os.scandir(directory)):
        if entry.name.startswith("."):
            continue
        with contextlib.suppress(FileNotFoundError):
            status = entry.stat(follow_symlinks=False)
            if _is_file(status, f"/proc/self/fd/{directory}/{entry.name}"):
                yield entry.name, (status.st_ino, status.st_ctime_ns, status.st_size)


def _is_file(status: os.stat_result, path: str) -> bool:
    """A regular file, and not one that only says on which other brick the file is."""
    if not stat.S_ISREG(status.st_mode):
        return False
    return not (stat.S_IMODE(status.st_mode) == _LINK_MODE and status.st_size == 0 and _is_marked(path))


def _is_marked(path: str) -> bool:
    try:
        os.getxattr(path, _LINK_MARK, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return False
        raise
    return True


def _digest(name: str, directory: int) -> str:
    descriptor = os.open(name, _FILE, dir_fd=directory)
    with os.fdopen(descriptor, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
