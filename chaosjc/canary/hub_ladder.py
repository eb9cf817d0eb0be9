"""The rungs that cost a server: spawn, kernel, cell, home, stop; one climb at a time, each rung with its own limit.

A rung that the climb did not get to failed for a user: it counts as `unreached`. A climb that the hub throttles counts
as throttled and as nothing else; the server that it may leave is stopped before the next one is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable

from chaosjc.canary import grid
from chaosjc.canary.hub_api import Hub
from chaosjc.canary.hub_channels import Channels, opened
from chaosjc.canary.hub_config import Config
from chaosjc.canary.hub_figures import LADDER, Figures
from chaosjc.canary.hub_http import Failure, Throttled
from chaosjc.canary.hub_pace import measured

WRITE = """
import os, pathlib
def _chaosjc():
    path = pathlib.Path.home() / ".chaosjc-canary"
    with open(path, "w") as file:
        file.write({nonce!r})
        file.flush()
        os.fsync(file.fileno())
    print(path.read_text())
_chaosjc()
"""
"""As a user's cell would; the file stays, and is one."""

AGAIN = 1.0  # seconds between two climbs while they fail
LOG = logging.getLogger(__name__)


class Ladder:
    """The server of user PREFIXladder."""

    def __init__(self, hub: Hub, config: Config, figures: Figures) -> None:
        self._hub, self._config, self._figures = hub, config, figures
        self.user = f"{config.prefix}ladder"
        self._kernel = ""
        self._channels: Channels | None = None
        self._climbed, self._owed = False, False

    @property
    def pace(self) -> float:
        """Seconds of the grid on which the next climb is due.

        The first is soon, and so is the next after a fall: with its success the outage ends, and is measured.
        """
        every = self._config.every.ladder
        return every if self._climbed else min(every, AGAIN)

    async def run(self) -> None:
        """Until cancelled; what fell due during a climb is left out."""
        wait = 0.0
        while True:
            pace = self.pace
            due = (grid.tick(time.time() + wait, pace) + 1) * pace
            await asyncio.sleep(due - time.time())
            wait = await self.climb(time.monotonic() - max(time.time() - due, 0.0))

    async def climb(self, due: float) -> float:
        """Once, from when it was due; how many seconds the hub wants to be left alone."""
        if self._owed:
            wait = await self._leave(reached=False)
            if wait:
                return wait
            due = due if self._owed else time.monotonic()  # a hub that is away is an outage since it was due
        steps: dict[str, Callable[[], Awaitable[None]]] = {
            "spawn": self._spawn,
            "kernel": self._start_kernel,
            "cell": self._execute,
            "home": self._write,
        }
        left, self._climbed = list[str](LADDER), True
        try:
            for rung, step in steps.items():
                await self._measure(rung, due, step)
                left.remove(rung)
                due = time.monotonic()
        except Failure as failure:
            self._climbed = False
            LOG.warning("%s: %s", left[0], failure.message)
            self._miss(due, left[1:] if "spawn" in left else left[1:-1])
        except Throttled as throttled:
            self._owed = self._owed or "spawn" not in left
            return throttled.wait
        finally:
            await self._disconnect()
        return await self._leave(reached="spawn" not in left)

    async def _leave(self, *, reached: bool) -> float:
        """Stop the server: a rung where there was one, tidiness where there may be one."""
        with contextlib.suppress(Failure):
            try:
                if reached:
                    await self._measure("stop", time.monotonic(), self._stop)
                else:
                    await self._stop()
                self._owed = False
            except Throttled as throttled:
                self._owed = True
                return throttled.wait
        return 0.0

    async def _measure(self, rung: str, due: float, step: Callable[[], Awaitable[None]]) -> None:
        await measured(self._figures.rungs[rung, self._config.way], self._figures.pace, due, step())

    def _miss(self, due: float, rungs: list[str]) -> None:
        now = time.monotonic()
        for rung in rungs if self._figures.pace.ran(due) else ():
            self._figures.rungs[rung, self._config.way].bad(now, now, "unreached")

    async def _spawn(self) -> None:
        await self._hub.spawn(self.user, {}, self._config.limits.spawn)

    async def _start_kernel(self) -> None:
        self._kernel = await self._hub.start_kernel(self.user, self._config.kernel, self._config.limits.kernel)

    async def _execute(self) -> None:
        limit = self._config.limits.cell
        try:
            async with asyncio.timeout(limit):
                self._channels = await opened(self._hub, self.user, self._kernel, limit)
                one, two = secrets.randbelow(1000), secrets.randbelow(1000)
                if await self._channels.run(f"print({one} * {two})", limit) != f"{one * two}\n":
                    raise Failure("wrong", "another product")
        except TimeoutError:
            raise Failure("timeout", "no cell was executed") from None

    async def _write(self) -> None:
        assert self._channels is not None  # noqa: S101 - the rung below made it
        nonce = secrets.token_hex(16)
        if await self._channels.run(WRITE.format(nonce=nonce), self._config.limits.home) != f"{nonce}\n":
            raise Failure("wrong", "the home does not hold what was written")

    async def _stop(self) -> None:
        await self._hub.stop(self.user, self._config.limits.stop)

    async def _disconnect(self) -> None:
        if self._channels:
            await self._channels.close()
        self._channels, self._kernel = None, ""
