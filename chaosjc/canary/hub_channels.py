"""One open WebSocket to a kernel: many cells at a time, each answered by itself."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid

import aiohttp

from chaosjc.canary.hub_api import Hub
from chaosjc.canary.hub_http import Failure, Throttled, reason_of, reason_of_status, retry_after
from chaosjc.canary.hub_kernel import Execution, parse, request

BIGGEST = 1 << 20  # bytes a message
NUDGE = 0.5  # seconds for an answer before a new connection is asked again
GOODBYE = 0.5  # seconds for the other end to agree to the end


class Lost(Failure):
    """The connection ended while an answer was outstanding, or before it was asked for."""

    def __init__(self) -> None:
        super().__init__("reset", "the WebSocket is closed")


class Channels:
    """Made by `opened`. `heard` is when the kernel last answered a cell, `dead` whether its server called it so."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._session = socket, uuid.uuid4().hex
        self._waiting: dict[str, tuple[Execution, asyncio.Future[Execution]]] = {}
        self.heard, self.dead = time.monotonic(), False
        self._reader = asyncio.create_task(self._read())

    @property
    def open(self) -> bool:
        """Whether it can be used still."""
        return not self._reader.done()

    async def run(self, code: str, limit: float) -> str:
        """What the cell prints. Raises Lost, and Failure for an error of the cell or no answer within `limit`."""
        number, answer = uuid.uuid4().hex, asyncio.get_running_loop().create_future()
        if not self.open:
            raise Lost
        self._waiting[number] = (Execution(), answer)
        try:
            async with asyncio.timeout(limit):
                await self._socket.send_str(request(number, self._session, code))
                done: Execution = await answer
        except TimeoutError:
            raise Failure("timeout", "a cell was not answered") from None
        except (OSError, aiohttp.ClientError):
            raise Lost from None
        finally:
            self._waiting.pop(number, None)
        if done.error:
            raise Failure("wrong", f"a cell failed: {done.error}")
        return done.text

    async def settle(self, limit: float) -> None:
        """Return once a cell without output was answered, on both channels: before that, output may go astray.

        The server tells a new connection's kernel of it only by and by. Raises Lost, and Failure after `limit`.
        """
        async with asyncio.timeout(limit):
            while True:
                try:
                    await self.run("", NUDGE)
                    return
                except Failure as failure:
                    if failure.reason != "timeout":
                        raise

    async def close(self) -> None:
        """End it, with or without the other end's consent."""
        with contextlib.suppress(TimeoutError, OSError, aiohttp.ClientError):
            async with asyncio.timeout(GOODBYE):
                await self._socket.close()
        self._reader.cancel()
        await asyncio.wait({self._reader})

    async def _read(self) -> None:
        try:
            async for frame in self._socket:
                if frame.type == aiohttp.WSMsgType.TEXT:
                    self._take(str(frame.data))
        except (OSError, aiohttp.ClientError):
            pass
        finally:
            for _, answer in list(self._waiting.values()):
                if not answer.done():
                    answer.set_exception(Lost())

    def _take(self, frame: str) -> None:
        with contextlib.suppress(ValueError):  # nothing that we asked for
            message = parse(frame)
            self.dead = self.dead or message.state == "dead"
            execution, answer = self._waiting.get(message.parent, (None, None))
            if execution and answer and execution.feed(message) and not answer.done():
                self.heard = time.monotonic()
                answer.set_result(execution)


async def opened(hub: Hub, user: str, kernel: str, limit: float) -> Channels:
    """Connect to a kernel of the user, which then answers. Raises Failure (`status` if there was one), Throttled."""
    until = time.monotonic() + limit
    url = hub.at(user, f"/api/kernels/{kernel}/channels?session_id={uuid.uuid4().hex}")
    try:
        async with asyncio.timeout(limit):
            socket = await hub.session.ws_connect(url, headers=hub.headers, max_msg_size=BIGGEST)
    except aiohttp.WSServerHandshakeError as error:
        if error.status == 429:
            wait = (error.headers or {}).get("Retry-After", "")
            raise Throttled(retry_after(wait)) from None
        raise Failure(reason_of_status(error.status), f"{url}: status {error.status}", status=error.status) from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Failure(reason_of(error), f"{url}: {error}") from None
    channels = Channels(socket)
    try:
        await channels.settle(until - time.monotonic())
    except TimeoutError:
        await channels.close()
        raise Failure("timeout", f"{url}: the kernel does not answer") from None
    except BaseException:
        await channels.close()
        raise
    return channels
