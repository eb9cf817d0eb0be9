"""How every benchmark tells its figures: beside the target, as a ratio of it, for a machine that does nothing else."""

from __future__ import annotations

import os
import sys


def say(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def told(label: str, figure: float, target: float, unit: str) -> str:
    """`planning over 100,000 targets   1.2 s   target 2 s   ratio 0.60`: 1 is just what was promised."""
    return f"{label:48} {figure:8.4g} {unit:3} target {target:6g} {unit:3} ratio {figure / target:.2f}"


def busy() -> str:
    """How many processes wanted a processor during the last minute: with more than there are, times are not ours."""
    return f"load of the last minute {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
