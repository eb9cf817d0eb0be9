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
        with self._taken(name, wait=wait) as (_, free):
            yield free

    @contextlib.contextmanager
    def lent(self, name: str) -> Generator[int]:
        """Hold a lock by a descriptor: a child that inherits it holds on when this process lets go, or dies.

        Raises JournalError where another has it.
        """
        with self._taken(name, wait=False) as (descriptor, free):
            if not free:
                raise JournalError(f"{self._directory / name}: another process has it")
            yield descriptor

    def is_held(self, name: str) -> bool:
        """Whether somebody has it; makes nothing. Those who look share it, so that they take nobody of them for one."""
        path = self._path(name)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise JournalError(f"{path}: cannot be looked at: {error.strerror}") from error
        try:
            return not _flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        finally:
            os.close(descriptor)

    def _path(self, name: str) -> Path:
        return self._directory / re.sub(r"[^A-Za-z0-9._-]", "_", name)

    @contextlib.contextmanager
    def _taken(self, name: str, *, wait: bool) -> Generator[tuple[int, bool]]:
        path = self._path(name)
        with contextlib.ExitStack() as stack:
            try:
                self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                stack.callback(os.close, descriptor)
                free = _lock(descriptor, wait=wait)
            except OSError as error:
                raise JournalError(f"{path}: cannot be locked: {error.strerror}") from error
            yield descriptor, free


def _lock(descriptor: int, *, wait: bool) -> bool:
    return _flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def _flock(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        return False
    return True


def run_lock(run: str) -> str:
    """Held by the process of a run as long as it lives; whoever gets it next knows that the run is over."""
    return f"{run}.run"


def undo_lock(run: str, step: str) -> str:
    """Held by the one process, and the one thread of it, that undoes a step."""
    return f"{run}.{step}.undo"
