"""JupyterHub as one canary user has it: the user's server by the hub's API, and the paths that lead to that server.

No request is made for a user whose name does not begin with the canary's prefix: all names go through `Hub.own`, which
raises before anything is sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp

from chaosjc.canary.hub_http import Answer, Failure, Throttled, ask, expect
from chaosjc.errors import ChaosJCError

POLL = 0.2  # seconds between two looks at a server that starts or stops
CALL = 15.0  # seconds for one call: a hub may wait 10 s for a server before it answers
PAGE = 50  # users a page


class Foreign(ChaosJCError):
    """A user that is not the canary's: nothing was sent."""


@dataclass(frozen=True)
class Server:
    """A user's default server as the hub lists it; `began` tells one from the next."""

    ready: bool
    pending: str
    began: str


class Hub:
    """The hub behind `url`, for the holder of `token`; only users whose name begins with `prefix` are ever named."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str, prefix: str) -> None:
        self.session, self.url, self.prefix = session, url, prefix
        self.headers = {"Authorization": f"token {token}"}

    def own(self, user: str) -> str:
        """The name, as it stands in a path. Raises Foreign."""
        if not user.startswith(self.prefix) or user == self.prefix:
            raise Foreign(f"{user!r} is no user of this canary", hint=f"its users begin with {self.prefix!r}")
        return quote(user, safe="")

    # ------------------------------------------------------------------ the hub's API

    async def server(self, user: str) -> Server | None:
        """The user's server; None while there is none, or no such user. Raises Failure, Throttled."""
        answer = await self._api("GET", f"/users/{self.own(user)}", (200, 404))
        return None if answer.status == 404 else _server(answer.json())

    async def ask_for_server(self, user: str, options: Mapping[str, Any]) -> None:
        """Have it started, and the user made where there is none. Raises Failure, Throttled."""
        path = f"/users/{self.own(user)}"
        if (await self._api("GET", path, (200, 404))).status == 404:
            await self._api("POST", path, (201, 409))
        await self._api("POST", f"{path}/server", (201, 202), json=dict(options))

    async def spawn(self, user: str, options: Mapping[str, Any], limit: float) -> Server:
        """Return once the server is ready. Raises Failure after `limit`, or once the hub has given up; Throttled."""
        until = time.monotonic() + limit
        await self.ask_for_server(user, options)
        while True:
            server = await self._look(user)
            if server is None:
                raise Failure("gone", f"{user}: the hub lists no server any more: its start failed")
            if server.ready:
                return server
            await _pause(until, f"{user}: server not ready")

    async def ask_to_stop(self, user: str) -> None:
        """Have the server stopped, starting or not; nothing if there is none. Raises Failure, Throttled."""
        await self._api("DELETE", f"/users/{self.own(user)}/server", (202, 204, 404), json={})

    async def stop(self, user: str, limit: float) -> None:
        """Return once no server is listed, and the user's path leads to the hub. Raises Failure, Throttled."""
        until = time.monotonic() + limit
        while not await self._stopped(user):
            await _pause(until, f"{user}: server not gone")

    async def running(self) -> list[str]:
        """Own users with a server, whatever it does. Raises Failure, Throttled."""
        return [user["name"] async for user in self._users() if user["name"].startswith(self.prefix)]

    # ------------------------------------------------------------------ the user's server

    def at(self, user: str, path: str) -> str:
        """The URL of a path of the user's server."""
        return f"{self.url}/user/{self.own(user)}{path}"

    async def call(self, method: str, user: str, path: str, limit: float = CALL, **more: Any) -> Answer:
        """Ask the user's server. Raises Failure, Throttled."""
        return await ask(self.session, method, self.at(user, path), limit, headers=self.headers, **more)

    async def start_kernel(self, user: str, name: str, limit: float) -> str:
        """The id of a new kernel. Raises Failure, Throttled."""
        answer = await self.call("POST", user, "/api/kernels", limit, json={"name": name})
        return str(_field(expect(answer, (201,)).json(), "id"))

    async def kernel_is_there(self, user: str, kernel: str) -> bool:
        """Whether the user's server knows it, and it is not dead. Raises Failure, Throttled."""
        answer = expect(await self.call("GET", user, f"/api/kernels/{kernel}"), (200, 404))
        return answer.status == 200 and _field(answer.json(), "execution_state") != "dead"

    async def delete_kernel(self, user: str, kernel: str) -> None:
        """End it. Raises Failure, Throttled."""
        expect(await self.call("DELETE", user, f"/api/kernels/{kernel}"), (204, 404))

    # ------------------------------------------------------------------ inside

    async def _stopped(self, user: str) -> bool:
        try:
            server = await self.server(user)
            if server and server.pending != "stop":
                await self.ask_to_stop(user)
            return server is None and leads_to_hub(self.url, await self.call("GET", user, "/api"))
        except Failure as failure:
            if failure.reason == "4xx":
                raise
            return False  # the hub may be away for a moment

    async def _look(self, user: str) -> Server | None:
        """As `server`, but a hub that is away for a moment is one that still starts it."""
        try:
            return await self.server(user)
        except Failure as failure:
            if failure.reason == "4xx":
                raise
        except Throttled as throttled:
            await asyncio.sleep(throttled.wait)
        return Server(ready=False, pending="spawn", began="")

    async def _users(self) -> AsyncIterator[Mapping[str, Any]]:
        offset = 0
        while True:
            path = f"/users?state=active&offset={offset}&limit={PAGE}"
            page: list[dict[str, Any]] = (await self._api("GET", path, (200,))).json()
            for user in page:
                _field(user, "name")
                yield user
            offset += len(page)
            if len(page) < PAGE:
                return

    async def _api(self, method: str, path: str, statuses: tuple[int, ...], **more: Any) -> Answer:
        url = f"{self.url}/hub/api{path}"
        return expect(await ask(self.session, method, url, CALL, headers=self.headers, **more), statuses)


def leads_to_hub(url: str, answer: Answer) -> bool:
    """Whether a user's path was answered by the hub, which sends one on to itself: there is no route to a server."""
    base = urlsplit(url).path
    return answer.status == 302 and urlsplit(answer.headers.get("Location", "")).path.startswith(f"{base}/hub/user/")


def _server(user: Any) -> Server | None:
    found = _field(user, "servers").get("")
    if not found:
        return None
    return Server(bool(found.get("ready")), str(found.get("pending") or ""), str(found.get("started") or ""))


def _field(said: Any, name: str) -> Any:
    try:
        return said[name]
    except (KeyError, TypeError):
        raise Failure("wrong", f"an answer without {name}") from None


async def _pause(until: float, what: str) -> None:
    if time.monotonic() + POLL > until:
        raise Failure("timeout", what)
    await asyncio.sleep(POLL)
