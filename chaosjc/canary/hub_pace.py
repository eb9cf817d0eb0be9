"""When attempts are due, and whether this process itself ran while one was under way: if not, it says nothing."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

from chaosjc.canary import grid
from chaosjc.canary.hub_http import Failure, Throttled
from chaosjc.canary.hub_tally import Tally

BEAT = 0.05  # seconds
LAG = 0.5  # seconds without a beat in which this process did not run: its machine was frozen, or starved it
NEGLIGIBLE = 0.1  # of an attempt's time: a hiccup in a long one does not make it worthless
KEPT = 1000  # stretches that are remembered

T = TypeVar("T")


class Pace:
    """Its own heart. Times in seconds of the monotonic clock; `clock` is for tests."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = self.resumed = clock()
        self._stretches: deque[tuple[float, float]] = deque(maxlen=KEPT)
        self.stood_still = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.beat()
            await asyncio.sleep(BEAT)

    def beat(self) -> None:
        """It runs; `resumed` becomes now if it did not."""
        now = self._clock()
        if now - self._last > LAG:
            self.stood_still += now - self._last
            self._stretches.append((self._last, now))
            self.resumed = now
        self._last = now

    def ran(self, since: float) -> bool:
        """Whether it ran from then until now, but for a small part of that."""
        self.beat()
        still = sum(max(end - max(start, since), 0.0) for start, end in self._stretches)
        return still <= NEGLIGIBLE * max(self._last - since, 0.0)


async def on_grid(every: float, act: Callable[[float], None]) -> None:
    """Call `act` at each instant of the grid, with the instant, until cancelled; what was due long ago is left out."""
    most, last = max(1, int(LAG / every)), grid.tick(time.time(), every)
    while True:
        wall, now = time.time(), time.monotonic()
        for number in grid.due(last, wall, every, most):
            act(now - (wall - number * every))
        last = grid.tick(wall, every)
        await asyncio.sleep((last + 1) * every - time.time())


async def measured(tally: Tally, pace: Pace, due: float, work: Awaitable[T]) -> T:
    """Do it and count how it ended, unless this process stood still meanwhile. Raises what the work raises."""
    number = tally.begin(due)
    try:
        done = await work
        if pace.ran(due):
            tally.good(due, time.monotonic())
    except Throttled as throttled:
        tally.throttle(time.monotonic() + throttled.wait)
        raise
    except Failure as failure:
        if pace.ran(due):
            tally.bad(due, time.monotonic(), failure.reason)
        raise
    finally:
        tally.end(number)
    return done


async def glimpsed(tally: Tally, pace: Pace, due: float, work: Awaitable[object]) -> None:
    """Do it for what it says of outages alone; never raises what the work raises."""
    number = tally.begin(due)
    try:
        await work
        well = True
    except Throttled as throttled:
        tally.pause(time.monotonic() + throttled.wait)
        return
    except Failure:
        well = False
    finally:
        tally.end(number)
    if pace.ran(due):
        tally.glimpse(due, time.monotonic(), well=well)
