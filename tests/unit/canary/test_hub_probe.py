from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from types import SimpleNamespace
from typing import cast

import aiohttp
import pytest

from chaosjc.canary.hub_config import Config
from chaosjc.canary.hub_figures import Figures, figures_of
from chaosjc.canary.hub_http import Failure, Throttled
from chaosjc.canary.hub_pace import Pace
from chaosjc.canary.hub_probe import LONG, LOOKS, Probes, form

PAGE = """
<form action="/search"><input type="text" name="q"></form>
<form action="/hub/login?next=%2Fhub%2F&amp;a=b" method="post" role="form">
  <input type="hidden" name="_xsrf" value="2|ab&quot;c" />
  <input type='hidden' name='empty'>
  <input id="username_input" type="text" name="username">
  <input
    type="password" name="password" />
</form>
"""


def test_the_form_with_the_password_and_what_it_hides() -> None:
    assert form(PAGE) == ("/hub/login?next=%2Fhub%2F&a=b", {"_xsrf": '2|ab"c', "empty": ""})


@pytest.mark.parametrize(
    "page", ["", '<a href="/hub/oauth_login">Sign in</a>', '<form action="/x"><input type="text"></form>']
)
def test_a_page_without_one_is_a_failure(page: str) -> None:
    with pytest.raises(Failure) as failure:
        form(page)
    assert failure.value.reason == "wrong"


CONFIG = Config({"w1": "http://w1", "lb": "http://lb"}, "/token", 9815, front="lb")


def asked(entry: str, *, rung: str = "hub", waiting: float = 0.0) -> tuple[int, Figures]:
    """How often one rung was asked for one probe that fell due; another answer is awaited for so long."""
    figures = figures_of(CONFIG, Pace(), time.monotonic())
    probes = Probes(cast("aiohttp.ClientSession", None), CONFIG, "t", figures)
    count = 0

    async def attempt() -> None:
        nonlocal count
        count += 1

    async def run() -> None:
        due = time.monotonic() - CONFIG.every.probe  # all of it has fallen due: nothing is waited for
        if waiting:
            figures.rungs[rung, entry].begin(time.monotonic() - waiting)
        async with asyncio.TaskGroup() as tasks:
            probes._due(tasks, {(rung, entry): attempt}, due)

    asyncio.run(run())
    return count, figures


def test_at_the_front_there_are_looks_between_two_probes() -> None:
    count, figures = asked("lb")
    assert (count, figures.rungs["hub", "lb"].successes) == (LOOKS, 1)
    count, figures = asked("w1")
    assert (count, figures.rungs["hub", "w1"].successes) == (1, 1)
    assert asked("lb", rung="api")[0] == 1


WORKERS = Config(
    {"w1": "http://w1", "w2": "http://w2", "lb": "http://lb"}, "/token", 9815, workers=("w1", "w2"), front="w1"
)


def test_through_other_workers_the_hub_itself_is_asked_seldom() -> None:
    """They lead to the same one: with every worker's port as an entry, it would have more canaries than users."""
    figures = figures_of(WORKERS, Pace(), 0.0)
    found = Probes(cast("aiohttp.ClientSession", None), WORKERS, "t", figures)._by_period()
    assert set(found) == {WORKERS.every.probe, WORKERS.every.elsewhere}
    assert set(found[WORKERS.every.elsewhere]) == {("hub", "w2"), ("api", "w2")}
    assert len(found[WORKERS.every.probe]) == 7, "all else: the front, the balancer, and each way to the proxy"


def test_what_is_asked_seldom_is_known_for_longer() -> None:
    """Or at each hang nothing at all would be told for a moment."""
    rungs = figures_of(WORKERS, Pace(), 0.0).rungs
    for rung, entry, after in (("hub", "w1", 2.4), ("hub", "w2", 3.6), ("proxy", "w2", 2.4)):
        rungs[rung, entry].good(100.0, 100.0)
        assert rungs[rung, entry].up(100 + after - 0.2) is True
        assert rungs[rung, entry].up(100 + after) is None


class Web:
    """A session that remembers what it was asked for, and answers 200."""

    def __init__(self) -> None:
        self.asked = list[str]()

    @contextlib.asynccontextmanager
    async def request(self, method: str, url: str, **more: object) -> AsyncGenerator[SimpleNamespace]:
        del method, more
        self.asked.append(url)

        async def read() -> bytes:
            return b'{"name": "canary"}'

        yield SimpleNamespace(status=200, headers={}, read=read)


def test_below_a_base_path_the_proxy_is_asked_at_its_root_and_the_hub_below() -> None:
    web, config = Web(), Config({"w1": "http://w1:30080/jupyter"}, "/token", 9815)
    probes = Probes(cast("aiohttp.ClientSession", web), config, "t", figures_of(config, Pace(), 0.0))

    async def run() -> None:
        for _, attempt in probes._cheap("w1", config.entries["w1"]):
            await attempt()

    asyncio.run(run())
    root = "http://w1:30080"
    assert web.asked == [f"{root}/_chp_healthz", f"{root}/jupyter/hub/health", f"{root}/jupyter/hub/api/user"]


def test_a_rung_that_the_hub_has_throttled_is_left_alone_until_then() -> None:
    """That one alone, and no look is made at it either."""
    figures = figures_of(CONFIG, Pace(), time.monotonic())
    probes = Probes(cast("aiohttp.ClientSession", None), CONFIG, "t", figures)
    asked = list[str]()

    def attempt(rung: str, wait: float = 0.0) -> Callable[[], Awaitable[None]]:
        async def once() -> None:
            asked.append(rung)
            if wait:
                raise Throttled(wait)

        return once

    async def run(wait: float) -> None:
        attempts = {("hub", "lb"): attempt("hub", wait), ("api", "lb"): attempt("api")}
        async with asyncio.TaskGroup() as tasks:
            probes._due(tasks, attempts, time.monotonic() - CONFIG.every.probe)

    asyncio.run(run(60.0))
    assert (asked.count("hub"), figures.rungs["hub", "lb"].throttled) == (1, 1)
    asyncio.run(run(0.0))
    assert (asked.count("hub"), asked.count("api")) == (1, 2)
    figures.rungs["hub", "lb"].pause(time.monotonic() - 1)
    asyncio.run(run(0.0))
    assert asked.count("hub") == 1 + LOOKS


def test_who_is_short_of_breath_is_not_looked_at_more_often() -> None:
    assert asked("lb", waiting=LONG + 0.05)[0] == 1
