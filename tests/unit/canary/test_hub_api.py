"""Whom the canary may touch, and how it reads answers; what it does with a real hub is in the contract tests."""

from __future__ import annotations

import asyncio
import errno
import inspect
import socket
from collections.abc import Callable
from typing import Any, cast

import aiohttp
import pytest

from chaosjc.canary.hub_api import Foreign, Hub, leads_to_hub
from chaosjc.canary.hub_channels import opened
from chaosjc.canary.hub_http import Answer, Failure, expect, reason_of, reason_of_status, retry_after


class Deaf:
    """A session that must not be used."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def request(self, *what: object, **more: object) -> None:
        self.asked.append((what, more))
        raise AssertionError("a request was made")

    ws_connect = request


FOREIGN = ["alice", "canary", "canary-", "", "Canary-x", "alice/canary-x", "../canary-x", " canary-x"]
CALLS: list[Callable[[Hub, str], Any]] = [
    lambda hub, user: hub.server(user),
    lambda hub, user: hub.ask_for_server(user, {}),
    lambda hub, user: hub.spawn(user, {}, 1),
    lambda hub, user: hub.ask_to_stop(user),
    lambda hub, user: hub.stop(user, 1),
    lambda hub, user: hub.call("GET", user, "/api"),
    lambda hub, user: hub.start_kernel(user, "python3", 1),
    lambda hub, user: hub.kernel_is_there(user, "k"),
    lambda hub, user: hub.delete_kernel(user, "k"),
    lambda hub, user: opened(hub, user, "k", 1),
]


@pytest.mark.parametrize("user", FOREIGN)
@pytest.mark.parametrize("call", CALLS)
def test_nothing_is_ever_asked_of_a_user_who_is_not_the_canary_s(call: Callable[[Hub, str], Any], user: str) -> None:
    session = Deaf()
    hub = Hub(cast("aiohttp.ClientSession", session), "http://hub", "token", "canary-")
    with pytest.raises(Foreign, match="no user of this canary"):
        asyncio.run(call(hub, user))
    assert session.asked == []


def test_each_call_that_names_a_user_is_tested() -> None:
    """A new one has to come into the list above."""
    named = {
        name
        for name, method in inspect.getmembers(Hub, inspect.isfunction)
        if "user" in inspect.signature(method).parameters and not name.startswith("_")
    }
    tested = {"server", "ask_for_server", "spawn", "ask_to_stop", "stop", "call"}
    assert named == tested | {"start_kernel", "kernel_is_there", "delete_kernel"} | {"own", "at"}


def test_a_path_holds_the_whole_name() -> None:
    hub = Hub(cast("aiohttp.ClientSession", Deaf()), "http://hub/base", "token", "canary-")
    assert hub.at("canary-a/../b", "/api") == "http://hub/base/user/canary-a%2F..%2Fb/api"


@pytest.mark.parametrize(
    ("status", "location", "expected"),
    [
        (302, "/hub/user/canary-a/api", True),
        (302, "http://hub/hub/user/canary-a/api", True),
        (302, "/user/canary-a/lab", False),
        (302, "/hub/login", False),
        (200, "", False),
        (503, "", False),
    ],
)
def test_a_user_s_path_that_the_hub_answers_has_no_route(status: int, location: str, expected: bool) -> None:
    assert leads_to_hub("http://hub", Answer(status, {"Location": location}, b"")) is expected


@pytest.mark.parametrize(
    ("said", "wait"), [("7", 7), ("0", 1), ("", 30), ("Wed, 21 Oct 2026 07:28:00 GMT", 30), ("9999", 600)]
)
def test_how_long_to_wait(said: str, wait: float) -> None:
    assert retry_after(said) == wait


@pytest.mark.parametrize(("status", "reason"), [(302, "redirected"), (404, "4xx"), (503, "5xx"), (101, "wrong")])
def test_the_reason_of_a_status(status: int, reason: str) -> None:
    assert reason_of_status(status) == reason
    with pytest.raises(Failure) as failure:
        expect(Answer(status, {}, b""), (200,))
    assert (failure.value.reason, failure.value.status) == (reason, status)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), "timeout"),
        (ConnectionResetError(errno.ECONNRESET, ""), "reset"),
        (aiohttp.ServerDisconnectedError(), "reset"),
        (aiohttp.ClientPayloadError(), "reset"),
        (aiohttp.ClientOSError(errno.EPIPE, ""), "reset"),
        (OSError(errno.EHOSTUNREACH, ""), "unreachable"),
        (OSError(errno.ETIMEDOUT, ""), "timeout"),
        (socket.gaierror(socket.EAI_NONAME, ""), "unreachable"),
        (aiohttp.InvalidURL("x"), "wrong"),
        (ValueError(), "wrong"),
    ],
)
def test_the_reason_of_an_error(error: BaseException, reason: str) -> None:
    assert reason_of(error) == reason


def test_a_refused_connection_is_told_apart() -> None:
    async def asked() -> str:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            async with aiohttp.ClientSession() as session:
                try:
                    await session.get(f"http://127.0.0.1:{taken.getsockname()[1]}/")
                except aiohttp.ClientError as error:
                    return reason_of(error)
        return ""

    assert asyncio.run(asked()) == "refused"


def test_what_is_no_json_is_a_failure() -> None:
    with pytest.raises(Failure) as failure:
        Answer(200, {}, b"<html>").json()
    assert failure.value.reason == "wrong"
