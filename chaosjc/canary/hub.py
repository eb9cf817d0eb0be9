"""The synthetic user of JupyterHub, as an exporter: the ladder from the proxy to a stopped server, and live servers.

It touches its own users alone, starts with none of their servers there, and leaves none. What happened while this
process itself stood still is not told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from chaosjc.canary import web
from chaosjc.canary.hub_api import Hub
from chaosjc.canary.hub_config import Config, read
from chaosjc.canary.hub_figures import Figures, families, figures_of
from chaosjc.canary.hub_http import Failure, Throttled, one_each
from chaosjc.canary.hub_ladder import Ladder
from chaosjc.canary.hub_live import LiveServer
from chaosjc.canary.hub_pace import Pace
from chaosjc.canary.hub_probe import Probes
from chaosjc.canary.series import Scrape

GOODBYE = 4.0  # seconds for the hub to hear which servers are to be stopped
AGAIN = 0.5  # seconds between two looks for what an earlier canary left
LOG = logging.getLogger(__name__)


class Canary:
    """All of it, on one event loop; scrapes come in threads of their own, and wait for none of it."""

    def __init__(self, hub: Hub, config: Config, token: str, figures: Figures) -> None:
        self._hub, self._config, self._pace = hub, config, figures.pace
        self._probes = Probes(hub.session, config, token, figures)
        self._ladder = Ladder(hub, config, figures)
        self._live = [LiveServer(hub, config, each, figures) for each in figures.live]

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pace.run())
            tasks.create_task(self._probes.run())
            tasks.create_task(self._climb())
            tasks.create_task(self._live_on())

    async def _climb(self) -> None:
        """As soon as its own user's server is gone: others take as long as they take."""
        await clean_up(self._hub, self._config.limits.stop, lambda user: user == self._ladder.user)
        await self._ladder.run()

    async def _live_on(self) -> None:
        await clean_up(self._hub, self._config.limits.stop, lambda user: user != self._ladder.user)
        async with asyncio.TaskGroup() as tasks:
            for each in self._live:
                tasks.create_task(each.run())


async def clean_up(hub: Hub, limit: float, ours: Callable[[str], bool]) -> None:
    """Have what an earlier canary left of these users stopped.

    Returns once it is gone, or `limit` seconds after the first answer.
    """
    until: float | None = None
    told = ""
    while until is None or time.monotonic() < until:
        wait = AGAIN
        try:
            left = [user for user in await hub.running() if ours(user)]
            until = until or time.monotonic() + limit
            if not left:
                return
            LOG.info("stopping what an earlier canary left: %s", ", ".join(left))
            await asyncio.gather(*map(hub.ask_to_stop, left))
        except Throttled as throttled:
            wait = throttled.wait
        except Failure as failure:
            if failure.message != told:
                LOG.info("cannot clean up yet: %s", failure.message)
            told = failure.message
        await asyncio.sleep(wait)


async def leave(hub: Hub) -> None:
    """Ask once for all own servers to be stopped, for a few seconds at most."""
    with contextlib.suppress(Failure, Throttled, TimeoutError):
        async with asyncio.timeout(GOODBYE):
            left = await hub.running()
            await asyncio.gather(*map(hub.ask_to_stop, left), return_exceptions=True)


def main(config: Path) -> None:
    """Run until SIGTERM or SIGINT. Raises UsageError for a bad configuration, token or port."""
    read_config = read(config)
    asyncio.run(_serve(read_config, read_config.token()))


async def _serve(config: Config, token: str) -> None:
    figures = figures_of(config, Pace(), time.monotonic())
    registry = CollectorRegistry()
    registry.register(Scrape(lambda: families(figures, time.monotonic())))
    server = web.serve(config.listen, registry, {})
    try:
        async with one_each() as session:
            hub = Hub(session, config.entries[config.way], token, config.prefix)
            task = asyncio.create_task(Canary(hub, config, token, figures).run())
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, task.cancel)
            try:
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            finally:
                await leave(hub)
    finally:
        server.close()
