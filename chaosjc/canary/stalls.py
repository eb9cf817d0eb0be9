"""What a user of a mount calls a stall, computed from when each write was due and when it was answered.

A write is late when it is not answered within a second of its due time. A stall is a stretch of time in which a late
write waits, counted from that write's due time: it begins when the first late write was due, goes on while the backlog
is answered, and ends with the last late answer. Stretches that touch are one stall.

How bad it was for a user is another figure: the longest wait of one write. Where each of many writes takes 1.2 s, the
stall lasts for minutes and nobody waits longer than 1.2 s.

An error is an answer: it ends the waiting, and is counted apart. So an outage of errors that come at once is no stall,
and a write that hangs for 42 s before it fails is one of 42 s.
"""

from __future__ import annotations

from collections import deque

LATE = 1.0  # seconds

Stretch = tuple[float, float]


class Stalls:
    """Fed with events in the order in which they come to be known; all times in seconds of one monotonic clock.

    `count` and `seconds` are of the stalls that are over: no write that is still in flight can lengthen them.
    """

    def __init__(self, recent: float) -> None:
        """`recent` is for how many seconds an answer is remembered."""
        self._memory = recent
        self.count = 0
        self.seconds = 0.0
        self._inflight: dict[int, float] = {}
        self._open: list[Stretch] = []  # stretches of late writes, apart from each other, that may still grow
        self._recent: deque[Stretch] = deque()  # of all writes that were answered lately

    @property
    def inflight(self) -> int:
        """How many writes are due and not answered."""
        return len(self._inflight)

    def due(self, write: int, at: float) -> None:
        """A write became due; to be told before any answer at a later time."""
        self._inflight[write] = at

    def answered(self, write: int, at: float) -> None:
        """It was acknowledged, or failed."""
        due = self._inflight.pop(write)
        self._recent.append((due, at))
        if at - due > LATE:
            self._open = merged([*self._open, (due, at)])
        oldest = min(self._inflight.values(), default=at)
        over = [each for each in self._open if each[1] < oldest or not self._inflight]
        self._open = [each for each in self._open if each not in over]
        for start, end in over:
            self.count += 1
            self.seconds += end - start

    def oldest(self, now: float) -> float:
        """Age of the oldest write in flight, 0 if there is none."""
        return max(now - min(self._inflight.values(), default=now), 0.0)

    def longest(self, now: float) -> float:
        """The longest wait of a write that was answered of late, or waits still."""
        while self._recent and self._recent[0][1] < now - self._memory:
            self._recent.popleft()
        waits = (end - start for start, end in self._recent if end >= now - self._memory)
        return max(self.oldest(now), *waits, 0.0)


def merged(stretches: list[Stretch]) -> list[Stretch]:
    """The same time, as stretches that do not touch, in order."""
    found: list[Stretch] = []
    for start, end in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found
