"""How every benchmark tells its figures: beside the target, as a ratio of it, for a machine that does nothing else."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


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


class Promises:
    """The figures of one benchmark, told as they come to be known; those beyond their targets once more at the end."""

    def __init__(self) -> None:
        self.broken: list[str] = []

    def measured(self, label: str, figure: float, target: float, unit: str) -> None:
        """A figure that should be no more than its target."""
        say(told(label, figure, target, unit))
        if figure > target:
            self.broken.append(label)

    def timed(self, label: str, target: float, act: Callable[[], T]) -> T:
        """Do it, and tell how many seconds it took."""
        began = time.monotonic()
        done = act()
        self.measured(label, time.monotonic() - began, target, "s")
        return done

    def exit_code(self) -> int:
        """1 if any promise is broken, and which is said."""
        if self.broken:
            say(f"not kept: {'; '.join(self.broken)}")
        return int(bool(self.broken))
