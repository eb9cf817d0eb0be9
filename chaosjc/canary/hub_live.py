"""One persistent server on one worker, whose kernel executes a cell every second over one open connection.

It comes back by itself: it connects again to the kernel that it had, which must still hold what a variable of it was
set to; has a new kernel made where that is gone; and a new server where the hub lists none any more. While the hub or
the way to the server is away nothing can be told of either, and it tries again.

A server that was lost with its worker is first started once wherever there is room, as its user would; then one on its
own worker again. Of a server that the hub has put on another node, or nobody knows where, nothing is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Mapping

from chaosjc.canary.hub_api import Hub, Server
from chaosjc.canary.hub_channels import Channels, opened
from chaosjc.canary.hub_config import Config
from chaosjc.canary.hub_figures import Figures
from chaosjc.canary.hub_http import Failure, Throttled
from chaosjc.canary.hub_life import Step
from chaosjc.canary.hub_pace import measured, on_grid

LOOK = 0.1  # seconds between two looks at the connection
TRY = 5.0  # seconds for a connection and the first cell on it: so that a way that is back is not waited for in vain
PAUSES: dict[Step, tuple[float, float]] = {
    "server": (1.0, 30.0),
    "elsewhere": (1.0, 5.0),
    "kernel": (1.0, 5.0),
    "connection": (0.5, 0.5),
}
"""Seconds before another try, doubled each time, and their most."""
VARIABLE = "_chaosjc"
NODE = "CHAOSJC_NODE"
"""Where the hub's spawner tells a canary's server on which node it runs."""
BEGIN = """
import os
{variable} = {secret!r}
print(os.environ.get({node!r}, ""))
"""
LOG = logging.getLogger(__name__)


class LiveServer:
    """The server of user PREFIXlive-WORKER."""

    def __init__(self, hub: Hub, config: Config, worker: str, figures: Figures) -> None:
        self._hub, self._config, self._worker = hub, config, worker
        self._life, self._tally = figures.live[worker].life, figures.live[worker].tally
        self._pace, self._way_in = figures.pace, figures.rungs.get(("proxy", worker))
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
        if self._life.began and not self._life.astray:
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
        elif step == "elsewhere":
            await self._start_elsewhere()
        elif step == "kernel":
            await self._get_kernel()
        elif step == "connection":
            await self._connect()
        else:
            await self._watch()

    async def _get_server(self) -> None:
        server = await self._ready_server({"node": self._worker})
        self._life.has_server(server.began)
        self._missing = time.monotonic()

    async def _ready_server(self, options: Mapping[str, str]) -> Server:
        """The one that there is, if it is ready, else a new one."""
        server = await self._hub.server(self.user)
        if server and not server.ready:
            await self._hub.stop(self.user, self._config.limits.stop)
            server = None
        return server or await self._hub.spawn(self.user, options, self._config.limits.spawn)

    async def _start_elsewhere(self) -> None:
        """Return once a cell was executed on whichever worker there is, and that server is gone again."""
        await self._ready_server({})
        _, channels, node = await self._start_kernel(secrets.token_hex(8))
        await channels.close()
        self._life.moved(time.monotonic())
        LOG.info("%s: its worker is lost; it could start again, on %s", self.user, node or "another")
        await self._hub.stop(self.user, self._config.limits.stop)
        self._life.came_home()

    async def _get_kernel(self) -> None:
        secret = secrets.token_hex(8)
        try:
            kernel, channels, node = await self._start_kernel(secret)
        except Failure:
            await self._find_out()
            raise
        astray = node != self._worker
        if astray:
            said = f"on {node}" if node else f"nobody knows where, without {NODE} in its environment"
            LOG.error("%s: the server runs %s: nothing is told of %s", self.user, said, self._worker)
        self._life.has_kernel(kernel, secret, astray=astray)
        self._has(channels)

    async def _start_kernel(self, secret: str) -> tuple[str, Channels, str]:
        """A new kernel that holds the secret: its id, a connection to it, and the node on which it runs."""
        limit = self._config.limits.kernel
        kernel = await self._hub.start_kernel(self.user, self._config.kernel, limit)
        channels = await opened(self._hub, self.user, kernel, limit)
        try:
            node = await channels.run(BEGIN.format(variable=VARIABLE, secret=secret, node=NODE), limit)
        except BaseException:
            await channels.close()
            raise
        return kernel, channels, node.strip()

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
        if self._way_in and self._way_in.up(time.monotonic()) is False:
            self._life.away = True
        server = await self._hub.server(self.user)
        if server is None or (server.began or "unknown") != self._life.server:
            LOG.error("%s: the server is lost", self.user)
            self._lost_server()
        elif time.monotonic() - max(self._missing, self._pace.resumed) > self._config.limits.broken:
            LOG.error("%s: the hub calls it ready, and it does not serve: stopped", self.user)
            await self._hub.stop(self.user, self._config.limits.stop)
            self._lost_server()
        elif self._life.kernel and not await self._hub.kernel_is_there(self.user, self._life.kernel):
            LOG.error("%s: the kernel is lost", self.user)
            self._life.lost_kernel()

    def _lost_server(self) -> None:
        since = self._tally.outages.since()
        self._life.lost_server(time.monotonic() if since is None else since)
