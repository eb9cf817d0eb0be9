"""What a canary waits for before it begins; the rest, with a real hub, is in the contract tests."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any, cast

import aiohttp

from chaosjc.canary import hub_api
from chaosjc.canary.hub import Canary
from chaosjc.canary.hub_api import Server
from chaosjc.canary.hub_config import Config, Every
from chaosjc.canary.hub_figures import figures_of
from chaosjc.canary.hub_pace import Pace

NEVER = 1e9
LEFT = "canary-live-worker-001"
CONFIG = Config(
    {"front": "http://hub"},
    "/token",
    9815,
    workers=("worker-001",),
    every=Every(probe=NEVER, login=NEVER, ladder=0.1, cell=NEVER),
)


class Hub(hub_api.Hub):
    """One that keeps what an earlier canary left, and whose servers never become ready."""

    def __init__(self) -> None:
        super().__init__(cast("aiohttp.ClientSession", None), "http://hub", "token", CONFIG.prefix)
        self.told_to_stop, self.asked_for = set[str](), list[str]()
        self.asked = asyncio.Event()

    async def running(self) -> list[str]:
        return [LEFT]

    async def ask_to_stop(self, user: str) -> None:
        self.told_to_stop.add(user)

    async def ask_for_server(self, user: str, options: Mapping[str, Any]) -> None:
        self.asked_for.append(user)
        self.asked.set()
        await asyncio.sleep(NEVER)

    async def server(self, user: str) -> Server | None:
        return None


async def until_asked(hub: Hub) -> None:
    running = asyncio.create_task(Canary(hub, CONFIG, "token", figures_of(CONFIG, Pace(), time.monotonic())).run())
    try:
        async with asyncio.timeout(1):
            await hub.asked.wait()
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def test_the_ladder_is_climbed_though_another_user_s_server_stays() -> None:
    async def asked() -> Hub:
        hub = Hub()
        await until_asked(hub)
        return hub

    hub = asyncio.run(asked())
    assert (hub.asked_for, hub.told_to_stop) == (["canary-ladder"], {LEFT})
