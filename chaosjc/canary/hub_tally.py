"""How attempts of one kind ended: fed by the event loop, read by scrapes in threads of their own, which never wait."""

from __future__ import annotations

import threading

from chaosjc.canary.hub_http import REASONS
from chaosjc.canary.outages import Outages
from chaosjc.canary.series import Histogram


class Tally:
    """Of one rung through one entry, or of one worker's cells. Times in seconds of the monotonic clock.

    `limit`: after which an attempt has failed at the latest; what was seen longer than `fresh` ago says nothing of now.
    """

    def __init__(self, limit: float, fresh: float) -> None:
        self.successes = self.throttled = 0
        self.failures = dict.fromkeys(REASONS, 0)
        self.latency, self.outages = Histogram(), Outages(limit)
        self.answered: float | None = None  # when it last went well
        self.paused = 0.0  # until when nothing is to be asked
        self._fresh, self._told = fresh, float("-inf")
        self._inflight: dict[int, float] = {}
        self._number = 0
        self.lock = threading.Lock()

    def begin(self, due: float) -> int:
        """An attempt that was due then; its number is for `end`."""
        with self.lock:
            self._number += 1
            self._inflight[self._number] = due
            return self._number

    def end(self, number: int) -> None:
        """It is over, however it ended."""
        with self.lock:
            del self._inflight[number]

    def good(self, due: float, at: float) -> None:
        """It went well."""
        with self.lock:
            self.successes += 1
            self.latency.observe(at - due)
            self.outages.good(due, at)
            self.answered = self._told = at

    def bad(self, due: float, at: float, reason: str) -> None:
        """It failed."""
        with self.lock:
            self.failures[reason] += 1
            self.outages.bad(due, at)
            self._told = at

    def glimpse(self, due: float, at: float, *, well: bool) -> None:
        """It was a look at whether there is an outage, and counts as nothing else."""
        with self.lock:
            (self.outages.good if well else self.outages.bad)(due, at)

    def throttle(self, until: float) -> None:
        """The hub asked to wait: that is neither good nor bad."""
        with self.lock:
            self.throttled += 1
        self.pause(until)

    def pause(self, until: float) -> None:
        """Nothing is to be asked before."""
        self.paused = until

    def up(self, now: float) -> bool | None:
        """Whether no outage is under way; None where nothing new is known."""
        return self.outages.since() is None if now - self._told <= self._fresh else None

    def oldest(self, now: float) -> float:
        """Age of the oldest attempt under way, 0 if there is none."""
        return max(now - min(self._inflight.values(), default=now), 0.0)
