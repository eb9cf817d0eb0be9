from __future__ import annotations

import socket
import struct
import threading
from http.client import HTTPConnection

import pytest
from prometheus_client import CollectorRegistry, Gauge

from chaosjc.canary import web
from chaosjc.errors import UsageError


def test_metrics_and_routes_on_one_kept_connection() -> None:
    registry = CollectorRegistry()
    Gauge("answers", "Of the test.", registry=registry).set(42)
    asked: list[tuple[str, web.Query]] = []

    def route(rest: str, query: web.Query) -> web.Reply:
        asked.append((rest, query))
        return web.Reply(200, {"said": True})

    server = web.serve(0, registry, {"/read/": route})
    connection = HTTPConnection("127.0.0.1", server.port, timeout=5)
    said: list[tuple[int, bytes]] = []
    for path in ("/metrics", "/read/0000000001?of=worker-001", "/elsewhere"):
        connection.request("GET", path)
        response = connection.getresponse()
        said.append((response.status, response.read()))
    connection.close()
    server.close()
    assert b"answers 42.0\n" in said[0][1]
    assert said[1:] == [(200, b'{"said": true}'), (404, b'{"reason": "there is nothing of that name"}')]
    assert asked == [("0000000001", {"of": "worker-001"})]


def test_a_port_that_is_taken_is_said() -> None:
    server = web.serve(0, CollectorRegistry(), {})
    with pytest.raises(UsageError, match=f"port {server.port}: Address already in use"):
        web.serve(server.port, CollectorRegistry(), {})
    server.close()
    again = web.serve(server.port, CollectorRegistry(), {})
    again.close()


def test_a_caller_that_goes_away_leaves_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    served: list[threading.Thread] = []
    came = threading.Event()

    def route(rest: str, query: web.Query) -> web.Reply:
        served.append(threading.current_thread())
        came.set()
        caller.close()  # with a reset
        return web.Reply(200, "x" * 10_000_000)

    server = web.serve(0, CollectorRegistry(), {"/": route})
    caller = socket.create_connection(("127.0.0.1", server.port))
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    caller.sendall(b"GET /x HTTP/1.1\r\n\r\n")
    assert came.wait(5)
    served[0].join(5)
    server.close()
    assert capfd.readouterr().err == ""
