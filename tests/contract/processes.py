"""Who is still there."""

from __future__ import annotations

import os
from pathlib import Path

from chaosjc.faults.command import MARK


def naming(text: str) -> list[int]:
    """The processes, this one excepted, in whose command line this stands."""
    return [pid for pid in _all() if text.encode() in _read(pid, "cmdline")]


def marked(run: str) -> list[int]:
    """The processes of a run's injects, undos and verifies."""
    return [pid for pid in _all() if f"{MARK}={run}/".encode() in _read(pid, "environ")]


def _all() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
