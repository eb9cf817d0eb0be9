"""Child processes that make the calls that may hang: the canary itself never touches the mount.

A thread stuck in a FUSE call cannot be cancelled; a process can be killed. Children are forked on demand, kept, and
asked over a socket of their own, whose end is also how they learn that the canary is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import gc
import json
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

Answerer = Callable[[Sequence[Any]], Any]

IDLE = 2  # children that stay for the next request however long that takes
LARGEST = 128 * 1024  # bytes of a message
PR_SET_PDEATHSIG = 1
KILLED = "killed"
LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Answer:
    """What came of a request: a value, or the name of an errno (`killed` where the child was); monotonic time."""

    value: Any
    errno: str
    at: float


class Child:
    """One process; it answers one request at a time."""

    def __init__(self, pid: int, link: socket.socket) -> None:
        self.pid, self.link = pid, link
        self.answer: asyncio.Future[Answer] | None = None


class Pool:
    """At most `most` children, those included that were killed and whose call the volume still holds.

    A request that finds all of them busy waits its turn; it fails with ETIMEDOUT when that takes `limit` seconds, and
    with `killed` when its child takes as long.
    """

    def __init__(self, answerer: Callable[[], Answerer], most: int, limit: float) -> None:
        self._answerer, self._most, self._limit = answerer, most, limit
        self._idle: list[Child] = []
        self._children: dict[int, Child] = {}
        self._turns: deque[asyncio.Future[Child]] = deque()

    async def ask(self, *request: Any) -> Answer:
        """Have a child do it."""
        try:
            async with asyncio.timeout(self._limit):
                child = await self._take()
        except (TimeoutError, OSError) as error:
            return Answer(None, errno.errorcode[error.errno or errno.ETIMEDOUT], time.monotonic())
        child.answer = asyncio.get_running_loop().create_future()
        try:
            child.link.send(json.dumps(request).encode())
            async with asyncio.timeout(self._limit):
                answer = await child.answer
        except (TimeoutError, OSError):
            answer = Answer(None, KILLED, time.monotonic())
        except asyncio.CancelledError:
            _kill(child)
            raise
        if answer.errno == KILLED:
            _kill(child)
        else:
            self._give_back(child)
        return answer

    def reap(self) -> None:
        """Collect those that ended; to be called on SIGCHLD."""
        for pid in list(self._children):
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0] == 0:
                    continue
            self._forget(self._children.pop(pid))

    def trim(self) -> None:
        """End one child that was not needed lately: at once would fork as many again on a slow day."""
        if len(self._idle) > IDLE:
            _kill(self._idle.pop(0))

    async def close(self, within: float) -> None:
        """Kill all; returns when they are gone, or `within` seconds later: then the volume holds them, not we."""
        until = time.monotonic() + within
        for child in list(self._children.values()):
            _kill(child)
        while self._children and time.monotonic() < until:
            await asyncio.sleep(0.01)
            self.reap()

    async def _take(self) -> Child:
        if self._idle:
            return self._idle.pop()
        if len(self._children) < self._most:
            return self._fork()
        turn: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(turn.result())
            raise

    def _give_back(self, child: Child) -> None:
        child.answer = None
        turn = self._next_turn()
        if turn:
            turn.set_result(child)
        else:
            self._idle.append(child)

    def _next_turn(self) -> asyncio.Future[Child] | None:
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                return turn
        return None

    def _fork(self) -> Child:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            pid = _forked(theirs, self._answerer)
        ours.setblocking(False)
        child = self._children[pid] = Child(pid, ours)
        asyncio.get_running_loop().add_reader(ours, self._readable, child)
        return child

    def _readable(self, child: Child) -> None:
        try:
            message = child.link.recv(LARGEST)
        except OSError:
            message = b""
        if not message:  # it ended
            asyncio.get_running_loop().remove_reader(child.link)
            if child in self._idle:
                self._idle.remove(child)
        if child.answer and not child.answer.done():
            child.answer.set_result(
                Answer(**json.loads(message)) if message else Answer(None, KILLED, time.monotonic())
            )

    def _forget(self, child: Child) -> None:
        asyncio.get_running_loop().remove_reader(child.link)
        child.link.close()
        if child in self._idle:
            self._idle.remove(child)
        if child.answer and not child.answer.done():
            child.answer.set_result(Answer(None, KILLED, time.monotonic()))
        turn = self._next_turn()
        if turn:
            turn.set_result(self._fork())


def _kill(child: Child) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child.pid, signal.SIGKILL)


def _forked(link: socket.socket, answerer: Callable[[], Answerer]) -> int:
    """The new child's process id. No signal reaches it before it has let go of ours."""
    parent = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _live(link, parent, answerer)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _live(link: socket.socket, parent: int, answerer: Callable[[], Answerer]) -> NoReturn:
    """All of a child's life. It shares no lock, descriptor or signal handler with what it was forked from."""
    try:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:  # else it died before that
            gc.disable()  # what it inherited must not be collected: the numbers of its descriptors are used anew
            _close_all_but(link.fileno())
            _forget_signals()
            _serve(link, answerer())
    finally:
        os._exit(0)


def _close_all_but(kept: int) -> None:
    os.closerange(3, kept)
    os.closerange(kept + 1, 65536)


def _forget_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the canary decides
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _serve(link: socket.socket, answer: Answerer) -> None:
    while message := link.recv(LARGEST):
        value, name = None, ""
        try:
            value = answer(json.loads(message))
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, "EIO")
        link.send(json.dumps({"value": value, "errno": name, "at": time.monotonic()}).encode())
