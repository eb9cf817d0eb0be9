"""Asking another canary over HTTP, many questions at a time over a few kept connections, without a thread."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
from typing import Any
from urllib.parse import urlsplit

MOST = 64  # questions at once; the next ones wait, and their waiting counts

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Peer:
    """One exporter, by its URL."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._kept: list[Connection] = []
        self._turns = asyncio.Semaphore(MOST)

    async def get(self, path: str, timeout: float) -> Any:
        """What it answers, as JSON. Raises OSError where it does not, ValueError where that makes no sense."""
        try:
            async with asyncio.timeout(timeout), self._turns:
                status, body = await self._get(path)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)) from error
        if status != 200:
            raise ValueError(f"http://{self._host}:{self._port}{path}: status {status}")
        return await asyncio.to_thread(json.loads, body) if len(body) > 10_000 else json.loads(body)

    async def _get(self, path: str) -> tuple[int, bytes]:
        while self._kept:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):  # it was closed while nobody asked
                return await self._exchange(self._kept.pop(), path)
        return await self._exchange(await asyncio.open_connection(self._host, self._port), path)

    async def _exchange(self, connection: Connection, path: str) -> tuple[int, bytes]:
        reader, writer = connection
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            fields = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
            body = await reader.readexactly(int(fields.get("content-length", "0")))
        except BaseException:
            writer.close()
            raise
        self._kept.append(connection)
        return int(head[0].split(" ")[1]), body


def errno_name(error: OSError | ValueError) -> str:
    """ETIMEDOUT, ECONNREFUSED, …; EHOSTUNREACH for a name that is not found, EPROTO for an answer without sense."""
    if isinstance(error, ValueError):
        return "EPROTO"
    if isinstance(error, TimeoutError):
        return "ETIMEDOUT"
    return errno.errorcode.get(error.errno or 0, "EHOSTUNREACH")
