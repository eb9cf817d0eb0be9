"""Prometheus of a site, from where we are: through an SSH forward that is made again whenever it dies."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Protocol

from chaosjc.clock import Clock, SystemClock
from chaosjc.drivers import command
from chaosjc.drivers.ssh import Ssh
from chaosjc.errors import RemoteError
from chaosjc.site.model import MONITOR
from chaosjc.site.roles.monitoring import PROMETHEUS_PORT
from chaosjc.site.state import SiteState

READY = 20.0  # seconds for the first connection
RETRY = 0.5  # seconds between two attempts


class Child(Protocol):
    """What a forward needs of a process."""

    def poll(self) -> int | None: ...  # noqa: D102

    def terminate(self) -> None: ...  # noqa: D102

    def wait(self, timeout: float | None = None) -> int: ...  # noqa: D102


@contextlib.contextmanager
def prometheus(state: SiteState, clock: Clock | None = None) -> Generator[str]:
    """The base URL of the site's Prometheus, `http://127.0.0.1:PORT`, good until the block ends.

    Raises RemoteError unless it can be reached now; later breaks are mended in the background. The forward ends with
    this process, however that ends.
    """
    forward = Forward(Ssh(state.ssh_config), MONITOR, PROMETHEUS_PORT, state.logs / "forward.log")
    try:
        forward.start(clock or SystemClock())
        yield f"http://127.0.0.1:{forward.port}"
    finally:
        forward.stop()


class Forward:
    """`ssh -L` from a free loopback port to a loopback port of a host."""

    def __init__(self, ssh: Ssh, host: str, remote_port: int, log: Path) -> None:
        self.port = _free_port()
        self._argv = ssh.argv(
            host,
            ["cat"],  # reads our pipe, and so ends with us
            *("-o", "ControlPath=none", "-o", "ExitOnForwardFailure=yes"),
            *("-L", f"127.0.0.1:{self.port}:127.0.0.1:{remote_port}"),
        )
        self._host, self._log = host, log
        self._stopped = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name=f"forward to {host}", daemon=True)
        self._reading, self._writing = os.pipe()
        self._child = self._spawn(self._argv)

    def start(self, clock: Clock) -> None:
        """Return once the port answers. Raises RemoteError with what ssh said."""
        end = clock.monotonic() + READY
        while not _answers(self.port):
            if self._child.poll() is not None or clock.monotonic() > end:
                raise RemoteError(
                    f"{self._host}: no way to its Prometheus: {self._last_words()}", hint=f"log: {self._log}"
                )
            clock.sleep(0.05)
        self._keeper.start()

    def stop(self) -> None:
        """End the forward; also right when it never began."""
        self._stopped.set()
        self._child.terminate()
        self._child.wait(timeout=5)
        for end in (self._reading, self._writing):
            os.close(end)

    def _keep(self) -> None:
        while not self._stopped.wait(RETRY):
            if self._child.poll() is not None:
                self._child = self._spawn(self._argv)

    def _spawn(self, argv: Sequence[str]) -> Child:
        return command.spawn(argv, log=self._log, stdin=self._reading)

    def _last_words(self) -> str:
        lines = self._log.read_text().strip().splitlines()
        return lines[-1] if lines else "no answer"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
