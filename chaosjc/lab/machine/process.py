"""Processes told apart for certain: a pid may be reused, a pid with its start time is not."""

from __future__ import annotations

from pathlib import Path


def start_time(pid: int) -> int:
    """Clock ticks from boot to the process's start; 0 if there is no such process, or only its corpse."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    fields = stat.rpartition(")")[2].split()
    return 0 if fields[0] == "Z" else int(fields[19])


def alive(pid: int, started: int) -> bool:
    """Whether that very process still runs."""
    return started > 0 and start_time(pid) == started


def resident_mb(pid: int) -> int:
    """Resident memory in MiB; 0 if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) >> 10 for line in status.splitlines() if line.startswith("VmRSS:")), 0)
