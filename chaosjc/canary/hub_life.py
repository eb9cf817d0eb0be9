"""What a live server's canary has, what it has lost, and what it needs next. Pure.

Whoever loses a server loses its kernel and the connection to it, and whoever loses a kernel its state: each loss counts
for all that went with it, so that no lost kernel is hidden by what took it away.
"""

from __future__ import annotations

from typing import Literal

Step = Literal["server", "kernel", "connection", "cells"]


class Life:
    """`server` tells one server from the next, `kernel` is a kernel's id, `secret` what a variable of it holds."""

    def __init__(self) -> None:
        self.server = self.kernel = self.secret = ""
        self.connected = self.began = False
        self.lost_connections = self.lost_kernels = self.lost_servers = 0

    @property
    def step(self) -> Step:
        """What to do next: get what is missing, the lowest first; with all of it there, cells."""
        if not self.server:
            return "server"
        if not self.kernel:
            return "kernel"
        return "cells" if self.connected else "connection"

    def has_server(self, which: str) -> None:
        """A server is ready."""
        self.server = which or "unknown"

    def has_kernel(self, kernel: str, secret: str) -> None:
        """A kernel was created; `secret` is what its variable is to hold."""
        self.kernel, self.secret = kernel, secret

    def has_connection(self) -> None:
        """A connection is open, and through it the kernel was seen to hold the secret."""
        self.connected = self.began = True

    def lost_connection(self) -> None:
        """It was closed, or is silent."""
        self.lost_connections += self.connected
        self.connected = False

    def lost_kernel(self) -> None:
        """It is gone, or what its variable held."""
        self.lost_kernels += bool(self.kernel)
        self.kernel = self.secret = ""
        self.connected = False

    def lost_server(self) -> None:
        """The hub lists none any more, or another."""
        self.lost_connection()
        self.lost_kernel()
        self.lost_servers += bool(self.server)
        self.server = ""
