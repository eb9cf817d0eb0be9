"""Locks that the kernel frees with their holder: who runs a run, and who undoes a step."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Generator
from pathlib import Path


class Locks:
    """Lock files in a directory beside the journal."""

    def __init__(self, journal: Path) -> None:
        self._directory = journal.parent / "locks"

    @contextlib.contextmanager
    def held(self, name: str, *, wait: bool = True) -> Generator[bool]:
        """Hold a lock for the length of the block; yields False, at once, where another has it and `wait` is off."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._directory / re.sub(r"[^A-Za-z0-9._-]", "_", name)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True
        finally:
            os.close(descriptor)


def run_lock(run: str) -> str:
    """Held by the process of a run as long as it lives; whoever gets it next knows that the run is over."""
    return f"{run}.run"


def undo_lock(run: str, step: str) -> str:
    """Held by the one process, and the one thread of it, that undoes a step."""
    return f"{run}.{step}.undo"
