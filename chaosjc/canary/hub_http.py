"""HTTP as the hub canary speaks it: whatever is not a good answer is a Failure with its reason, or Throttled."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from chaosjc.errors import ChaosJCError

REASONS: tuple[str, ...] = (
    "timeout",
    "refused",
    "reset",
    "unreachable",
    "redirected",
    "4xx",
    "5xx",
    "wrong",
    "gone",
    "unreached",
)
"""`wrong`: an answer without sense; `gone`: what was asked for ended by itself; `unreached`: the rung below failed."""
DEFAULT_WAIT = 30.0  # seconds, where a 429 does not say how long
LONGEST_WAIT = 600.0

Client = Callable[[], aiohttp.ClientSession]


class Failure(ChaosJCError):
    """It did not work; `reason` is one of REASONS, `status` the HTTP status if there was one."""

    def __init__(self, reason: str, message: str = "", *, status: int = 0) -> None:
        super().__init__(message or reason)
        self.reason, self.status = reason, status


class Throttled(ChaosJCError):
    """The hub asks to come back in `wait` seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"throttled for {wait:g} s")
        self.wait = wait


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Its body. Raises Failure."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise Failure("wrong", "no JSON", status=self.status) from None


def one_each() -> aiohttp.ClientSession:
    """A session whose every request has a connection of its own: a kept one says nothing of new users."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True), **_plain())


def with_cookies() -> aiohttp.ClientSession:
    """A browser's: it keeps cookies, also those of an address without a name."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), **_plain())


def _plain() -> dict[str, Any]:
    return {"timeout": aiohttp.ClientTimeout(total=None, sock_connect=None), "trust_env": False}


async def ask(session: aiohttp.ClientSession, method: str, url: str, limit: float, **more: Any) -> Answer:
    """One request, without following redirects unless told to. Raises Failure without an answer, Throttled for 429."""
    try:
        more.setdefault("allow_redirects", False)
        async with asyncio.timeout(limit), session.request(method, url, **more) as response:
            answer = Answer(response.status, response.headers, await response.read())
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Failure(reason_of(error), f"{method} {url}: {type(error).__name__} {error}") from None
    if answer.status == 429:
        raise Throttled(retry_after(answer.headers.get("Retry-After", "")))
    return answer


def expect(answer: Answer, statuses: Collection[int] = (200,)) -> Answer:
    """The answer, if its status is one of these. Raises Failure."""
    if answer.status in statuses:
        return answer
    raise Failure(reason_of_status(answer.status), f"status {answer.status}", status=answer.status)


def reason_of_status(status: int) -> str:
    """Of a status that was not wanted."""
    return {3: "redirected", 4: "4xx", 5: "5xx"}.get(status // 100, "wrong")


def reason_of(error: BaseException) -> str:
    """Of an exception of asyncio, aiohttp or the system."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "refused" if error.os_error.errno == errno.ECONNREFUSED else _reason_of_system(error.os_error)
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.InvalidURL | ValueError):
        return "wrong"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError | ConnectionError):
        return "reset"
    return _reason_of_system(error) if isinstance(error, OSError) else "wrong"


def _reason_of_system(error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno in {errno.EHOSTUNREACH, errno.ENETUNREACH}:
        return "unreachable"
    return "timeout" if error.errno == errno.ETIMEDOUT else "reset"


def retry_after(said: str) -> float:
    """Seconds from the header; the default where it is absent or a date."""
    try:
        return min(max(float(said), 1.0), LONGEST_WAIT)
    except ValueError:
        return DEFAULT_WAIT
