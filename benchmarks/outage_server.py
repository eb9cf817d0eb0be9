"""A web server that looks enough like a hub for its canary, and is out when it was told to be: to the millisecond.

`python -m benchmarks.outage_server`: one JSON document on standard input, `[[{"at", "seconds", "kind"}, …], …]`, one
list of outages a server, instants in seconds of CLOCK_MONOTONIC, which all processes of a machine share. It prints the
servers' ports at once as a JSON array, and once all is over a line with the instants at which each outage really began
and ended: `[[[began, ended], …], …]`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["refused", "reset", "error", "held"]
"""Nobody listens; connections are closed without an answer; status 503; requests are taken, and answered at the end."""
KINDS: tuple[Kind, ...] = get_args(Kind)
BODIES: Mapping[str, bytes] = {"/hub/api/users?": b"[]"}
"""By the beginning of a path; all others get the canary's own user."""
OTHERS = b'{"name": "canary", "servers": {}}'


@dataclass(frozen=True)
class Outage:
    """When it is to begin, monotonic, how long it is to last, and what callers meet."""

    at: float
    seconds: float
    kind: Kind


class Server:
    """One port; every connection brings one request."""

    def __init__(self) -> None:
        self.port = 0
        self._kind: Kind | None = None
        self._over = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        """From now on; the same port each time."""
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", self.port, backlog=1000)
        self.port = self._server.sockets[0].getsockname()[1]

    async def suffer(self, outage: Outage) -> tuple[float, float]:
        """Sleep until it is due, and be out; the instants at which that began and ended."""
        await asyncio.sleep(outage.at - time.monotonic())
        began = await self._begin(outage.kind)
        await asyncio.sleep(began + outage.seconds - time.monotonic())
        return began, await self._end(outage.kind)

    async def _begin(self, kind: Kind) -> float:
        self._kind, self._over = kind, asyncio.Event()
        if kind == "refused" and self._server:
            self._server.close()
        return time.monotonic()

    async def _end(self, kind: Kind) -> float:
        self._kind = None
        if kind == "refused":
            await self.listen()
        ended = time.monotonic()
        self._over.set()
        return ended

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):  # a caller that gave up
            path = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split(" ")[1]
            kind = self._kind
            if kind == "held":
                await self._over.wait()
            if kind not in ("refused", "reset"):
                body = next((body for start, body in BODIES.items() if path.startswith(start)), OTHERS)
                status = b"503 Out" if kind == "error" else b"200 OK"
                writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(body)))
                writer.write(body)
                await writer.drain()
        writer.close()


async def main() -> None:
    """Until the last outage is over."""
    plans = [[Outage(**each) for each in plan] for plan in json.load(sys.stdin)]
    servers = [Server() for _ in plans]
    for server in servers:
        await server.listen()
    sys.stdout.write(json.dumps([server.port for server in servers]) + "\n")
    sys.stdout.flush()
    happened = await asyncio.gather(*(_through(*each) for each in zip(servers, plans, strict=True)))
    sys.stdout.write(json.dumps(happened) + "\n")
    sys.stdout.flush()
    await asyncio.sleep(60)  # who reads that ends it: until then, callers are answered


async def _through(server: Server, plan: list[Outage]) -> list[tuple[float, float]]:
    return [await server.suffer(outage) for outage in plan]


if __name__ == "__main__":
    asyncio.run(main())
