"""A canary's web server: its metrics for Prometheus, and what the canaries ask each other, as JSON."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from chaosjc.errors import UsageError

IDLE = 60.0  # seconds after which a caller that sends nothing is let go: longer than the canaries' pauses


@dataclass(frozen=True)
class Reply:
    """An answer: an HTTP status, and what becomes JSON."""

    status: int
    body: object


Query = Mapping[str, str]
Route = Callable[[str, Query], Reply]
"""Takes what follows the route's prefix, as it stood in the request, and the query."""


class Server:
    """Serves /metrics and the routes, by their prefix, until it is closed.

    Every connection has a thread of its own, so that one that waits for a disk holds nobody up; connections are kept.
    """

    def __init__(self, port: int, registry: CollectorRegistry, routes: Mapping[str, Route]) -> None:
        try:
            self._server = _HttpServer(("", port), _handler(registry, routes))
        except OSError as error:
            raise UsageError(f"port {port}: {error.strerror}", hint="`listen` in the configuration") from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="web server", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on, of all addresses."""
        return int(self._server.server_address[1])

    def wait(self) -> None:
        """Return once it is closed, from elsewhere."""
        self._thread.join()

    def close(self) -> None:
        """Answer nobody any more, and free the port."""
        self._server.shutdown()
        self._server.server_close()


def serve(port: int, registry: CollectorRegistry, routes: Mapping[str, Route]) -> Server:
    """Serve on all addresses from now on, in the background; port 0 is any free one.

    Raises UsageError where the port cannot be had.
    """
    return Server(port, registry, routes)


class _HttpServer(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that went away while it was answered is no error of ours."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def _handler(registry: CollectorRegistry, routes: Mapping[str, Route]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = IDLE
        wbufsize = -1  # head and body in one segment: in two, the second waits 40 ms for the first one's receipt

        def do_GET(self) -> None:
            target = urlsplit(self.path)
            if target.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                return
            query = {name: values[-1] for name, values in parse_qs(target.query).items()}
            fits = ((prefix, route) for prefix, route in routes.items() if target.path.startswith(prefix))
            prefix, route = next(fits, ("", _nothing))
            reply = route(target.path.removeprefix(prefix), query)
            self._answer(reply.status, "application/json", json.dumps(reply.body).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Prometheus comes every second: nothing of that is worth a line."""

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _nothing(rest: str, query: Query) -> Reply:
    del rest, query
    return Reply(404, {"reason": "there is nothing of that name"})
