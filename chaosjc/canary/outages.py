"""How long something was out, from the answers of probes that were sent open loop. Pure.

A probe that failed says: from when it was due, nobody was served until the first good answer to a probe that was due
later. An outage is a stretch of such time; stretches that touch are one. So a service that hangs for 5 s is out for 5 s
although the probes that were due in its last seconds got their answers within their limit, and although the failures
are known only once the limit is over.
"""

from __future__ import annotations

from collections import deque

from chaosjc.canary.stalls import Stretch, merged


class Outages:
    """Fed with outcomes in the order in which they come to be known; all times in seconds of one monotonic clock.

    `limit`: the seconds after which a probe has failed at the latest. Neither figure ever goes back.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._good: deque[Stretch] = deque()  # of a time in which a failure may still become known
        self._ended: list[Stretch] = []  # they may still grow
        self._open: Stretch | None = None  # dues of the first and of the last failure
        self._over, self._seconds = 0, 0.0  # what cannot change any more
        self._most, self._longest = 0, 0.0

    def good(self, due: float, at: float) -> None:
        """A probe that was due then was answered well."""
        self._good.append((due, at))
        if self._open and due > self._open[1]:
            self._ended = merged([*self._ended, (self._open[0], at)])
            self._open = None
        self._settle(at)

    def bad(self, due: float, at: float) -> None:
        """A probe that was due then failed."""
        served = min((answer for sent, answer in self._good if sent > due), default=None)
        if served is not None:
            self._ended = merged([*self._ended, (due, max(served, due))])
        else:
            first, last = self._open or (due, due)
            self._open = (min(first, due), max(last, due))
        self._join()
        self._settle(at)

    def since(self) -> float | None:
        """When the present outage began; None while there is none."""
        return self._open[0] if self._open else None

    def age(self, now: float) -> float:
        """Of the present outage; 0 while there is none."""
        return max(now - self._open[0], 0.0) if self._open else 0.0

    def count(self) -> int:
        """Outages that began."""
        self._most = max(self._most, self._over + len(self._ended) + (self._open is not None))
        return self._most

    def seconds(self, now: float) -> float:
        """Length of all of them, the present one included."""
        ended = sum(end - start for start, end in self._ended)
        self._longest = max(self._longest, self._seconds + ended + self.age(now))
        return self._longest

    def _join(self) -> None:
        while self._open and self._ended and self._ended[-1][1] >= self._open[0]:
            self._open = (min(self._ended.pop()[0], self._open[0]), self._open[1])

    def _settle(self, now: float) -> None:
        """No failure that comes to be known from now on was due before `then`."""
        then = now - 2 * self._limit
        while self._good and self._good[0][1] < then:
            self._good.popleft()
        for start, end in [each for each in self._ended if each[1] < then]:
            self._over, self._seconds = self._over + 1, self._seconds + end - start
        self._ended = [each for each in self._ended if each[1] >= then]
