"""The Prometheus driver against answers that a real one would rarely give; tests/contract has the real one."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator

import httpx
import pytest

from chaosjc.drivers import prometheus
from chaosjc.drivers.prometheus import Prometheus, Series, parse_seconds
from chaosjc.drivers.promql import basis_of, oldest, selectors
from chaosjc.errors import RemoteError, UsageError
from tests.unit.fakes import FakeClock

URL = "http://prometheus.test:9090/prefix"
Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler, url: str = URL, clock: FakeClock | None = None) -> Prometheus:
    return Prometheus.connect(url, clock=clock or FakeClock(), transport=httpx.MockTransport(handler))


def answering(data: object, status: int = 200) -> Prometheus:
    return client(lambda request: httpx.Response(status, json={"status": "success", "data": data}))


def test_a_query_asks_below_the_url_with_the_time_and_its_own_timeout() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"data": {"resultType": "vector", "result": []}})

    assert client(handler).query("up", at=12.5, timeout=3) == ()
    (request,) = seen
    assert (request.method, request.url.path) == ("POST", "/prefix/api/v1/query")
    assert request.content == b"query=up&time=12.500&timeout=3.000"


def test_numbers_of_all_kinds() -> None:
    result = [
        {"metric": {"__name__": "m", "b": "2", "a": '"'}, "value": [1.5, value]}
        for value in ("1e3", "NaN", "+Inf", "-Inf")
    ]
    values = [each.points[0][1] for each in answering({"resultType": "vector", "result": result}).query("m", at=0)]
    assert (values[0], math.isnan(values[1]), values[2:]) == (1000.0, True, [math.inf, -math.inf])
    (scalar,) = answering({"resultType": "scalar", "result": [1.0, "7"]}).query("7", at=0)
    assert scalar == Series({}, ((1.0, 7.0),))


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({}, ""),
        ({"__name__": "up"}, "up"),
        ({"__name__": "up", "job": "b", "instance": 'a"'}, 'up{instance="a\\"",job="b"}'),
        ({"job": "b"}, '{job="b"}'),
    ],
)
def test_one_series_has_one_name(labels: dict[str, str], name: str) -> None:
    assert Series(labels, ()).name == name


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (
            httpx.Response(400, json={"status": "error", "errorType": "bad_data", "error": "parse error"}),
            "bad_data: parse error",
        ),
        (httpx.Response(502, text="<html>Bad gateway"), "HTTP 502: <html>Bad gateway"),
        (httpx.Response(200, text="<html>login"), "not Prometheus' JSON"),
        (httpx.Response(200, json=[]), "not Prometheus' JSON"),
        (httpx.Response(302, headers={"location": "/login"}), "HTTP 302"),
        (httpx.Response(200, json={"data": {"resultType": "string", "result": [1, "x"]}}), "string"),
        (
            httpx.Response(200, json={"data": {"resultType": "vector", "result": [{"metric": {}}]}}),
            "not Prometheus' JSON",
        ),
        (httpx.Response(200, json={"data": None}), "not Prometheus' JSON"),
    ],
)
def test_what_is_no_answer_is_an_error(response: httpx.Response, words: str) -> None:
    with pytest.raises(RemoteError, match="prometheus") as raised:
        client(lambda request: response).query("up", at=0)
    assert words in raised.value.message


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("?")]
)
def test_no_answer_is_an_error(error: httpx.HTTPError) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(RemoteError):
        client(handler).query("up", at=0)
    assert client(handler).ready() is False


class Dripping(httpx.SyncByteStream):
    """A body that comes in pieces, each a second later on the test's clock."""

    def __init__(self, clock: FakeClock, pieces: int, size: int) -> None:
        self.clock, self.pieces, self.size = clock, pieces, size

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self.pieces):
            self.clock.sleep(1)
            yield b" " * self.size


def test_a_body_that_never_ends_is_cut_by_time_and_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    slow = client(lambda request: httpx.Response(200, stream=Dripping(clock, 1000, 1)), clock=clock)
    with pytest.raises(RemoteError, match="timeout"):
        slow.query("up", at=0, timeout=5)
    monkeypatch.setattr(prometheus, "MAX_BYTES", 1 << 20)
    big = client(lambda request: httpx.Response(200, stream=Dripping(FakeClock(), 1000, 1 << 18)))
    with pytest.raises(RemoteError, match="more than 1 MiB"):
        big.query("up", at=0)


def test_targets_are_remembered_and_outlive_a_dead_server() -> None:
    clock, answers = FakeClock(), [{"labels": {"job": "a"}, "scrapeInterval": "1m30s", "health": "up"}]
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if len(asked) > 1:
            raise httpx.ConnectError("gone")
        return httpx.Response(200, json={"data": {"activeTargets": answers}})

    server = client(handler, clock=clock)
    assert server.targets()[0].interval == 90
    server.targets()
    assert len(asked) == 1
    clock.sleep(prometheus.REMEMBER)
    assert server.targets()[0].interval == 90
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("environment", "url", "header"),
    [
        ({}, URL, None),
        ({"CHAOSJC_PROMETHEUS_TOKEN": "t"}, URL, "Bearer t"),
        ({"CHAOSJC_PROMETHEUS_USER": "u", "CHAOSJC_PROMETHEUS_PASSWORD": "p"}, URL, "Basic dTpw"),
        ({}, "http://u:p@prometheus.test", "Basic dTpw"),
    ],
)
def test_login(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, header: str | None) -> None:
    for name in (prometheus.TOKEN, prometheus.USER, prometheus.PASSWORD):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    seen: list[str | None] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("authorization"))
        return httpx.Response(200)

    server = client(handler, url)
    assert server.ready()
    assert seen == [header]
    assert ":p@" not in server.url


@pytest.mark.parametrize("url", ["prometheus:9090", "ftp://x", "http://", "http://x:port", ""])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(UsageError, match="Prometheus URL"):
        Prometheus.connect(url)


def test_an_empty_range_is_empty() -> None:
    assert answering({"resultType": "matrix", "result": []}).query_range("up", 0, 1, step=1) == ()


@pytest.mark.parametrize(("text", "seconds"), [("1m30s", 90), ("200ms", 0.2), ("", 0), ("soon", 0)])
def test_durations_as_prometheus_writes_them(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


# ------------------------------------------------------------------ what an expression rests on


@pytest.mark.parametrize(
    ("promql", "rests_on"),
    [
        ("up", ["up{}"]),
        ('up{job="a"} == 1', ['up{job="a"}']),
        ("rate(foo[5m] offset 1h) / bar", ["foo{} offset 3600", "bar{}"]),
        ("max_over_time((sum(foo) by (x))[5m:1s] offset 10m)", ["foo{} offset 600"]),
        ("foo unless bar", ["foo{}"]),
        ("foo + bar @ 1700000000", ["foo{}"]),
        ("foo @ end()", ["foo{}"]),
        ("histogram_quantile(.9, sum by (le) (rate(b_bucket[1m])))", ["b_bucket{}"]),
        ("foo + foo", ["foo{}"]),
        ("-topk(3, foo offset -5m)", ["foo{} offset -300"]),
    ],
)
def test_selectors(promql: str, rests_on: list[str]) -> None:
    found = selectors(basis_of(promql))
    assert [each.text + (f" offset {each.offset:g}" if each.offset else "") for each in found] == rests_on


@pytest.mark.parametrize("promql", ["time()", "vector(1)", "1 + 1", "foo{", "", "foo @ 1"])
def test_an_expression_without_samples_is_refused(promql: str) -> None:
    with pytest.raises(UsageError, match="PromQL"):
        basis_of(promql)


@pytest.mark.parametrize(
    ("promql", "times", "time"),
    [
        ("a / b", {"a": 5.0, "b": 3.0}, 3.0),
        ("a / b", {"a": 5.0}, None),
        ("a or b", {"a": 5.0}, 5.0),
        ("a or b", {}, None),
        ("(a / c) or b", {"a": 5.0, "b": 2.0}, 2.0),
        ("a or vector(0)", {}, None),
        ("a unless b", {"a": 4.0}, 4.0),
    ],
)
def test_a_value_is_as_old_as_the_oldest_sample_it_needs(
    promql: str, times: dict[str, float], time: float | None
) -> None:
    assert oldest(basis_of(promql), lambda selector: times.get(selector.metric)) == time


def test_json_is_how_labels_are_quoted() -> None:
    assert Series({"a": "\n"}, ()).name == "{a=" + json.dumps("\n") + "}"
