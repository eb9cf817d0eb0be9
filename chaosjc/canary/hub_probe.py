"""The rungs that cost little, and the login, each open loop: an attempt that hangs holds up none that is due after it.

How often that is, `Config.period` says: each worker's entry leads to the same hub, which has users to answer.

How precisely the length of an outage is known depends on how often one looks. So at the front, where users come in,
there are two more looks between two probes. They tell of outages alone, and are counted nowhere else; and none is made
while an answer is awaited for long: who is short of breath gets no more work for it, and a hang's end is known from the
answers that it held back.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from chaosjc.canary.hub_config import Config, Login
from chaosjc.canary.hub_figures import CHEAPEST, Figures, Key
from chaosjc.canary.hub_http import Failure, Throttled, ask, expect, with_cookies
from chaosjc.canary.hub_pace import glimpsed, measured, on_grid
from chaosjc.errors import UsageError

_FORM = re.compile(r"<form\b[^>]*>.*?</form>", re.DOTALL)
_TAG = re.compile(r"<(?:form|input)\b[^>]*>", re.DOTALL)
_ATTRIBUTE = re.compile(r"""([\w-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")

LOOKS = 3  # at the front, in the time between two probes, the first of which is one
LONG = 0.1  # seconds

Attempt = Callable[[], Awaitable[object]]


class Probes:
    """Proxy, hub health and API through each entry; the login through the front."""

    def __init__(self, session: aiohttp.ClientSession, config: Config, token: str, figures: Figures) -> None:
        self._session, self._config, self._figures = session, config, figures
        self._headers = {"Authorization": f"token {token}"}

    async def run(self) -> None:
        """Until cancelled."""
        logins: dict[Key, Attempt] = {("login", self._config.way): self._login}
        async with asyncio.TaskGroup() as tasks:
            for period, attempts in (*self._by_period().items(), (self._config.every.login, logins)):
                tasks.create_task(on_grid(period, partial(self._due, tasks, attempts)))

    def _by_period(self) -> dict[float, dict[Key, Attempt]]:
        """The cheap rungs, by the seconds between two probes."""
        found: dict[float, dict[Key, Attempt]] = {}
        for entry, url in self._config.entries.items():
            for key, attempt in self._cheap(entry, url):
                found.setdefault(self._config.period(*key), {})[key] = attempt
        return found

    def _due(self, tasks: asyncio.TaskGroup, attempts: Mapping[Key, Attempt], due: float) -> None:
        for key, attempt in attempts.items():
            if time.monotonic() >= self._figures.rungs[key].paused:
                tasks.create_task(self._once(key, attempt, due))
                if key[0] in CHEAPEST and key[1] == self._config.way:
                    tasks.create_task(self._between(tasks, key, attempt, due))

    async def _between(self, tasks: asyncio.TaskGroup, key: Key, attempt: Attempt, due: float) -> None:
        """Two further looks before the next probe is due."""
        tally = self._figures.rungs[key]
        for number in range(1, LOOKS):
            await asyncio.sleep(due + number * self._config.every.probe / LOOKS - time.monotonic())
            now = time.monotonic()  # a look is due when it is made: that this process was late is no outage
            if now >= tally.paused and tally.oldest(now) <= LONG:
                tasks.create_task(glimpsed(tally, self._figures.pace, now, attempt()))

    async def _once(self, key: Key, attempt: Attempt, due: float) -> None:
        with contextlib.suppress(Failure, Throttled):
            await measured(self._figures.rungs[key], self._figures.pace, due, attempt())

    def _cheap(self, entry: str, url: str) -> list[tuple[tuple[str, str], Attempt]]:
        return [
            (("proxy", entry), lambda: self._proxy(urljoin(url, self._config.proxy))),
            (("hub", entry), lambda: self._hub(f"{url}/hub/health")),
            (("api", entry), lambda: self._api(f"{url}/hub/api/user")),
        ]

    async def _proxy(self, url: str) -> None:
        """Any answer of its own proves it; a balancer in front of it answers 502 … 504 in its stead."""
        answer = await ask(self._session, "GET", url, self._config.limits.probe)
        if answer.status >= 500:
            expect(answer)

    async def _hub(self, url: str) -> None:
        expect(await ask(self._session, "GET", url, self._config.limits.probe))

    async def _api(self, url: str) -> None:
        """Whoever the token is: so the hub's API and its database answered."""
        answer = await ask(self._session, "GET", url, self._config.limits.probe, headers=self._headers)
        if "name" not in expect(answer).json():
            raise Failure("wrong")

    async def _login(self) -> None:
        limit = self._config.limits.login
        try:
            async with asyncio.timeout(limit), with_cookies() as session:
                await log_in(session, self._config.entries[self._config.way], self._config.login, limit)
        except TimeoutError:
            raise Failure("timeout") from None


async def log_in(session: aiohttp.ClientSession, url: str, login: Login | None, limit: float) -> None:
    """Get the login page, wherever it leads; with a user, fill in its form and come home. Raises Failure, Throttled."""
    home = f"{urlsplit(url).path}/hub/home"
    params = {"next": home}
    page = expect(await ask(session, "GET", f"{url}/hub/login", limit, params=params, allow_redirects=True))
    if login is None:
        return
    action, data = form(page.body.decode(errors="replace"))
    try:
        data |= {"username": login.user, "password": login.password()}
    except UsageError as error:
        raise Failure("wrong", error.message) from None
    target = urljoin(f"{url}/hub/login", action)
    sent = await ask(session, "POST", target, limit, params={} if "next=" in target else params, data=data)
    expect(sent, (302, 303))
    expect(await ask(session, "GET", f"{url}/hub/home", limit))


def form(page: str) -> tuple[str, dict[str, Any]]:
    """Where the form with a password goes, and what its hidden fields hold. Raises Failure where there is none."""
    for text in _FORM.findall(page):
        tags = [_attributes(tag) for tag in _TAG.findall(text)]
        if any(each.get("type") == "password" for each in tags):
            hidden = [each for each in tags[1:] if each.get("type") == "hidden" and "name" in each]
            return tags[0].get("action", ""), {each["name"]: each.get("value", "") for each in hidden}
    raise Failure("wrong", "a login page without a form for a password")


def _attributes(tag: str) -> dict[str, str]:
    return {name.lower(): unescape(double or single) for name, double, single in _ATTRIBUTE.findall(tag)}
