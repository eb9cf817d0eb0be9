"""One HTTP request at a time, bounded in time and size, for checks that ask a service as its users do."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from chaosjc.errors import RemoteError

MAX_BYTES = 64 * 1024  # of a body: what follows is not read


@dataclass(frozen=True)
class Answer:
    """Status code and the beginning of the body, as text."""

    status: int
    body: str


class Http:
    """A client without cookies, redirects or proxies. Safe to share between threads."""

    def __init__(self, client: Any) -> None:
        self._http = client

    @classmethod
    def connect(cls, *, transport: Any = None) -> Self:
        """Nothing is asked yet; every request opens a connection of its own, as a newcomer's browser does."""
        import httpx

        limits = httpx.Limits(max_keepalive_connections=0)
        context = ssl.create_default_context()
        return cls(httpx.Client(transport=transport, limits=limits, trust_env=False, verify=context))

    def fetch(self, method: str, url: str, headers: Mapping[str, str], timeout: float) -> Answer:
        """Ask within `timeout` seconds in all. Raises RemoteError where no whole answer came."""
        import httpx

        until = time.monotonic() + timeout
        try:
            with self._http.stream(method, url, headers=dict(headers), timeout=timeout) as answer:
                body = bytearray()
                for chunk in answer.iter_bytes():
                    body += chunk
                    if time.monotonic() > until:
                        raise RemoteError(f"{url}: timeout: no whole answer within {timeout:g} s")
                    if len(body) >= MAX_BYTES:
                        break
        except httpx.TimeoutException as error:
            raise RemoteError(f"{url}: timeout: no answer within {timeout:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
            raise RemoteError(f"{url}: {error or type(error).__name__}") from error
        return Answer(answer.status_code, bytes(body[:MAX_BYTES]).decode(errors="replace"))

    def close(self) -> None:
        """End its connections."""
        self._http.close()
