"""When writes are due: every multiple of a period on the wall clock, so that all workers and probes share instants."""

from __future__ import annotations

import math


def tick(wall: float, every: float) -> int:
    """The number of the last instant of the grid that is not after `wall`."""
    return math.floor(wall / every + 1e-6)  # what floats lose of 0.1 s since 1970 is far less


def due(last: int, wall: float, every: float, most: int) -> range:
    """The ticks that came since `last`, at most the `most` latest.

    None are skipped because this process was late: a write is due whatever the one who makes it does. A clock that is
    set back yields an empty range that ends at its new place, so that the grid goes on from there.
    """
    now = tick(wall, every)
    return range(max(min(last, now) + 1, now - most + 1), now + 1)
