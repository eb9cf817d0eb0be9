"""Locks that the kernel frees with their holder: who runs a run, and who undoes a step."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Generator
from pathlib import Path

from chaosjc.errors import JournalError


class Locks:
    """Lock files in a directory beside the journal."""

    def __init__(self, journal: Path) -> None:
        self._directory = journal.parent / "locks"

    @contextlib.contextmanager
    def held(self, name: str, *, wait: bool = True) -> Generator[bool]:
        """Hold a lock for the length of the block; yields False, at once, where another has it and `wait` is off.

        Raises JournalError where the lock cannot be had at all.
        """
        path = self._directory / re.sub(r"[^A-Za-z0-9._-]", "_", name)
        with contextlib.ExitStack() as stack:
            try:
                self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                stack.callback(os.close, descriptor)
                free = _lock(descriptor, wait=wait)
            except OSError as error:
                raise JournalError(f"{path}: cannot be locked: {error.strerror}") from error
            yield free


def _lock(descriptor: int, *, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def run_lock(run: str) -> str:
    """Held by the process of a run as long as it lives; whoever gets it next knows that the run is over."""
    return f"{run}.run"


def undo_lock(run: str, step: str) -> str:
    """Held by the one process, and the one thread of it, that undoes a step."""
    return f"{run}.{step}.undo"
