"""Files from the web: bounded in time while a host is silent, followed through redirects, hashed while they come."""

from __future__ import annotations

import hashlib
import ssl
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from chaosjc.errors import RemoteError

MAX_TEXT = 1 << 20  # bytes of a text; a longer one is not what was asked for
FILE_SILENCE = 30.0  # seconds without a byte after which a download is given up


class Unreachable(RemoteError):
    """No answer at all: asking this host again now would be as vain."""


class Downloader:
    """An HTTP client. The environment's proxies and the system's authorities hold."""

    def __init__(self, client: Any) -> None:
        self._http = client

    @classmethod
    def connect(cls, *, transport: Any = None) -> Self:
        """Nothing is asked yet."""
        import httpx

        context = ssl.create_default_context()
        return cls(httpx.Client(transport=transport, verify=context, follow_redirects=True))

    def text(self, url: str, seconds: float) -> str:
        """A short text, within `seconds` in all. Raises Unreachable, or RemoteError for any other answer than that."""
        until = time.monotonic() + seconds
        body = bytearray()
        with self._answer(url, seconds) as chunks:
            for chunk in chunks:
                body += chunk
                if time.monotonic() > until or len(body) > MAX_TEXT:
                    raise RemoteError(f"{url}: too slow or too long for a text")
        return body.decode(errors="replace")

    def save(self, url: str, path: Path) -> str:
        """Write a file; returns its SHA-256 in hexadecimal. Raises the same; what came until then stays at `path`."""
        total = hashlib.sha256()
        with self._answer(url, FILE_SILENCE) as chunks, path.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
                total.update(chunk)
        return total.hexdigest()

    def close(self) -> None:
        """End its connections."""
        self._http.close()

    @contextmanager
    def _answer(self, url: str, silence: float) -> Generator[Iterator[bytes]]:
        """The body as it was published: nobody packs or unpacks it on the way."""
        import httpx

        headers = {"Accept-Encoding": "identity"}
        try:
            with self._http.stream("GET", url, headers=headers, timeout=silence) as answer:
                if answer.status_code != 200:
                    raise RemoteError(f"{url}: status {answer.status_code}")
                yield answer.iter_raw()
        except (httpx.ConnectError, httpx.TimeoutException, httpx.ProxyError) as error:
            raise Unreachable(f"{url}: {str(error) or type(error).__name__}") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise RemoteError(f"{url}: {str(error) or type(error).__name__}") from error
