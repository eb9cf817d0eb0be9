"""`http`, `command` and `vm`: what is an answer, what is none, and that every question ends in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from chaosjc.checks import promql, registry
from chaosjc.checks.registry import ask, backfill, lag
from chaosjc.checks.sources import Deadline, Sources, bounded
from chaosjc.checks.vm import EXPORTER, Ways, vm_state
from chaosjc.drivers import http as http_driver
from chaosjc.drivers.command import Completed
from chaosjc.drivers.http import Http
from chaosjc.drivers.openstack import Cloud, NotFound, Server
from chaosjc.drivers.ssh import Ssh, Unreachable
from chaosjc.errors import CommandError, CommandTimeout, RemoteError
from chaosjc.journal.events import CheckPlan, Reading
from tests.unit.fakes import FakeClock

NOW = 1_000_000.0


def plan(kind: str, expect: str = "== 200", timeout: float = 5.0, **options: Any) -> CheckPlan:
    return CheckPlan(id="h1", name="h", kind=kind, expect=expect, timeout=timeout, options=options)


# ------------------------------------------------------------------ http


def http(handler: Callable[[httpx.Request], httpx.Response]) -> Sources:
    return Sources(http=Http.connect(transport=httpx.MockTransport(handler)), clock=FakeClock(NOW))


GET: dict[str, Any] = {"url": "http://hub/health", "method": "GET", "headers": {"x-a": "b"}}


def test_http_answers_with_its_status_at_the_time_of_asking() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert (request.method, str(request.url), request.headers["x-a"]) == ("GET", "http://hub/health", "b")
        return httpx.Response(503)

    assert ask(plan("http", **GET), http(handler)) == (Reading(time=NOW, value=503.0),)


def test_http_redirects_are_answers() -> None:
    (reading,) = ask(plan("http", **GET), http(lambda request: httpx.Response(302, headers={"location": "/login"})))
    assert reading.value == 302


def test_http_with_a_text_expectation_answers_with_the_body() -> None:
    (reading,) = ask(plan("http", "matches ok", **GET), http(lambda request: httpx.Response(200, text="all ok" * 5000)))
    assert isinstance(reading.value, str)
    assert reading.value.startswith("all ok")
    assert len(reading.value) == 2000


def test_http_reads_only_the_beginning_of_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_driver, "MAX_BYTES", 10)
    client = Http.connect(transport=httpx.MockTransport(lambda request: httpx.Response(200, text="x" * 1000)))
    assert client.fetch("GET", "http://hub", {}, 1).body == "x" * 10


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ReadTimeout(""), httpx.RemoteProtocolError("?")]
)
def test_http_without_an_answer_has_no_data(error: httpx.HTTPError) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    (reading,) = ask(plan("http", **GET), http(handler))
    assert (reading.value, reading.time) == (None, NOW)
    assert reading.why.startswith("http://hub/health: ")


# ------------------------------------------------------------------ command


@dataclass
class FakeRun:
    """Answers with one result and remembers what was run."""

    result: Completed | Exception
    seen: list[tuple[list[str], float]] = field(default_factory=list[tuple[list[str], float]])

    def __call__(self, argv: Sequence[str], *, timeout: float = 60, check: bool = True, **_: Any) -> Completed:
        self.seen.append((list(argv), timeout))
        assert check is False
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def completed(code: int, stdout: str = "", stderr: str = "") -> Completed:
    return Completed(("x",), code, stdout, stderr, 0.1)


@pytest.mark.parametrize(
    ("expect", "result", "value", "why"),
    [
        ("== 0", completed(0), 0.0, ""),
        ("== 0", completed(3), 3.0, ""),
        ("matches up", completed(0, " up 3 days\n"), "up 3 days", ""),
        ("matches up", completed(1, "", "no such thing"), None, "exit code 1: no such thing"),
        ("== 0", CommandError("x: cannot start: No such file or directory"), None, "cannot start"),
        ("== 0", CommandTimeout("x: no end after 5 s, killed"), None, "no end after 5 s"),
    ],
)
def test_command(expect: str, result: Completed | Exception, value: float | str | None, why: str) -> None:
    run = FakeRun(result)
    (reading,) = ask(plan("command", expect, argv=["x", "-y"], host=""), Sources(run=run, clock=FakeClock(NOW)))
    assert (reading.value, reading.time) == (value, NOW)
    assert why in reading.why
    assert run.seen == [(["x", "-y"], 5.0)]


def test_command_on_a_host_goes_over_ssh() -> None:
    run = FakeRun(completed(0))
    ssh = Ssh(Path("/etc/ssh_config"), cast("Any", run))
    (reading,) = ask(plan("command", "== 0", argv=["uptime"], host="dns"), Sources(ssh=ssh))
    assert reading.value == 0
    assert run.seen[0][0][0] == "ssh"
    assert run.seen[0][0][-2:] == ["dns", "uptime"]
    (reading,) = ask(plan("command", "== 0", argv=["uptime"], host="dns"), Sources(run=cast("Any", run)))
    assert reading.why == "this run has no SSH configuration to ask"


# ------------------------------------------------------------------ vm


@dataclass
class FakeCloud:
    """One server, or an error in its place."""

    found: Server | Exception

    def server(self, uuid: str) -> Server:
        if isinstance(self.found, Exception):
            raise self.found
        assert uuid == self.found.id
        return self.found

    def find_servers(self, marks: Any) -> tuple[Server, ...]:
        assert marks == {"site": "lab"}
        if isinstance(self.found, Exception):
            raise self.found
        return (self.found,)


@dataclass
class FakeSsh:
    """Which hosts let a newcomer in, and how the exporter answers."""

    in_order: frozenset[str] = frozenset({"bastion", "worker"})
    refused: bool = False
    exporter: Exception | None = None
    closed: list[str] = field(default_factory=list[str])

    def login(self, host: str, timeout: float) -> None:
        assert 0 < timeout <= 5
        if host not in self.in_order:
            said = "Permission denied (publickey)" if self.refused else "no route"
            raise Unreachable(host, said, Path("config"))

    def answers(self, host: str, timeout: float) -> bool:
        return host in self.in_order

    def run(self, host: str, argv: Sequence[str], *, timeout: float) -> Completed:
        assert tuple(argv) == EXPORTER
        if self.exporter:
            raise self.exporter
        return completed(0)

    def close(self, host: str) -> None:
        self.closed.append(host)


ACTIVE = Server(id="u1", name="worker", status="ACTIVE")
ONLY_BASTION, NOTHING = frozenset({"bastion"}), frozenset[str]()


@pytest.mark.parametrize(
    ("server", "ssh", "outcome", "why"),
    [
        (ACTIVE, FakeSsh(), "whole", ""),
        (NotFound("no server u1"), FakeSsh(), "gone", "Nova knows no server u1"),
        (RemoteError("Nova: 503"), FakeSsh(), "unknown", "Nova: 503"),
        (Server(id="u1", name="worker", status="PAUSED"), FakeSsh(), "broken", "Nova says PAUSED"),
        (Server(id="u1", name="worker", status="ACTIVE", task_state="pausing"), FakeSsh(), "broken", "pausing"),
        (ACTIVE, FakeSsh(ONLY_BASTION), "broken", "no SSH session"),
        (ACTIVE, FakeSsh(NOTHING), "unknown", "bastion"),
        (ACTIVE, FakeSsh(NOTHING, refused=True), "broken", "Permission denied"),
        (ACTIVE, FakeSsh(exporter=CommandError("exit code 7", returncode=7)), "broken", "node exporter"),
        (ACTIVE, FakeSsh(exporter=CommandTimeout("killed")), "broken", "node exporter"),
    ],
)
def test_vm_state(server: Server | Exception, ssh: FakeSsh, outcome: str, why: str) -> None:
    cloud = cast("Cloud", FakeCloud(server))
    found = vm_state("u1", "worker", Ways(cloud, cast("Ssh", ssh)), timeout=5)
    assert found[0] == outcome
    assert why in found[1]


def test_a_shared_connection_that_hangs_is_ended() -> None:
    ssh = FakeSsh(exporter=CommandTimeout("killed"))
    vm_state("u1", "worker", Ways(cast("Cloud", FakeCloud(ACTIVE)), cast("Ssh", ssh)), timeout=5)
    assert ssh.closed == ["worker"]


def test_the_bastion_itself_is_broken_when_it_does_not_answer() -> None:
    bastion = Server(id="u1", name="bastion", status="ACTIVE")
    found = vm_state("u1", "bastion", Ways(cast("Cloud", FakeCloud(bastion)), cast("Ssh", FakeSsh(NOTHING))), timeout=5)
    assert found[0] == "broken"


def test_without_a_bastion_there_is_nothing_else_to_blame() -> None:
    ways = Ways(cast("Cloud", FakeCloud(ACTIVE)), cast("Ssh", FakeSsh(NOTHING)), bastion="")
    assert vm_state("u1", "worker", ways, timeout=5)[0] == "broken"


def test_a_vm_that_has_no_exporter_is_not_asked_for_it() -> None:
    ssh = FakeSsh(exporter=CommandError("exit code 7", returncode=7))
    ways = Ways(cast("Cloud", FakeCloud(ACTIVE)), cast("Ssh", ssh), exporter=False)
    assert vm_state("u1", "worker", ways, timeout=5) == ("whole", "")


def test_the_vm_check_answers_for_each_name() -> None:
    sources = Sources(cloud=cast("Cloud", FakeCloud(ACTIVE)), ssh=cast("Ssh", FakeSsh()), marks={"site": "lab"})
    found = ask(plan("vm", "== whole", names=["worker", "other"]), sources)
    assert [(r.series, r.value) for r in found] == [("worker", "whole"), ("other", "gone")]


def test_what_is_unknown_is_no_data() -> None:
    ssh = cast("Ssh", FakeSsh(NOTHING))
    sources = Sources(cloud=cast("Cloud", FakeCloud(ACTIVE)), ssh=ssh, marks={"site": "lab"})
    (reading,) = ask(plan("vm", "== whole", names=["worker"]), sources)
    assert (reading.series, reading.value) == ("worker", None)
    assert "bastion" in reading.why


# ------------------------------------------------------------------ time limits


def test_a_source_that_hangs_is_left_to_itself_at_the_timeout() -> None:
    never = threading.Event()

    def handler(request: httpx.Request) -> httpx.Response:
        never.wait(10)
        return httpx.Response(200)

    began = time.monotonic()
    (reading,) = ask(plan("http", timeout=0.1, **GET), http(handler))
    assert time.monotonic() - began < 1
    assert reading.why == "timeout: no answer within 0.1 s"
    never.set()


def test_bounded_hands_over_answers_and_errors() -> None:
    assert bounded(lambda: 7, 5) == 7

    def fail() -> int:
        raise RemoteError("no")

    with pytest.raises(RemoteError, match="no"):
        bounded(fail, 5)


def test_a_deadline_runs_out() -> None:
    clock = FakeClock()
    deadline = Deadline(clock, 3)
    clock.sleep(2)
    assert deadline.left() == 1
    clock.sleep(1)
    with pytest.raises(RemoteError, match="within 3 s"):
        deadline.left()


# ------------------------------------------------------------------ mistakes of our own


def mistaken(*_: object) -> Any:
    raise IndexError("list index out of range")


OURS = "internal error: IndexError: list index out of range"


def test_a_mistake_in_an_answer_is_a_reading_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks goes on asking."""
    monkeypatch.setitem(registry.KINDS, "http", registry.Kind(mistaken, frozenset()))  # type: ignore[arg-type]
    assert ask(plan("http", **GET), Sources(clock=FakeClock(NOW))) == (Reading(time=NOW, why=OURS),)


def test_a_mistake_in_what_is_past_is_a_reading_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is over has its verdict all the same."""
    monkeypatch.setattr(promql, "backfill", mistaken)
    assert backfill(plan("promql"), Sources(), 1.0, 2.0) == (Reading(time=2.0, why=OURS),)


def test_a_mistake_in_a_lag_is_as_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promql, "lag", mistaken)
    assert lag([plan("promql").model_copy(update={"every": 3.0})], Sources()) == 6.0
