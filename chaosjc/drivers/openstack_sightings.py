"""Servers for several that wait for one each: one list serves them all, as each question makes Nova ask Neutron."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator

from chaosjc.clock import Clock
from chaosjc.drivers.openstack_values import Server


class Sightings:
    """What was seen of servers, and when. Safe to share between threads."""

    def __init__(self, one: Callable[[str], Server], everyone: Callable[[], tuple[Server, ...]], clock: Clock) -> None:
        self._one, self._everyone, self._clock = one, everyone, clock
        self._lock = threading.Lock()
        self._waiting = 0
        self._listed: dict[str, Server] = {}
        self._at = -1.0

    @contextlib.contextmanager
    def waiting(self) -> Generator[Callable[[str, float], Server]]:
        """How one who waits looks: at a server, as it was at most so many seconds ago, and never before he waited.

        Who waits alone asks for that server, others share a list. Raises as those who ask do.
        """
        began = self._clock.monotonic()
        with self._lock:
            self._waiting += 1
        try:
            yield lambda uuid, age: self._look(uuid, max(began, self._clock.monotonic() - age))
        finally:
            with self._lock:
                self._waiting -= 1

    def _look(self, uuid: str, since: float) -> Server:
        with self._lock:
            if self._waiting > 1:
                if self._at < since:
                    at, listed = self._clock.monotonic(), self._everyone()
                    self._at, self._listed = at, {each.id: each for each in listed}
                if found := self._listed.get(uuid):
                    return found
        return self._one(uuid)
