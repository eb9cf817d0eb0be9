"""What a live server's canary has, what it has lost, and what it needs next. Pure.

Whoever loses a server loses its kernel and the connection to it, and whoever loses a kernel its state: each loss counts
for all that went with it, so that no lost kernel is hidden by what took it away. What becomes of a server that is not
where it ought to be says nothing of its worker, and counts for none.
"""

from __future__ import annotations

from typing import Literal

Step = Literal["server", "elsewhere", "kernel", "connection", "cells"]


class Life:
    """`server` tells one server from the next, `kernel` is a kernel's id, `secret` what a variable of it holds.

    `astray`: the server is there, and not known to be on its worker. `away`: since the last connection, the worker was.
    """

    def __init__(self) -> None:
        self.server = self.kernel = self.secret = ""
        self.connected = self.began = self.astray = self.away = False
        self.lost_connections = self.lost_kernels = self.lost_servers = 0
        self.moves = 0
        self._homeless, self._since, self._lasted = False, 0.0, 0.0

    @property
    def step(self) -> Step:
        """What to do next: get what is missing, the lowest first; with all of it there, cells."""
        if not self.server:
            return "elsewhere" if self._homeless else "server"
        if not self.kernel:
            return "kernel"
        return "cells" if self.connected else "connection"

    def has_server(self, which: str) -> None:
        """A server is ready."""
        self.server = which or "unknown"

    def has_kernel(self, kernel: str, secret: str, *, astray: bool = False) -> None:
        """A kernel was created; `secret` is what its variable is to hold."""
        self.kernel, self.secret, self.astray = kernel, secret, astray

    def has_connection(self) -> None:
        """A connection is open, and through it the kernel was seen to hold the secret."""
        self.connected = self.began = True
        self.away = False

    def lost_connection(self) -> None:
        """It was closed, or is silent."""
        self.lost_connections += self.connected and not self.astray
        self.connected = False

    def lost_kernel(self) -> None:
        """It is gone, or what its variable held."""
        self.lost_kernels += bool(self.kernel) and not self.astray
        self.kernel = self.secret = ""
        self.connected = False

    def lost_server(self, since: float = 0.0) -> None:
        """The hub lists none any more, or another; nobody was answered `since` then."""
        self.lost_connection()
        self.lost_kernel()
        self.lost_servers += bool(self.server) and not self.astray
        if self.server and self.away and not self.astray:
            self._homeless, self._since = True, since
        self.server, self.astray = "", False

    # ------------------------------------------------------------------ once on whichever worker there is

    def moved(self, at: float) -> None:
        """Its user had a cell executed on whichever worker there was."""
        if self._since:
            self.moves, self._lasted, self._since = self.moves + 1, at - self._since, 0.0

    def came_home(self) -> None:
        """What it had there is gone again: now for its own worker."""
        self._homeless = self.away = False

    def move(self, now: float) -> float:
        """How long the last move took, or takes already."""
        since = self._since
        return now - since if since else self._lasted
