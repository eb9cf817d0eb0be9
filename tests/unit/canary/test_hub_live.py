"""Where a live server runs, and where it starts again; the rest, with a real hub, is in the contract tests."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import aiohttp
import pytest

from chaosjc.canary import hub_api, hub_live
from chaosjc.canary.hub_api import Server
from chaosjc.canary.hub_channels import Channels, Lost
from chaosjc.canary.hub_config import Config, Every
from chaosjc.canary.hub_figures import Figures, figures_of
from chaosjc.canary.hub_http import Failure
from chaosjc.canary.hub_life import Life
from chaosjc.canary.hub_live import LiveServer
from chaosjc.canary.hub_pace import Pace

OWN, OTHER = "worker-001", "worker-002"
CONFIG = Config({OTHER: "http://b", OWN: "http://a"}, "/token", 9815, workers=(OWN,), every=Every(cell=1e6))


class Hub(hub_api.Hub):
    """One that starts servers where it is asked to, or on `everybody`; without a name, wherever there is room."""

    def __init__(self, everybody: str | None = None) -> None:
        super().__init__(cast("aiohttp.ClientSession", None), "http://hub", "token", CONFIG.prefix)
        self.everybody, self.where, self.asked = everybody, "", list[str]()
        self.started = 0

    async def server(self, user: str) -> Server | None:
        return Server(ready=True, pending="", began=str(self.started)) if self.where else None

    async def spawn(self, user: str, options: Mapping[str, Any], limit: float) -> Server:
        self.asked.append(f"start on {options['node']}" if options else "start")
        self.where = options.get("node", OTHER) if self.everybody is None else self.everybody or "?"
        self.started += 1
        return Server(ready=True, pending="", began=str(self.started))

    async def stop(self, user: str, limit: float) -> None:
        self.asked.append("stop")
        self.where = ""

    async def start_kernel(self, user: str, name: str, limit: float) -> str:
        return "k"


class Connection:
    """To a kernel that tells its node; open until the server is lost."""

    def __init__(self, hub: Hub) -> None:
        self._hub, self._server = hub, hub.started
        self.dead, self.heard = False, time.monotonic()

    @property
    def open(self) -> bool:
        return self._hub.where != "" and self._hub.started == self._server

    async def run(self, code: str, limit: float) -> str:
        if not self.open:
            raise Lost
        return self._hub.where.replace("?", "") + "\n"

    async def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    async def opened(hub: Hub, user: str, kernel: str, limit: float) -> Channels:
        if not hub.where:
            raise Failure("5xx")
        return cast("Channels", Connection(hub))

    monkeypatch.setattr(hub_live, "opened", opened)
    monkeypatch.setattr(hub_live, "LOOK", 0.0)
    monkeypatch.setattr(hub_live, "PAUSES", dict.fromkeys(hub_live.PAUSES, (0.0, 0.0)))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


def kept(hub: Hub, loss: Callable[[Figures, Life], None] = lambda figures, life: None) -> Life:
    """What becomes of a live server that is kept until it is whole; then lost so, and whole again."""
    figures = figures_of(CONFIG, Pace(), time.monotonic())
    life = figures.live[OWN].life

    async def run() -> None:
        keeping = asyncio.create_task(LiveServer(hub, CONFIG, OWN, figures).run())
        try:
            await until(lambda: life.step == "cells")
            loss(figures, life)
            if not hub.where:
                await until(lambda: life.lost_servers == 1 and life.step == "cells")
        finally:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping

    asyncio.run(run())
    return life


def test_a_server_is_on_the_worker_that_was_asked_for() -> None:
    hub = Hub()
    assert not kept(hub).astray
    assert hub.asked == [f"start on {OWN}"]


@pytest.mark.parametrize(("everybody", "said"), [(OTHER, f"the server runs on {OTHER}"), ("", "nobody knows where")])
def test_a_server_that_runs_elsewhere_is_told_and_stands_for_no_worker(
    everybody: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert kept(Hub(everybody)).astray
    assert f"{said}" in caplog.text and f"nothing is told of {OWN}" in caplog.text


def test_who_lost_the_worker_too_starts_once_wherever_there_is_room() -> None:
    hub = Hub()

    def with_its_worker(figures: Figures, life: Life) -> None:
        del life
        now = time.monotonic()
        figures.rungs["proxy", OWN].bad(now, now, "timeout")
        hub.where = ""

    life = kept(hub, with_its_worker)
    assert hub.asked == [f"start on {OWN}", "start", "stop", f"start on {OWN}"]
    assert (life.moves, life.astray) == (1, False)


def test_who_lost_the_server_alone_starts_where_it_was() -> None:
    hub = Hub()

    def alone(figures: Figures, life: Life) -> None:
        del life
        now = time.monotonic()
        figures.rungs["proxy", OTHER].bad(now, now, "timeout")
        hub.where = ""

    assert kept(hub, alone).moves == 0
    assert hub.asked == [f"start on {OWN}"] * 2
