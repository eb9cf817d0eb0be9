"""A forward is a child process: here one of our own that listens, with Python in the place of ssh."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from chaosjc.clock import SystemClock
from chaosjc.drivers.ssh import Ssh
from chaosjc.errors import RemoteError
from chaosjc.site.endpoints import Forward

# listens where `-L` says, says its pid to who connects, and ends when its stdin does
LISTENER = """
import os, socket, sys, threading
port = int(sys.argv[sys.argv.index("-L") + 1].split(":")[1])
server = socket.create_server(("127.0.0.1", port))
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
while True:
    with server.accept()[0] as client:
        client.sendall(str(os.getpid()).encode())
"""


class FakeSsh(Ssh):
    def __init__(self, program: str) -> None:
        super().__init__(Path("/state/config"))
        self._program = program

    def argv(self, host: str, argv: Sequence[str], *options: str) -> list[str]:
        return [sys.executable, "-c", self._program, *super().argv(host, argv, *options)]


def pid_behind(port: int) -> int:
    """Who answers, within ten seconds; one that is being killed may still accept and say nothing."""
    end = time.monotonic() + 10
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as client:
                return int(client.recv(20))
        except (OSError, ValueError):
            if time.monotonic() > end:
                raise


def test_a_forward_is_made_again_when_it_dies(tmp_path: Path) -> None:
    forward = Forward(FakeSsh(LISTENER), "monitor", 9090, tmp_path / "log")
    try:
        forward.start(SystemClock())
        first = pid_behind(forward.port)
        os.kill(first, signal.SIGKILL)
        assert pid_behind(forward.port) != first
    finally:
        forward.stop()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", forward.port), timeout=1)


def test_what_ssh_said_is_in_the_error(tmp_path: Path) -> None:
    forward = Forward(FakeSsh("print('Permission denied')"), "monitor", 9090, tmp_path / "log")
    try:
        with pytest.raises(RemoteError, match="monitor: no way to its Prometheus: Permission denied"):
            forward.start(SystemClock())
    finally:
        forward.stop()
