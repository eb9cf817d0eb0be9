"""One persistent server on one worker, whose kernel executes a cell every second over one open connection.

It comes back by itself: it connects again to the kernel that it had, which must still hold what a variable of it was
set to; has a new kernel made where that is gone; and a new server where the hub lists none any more. While the hub or
the way to the server is away nothing can be told of either, and it tries again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time

from chaosjc.canary.hub_api import Hub
from chaosjc.canary.hub_channels import Channels, opened
from chaosjc.canary.hub_config import Config
from chaosjc.canary.hub_figures import Live
from chaosjc.canary.hub_http import Failure, Throttled
from chaosjc.canary.hub_life import Step
from chaosjc.canary.hub_pace import Pace, measured, on_grid

LOOK = 0.1  # seconds between two looks at the connection
TRY = 5.0  # seconds for a connection and the first cell on it: so that a way that is back is not waited for in vain
PAUSES: dict[Step, tuple[float, float]] = {"server": (1.0, 30.0), "kernel": (1.0, 5.0), "connection": (0.5, 0.5)}
"""Seconds before another try, doubled each time, and their most."""
VARIABLE = "_chaosjc"
LOG = logging.getLogger(__name__)


class LiveServer:
    """The server of user PREFIXlive-WORKER."""

    def __init__(self, hub: Hub, config: Config, worker: str, figures: Live, pace: Pace) -> None:
        self._hub, self._config, self._worker = hub, config, worker
        self._life, self._tally, self._pace = figures.life, figures.tally, pace
        self.user = f"{config.prefix}live-{worker}"
        self._channels: Channels | None = None
        self._amiss, self._number, self._missing = False, 0, 0.0

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep())
            tasks.create_task(on_grid(self._config.every.cell, lambda due: self._due(tasks, due)))

    # ------------------------------------------------------------------ cells

    def _due(self, tasks: asyncio.TaskGroup, due: float) -> None:
        if self._life.began:
            tasks.create_task(self._cell(due))

    async def _cell(self, due: float) -> None:
        with contextlib.suppress(Failure, Throttled):
            await measured(self._tally, self._pace, due, self._answer())

    async def _answer(self) -> None:
        """Of one cell among several under way. An answer that is its own and has another value is a lost kernel's."""
        self._number += 1
        channels, secret, number = self._channels, self._life.secret, self._number
        if channels is None:
            raise Failure("unreached")
        said = await channels.run(f"print({number}, globals().get({VARIABLE!r}))", self._config.limits.live)
        if said != f"{number} {secret}\n":
            self._amiss = self._amiss or (said.startswith(f"{number} ") and channels is self._channels)
            raise Failure("wrong")

    # ------------------------------------------------------------------ having it

    async def _keep(self) -> None:
        tried: tuple[Step, float] = ("cells", 0.0)
        while True:
            step = self._life.step
            first, most = PAUSES.get(step, (LOOK, LOOK))
            pause = min(tried[1] * 2, most) if tried[0] == step else first
            try:
                await self._do(step)
                tried = ("cells", 0.0)
                continue
            except Throttled as throttled:
                self._tally.throttle(time.monotonic() + throttled.wait)
                pause = throttled.wait
            except Failure as failure:
                LOG.info("%s: %s: %s", self.user, step, failure.message)
                tried = (step, pause)
            await asyncio.sleep(pause)

    async def _do(self, step: Step) -> None:
        if step == "server":
            await self._get_server()
        elif step == "kernel":
            await self._get_kernel()
        elif step == "connection":
            await self._connect()
        else:
            await self._watch()

    async def _get_server(self) -> None:
        server = await self._hub.server(self.user)
        if server and not server.ready:
            await self._hub.stop(self.user, self._config.limits.stop)
            server = None
        server = server or await self._hub.spawn(self.user, {"node": self._worker}, self._config.limits.spawn)
        self._life.has_server(server.began)
        self._missing = time.monotonic()

    async def _get_kernel(self) -> None:
        try:
            kernel = await self._hub.start_kernel(self.user, self._config.kernel, self._config.limits.kernel)
            channels = await opened(self._hub, self.user, kernel, self._config.limits.kernel)
            secret = secrets.token_hex(8)
            try:
                await channels.run(f"{VARIABLE} = {secret!r}", self._config.limits.kernel)
            except BaseException:
                await channels.close()
                raise
        except Failure:
            await self._find_out()
            raise
        self._life.has_kernel(kernel, secret)
        self._has(channels)

    async def _connect(self) -> None:
        """Again, to the kernel that there is: if it holds what it held, nothing but the connection was lost."""
        try:
            channels = await opened(self._hub, self.user, self._life.kernel, TRY)
            try:
                said = await channels.run(f"print(globals().get({VARIABLE!r}))", TRY)
                if not said:
                    raise Failure("wrong", "a cell printed nothing")
            except BaseException:
                await channels.close()
                raise
        except Failure:
            await self._find_out()
            raise
        if said == f"{self._life.secret}\n":
            self._has(channels)
        else:
            await self._give_up_kernel(channels)

    def _has(self, channels: Channels) -> None:
        LOG.info("%s: connected", self.user)
        self._channels, self._amiss = channels, False
        self._life.has_connection()

    async def _watch(self) -> None:
        """Return once it has no connection any more, or the kernel behind it is not the one that it was."""
        channels = self._channels
        assert channels is not None  # noqa: S101 - the step is taken with a connection alone
        while channels.open and not channels.dead and not self._amiss and not self._silent(channels):
            await asyncio.sleep(LOOK)
        self._channels, self._missing = None, time.monotonic()
        if channels.dead or self._amiss:
            await self._give_up_kernel(channels)
            return
        LOG.warning("%s: the connection is %s", self.user, "silent" if channels.open else "lost")
        self._life.lost_connection()
        await channels.close()

    def _silent(self, channels: Channels) -> bool:
        self._pace.beat()
        heard = max(channels.heard, self._pace.resumed)
        return time.monotonic() - heard > self._config.limits.silent

    # ------------------------------------------------------------------ losing it

    async def _give_up_kernel(self, channels: Channels) -> None:
        LOG.error("%s: the kernel, or its state, is lost", self.user)
        kernel = self._life.kernel
        self._life.lost_kernel()
        await channels.close()
        with contextlib.suppress(Failure, Throttled):
            await self._hub.delete_kernel(self.user, kernel)

    async def _find_out(self) -> None:
        """What is lost, as far as the hub and the server say. Raises Failure where they do not."""
        server = await self._hub.server(self.user)
        if server is None or (server.began or "unknown") != self._life.server:
            LOG.error("%s: the server is lost", self.user)
            self._life.lost_server()
        elif time.monotonic() - max(self._missing, self._pace.resumed) > self._config.limits.broken:
            LOG.error("%s: the hub calls it ready, and it does not serve: stopped", self.user)
            await self._hub.stop(self.user, self._config.limits.stop)
            self._life.lost_server()
        elif self._life.kernel and not await self._hub.kernel_is_there(self.user, self._life.kernel):
            LOG.error("%s: the kernel is lost", self.user)
            self._life.lost_kernel()
