"""How the demo waits and ends, without a lab."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from chaosjc.cli import demo
from chaosjc.cli.demo import Act, Ended, forgotten_timeout, insist, play
from chaosjc.cli.demo_storage import CALM, calmed
from chaosjc.drivers.prometheus import Prometheus
from chaosjc.errors import CommandError, RemoteError
from tests.unit.fakes import FakeClock

LOCKED = CommandError("volume set: failed: Another transaction is in progress for homes.")


class Terminal:
    """What was done, in order; commands end as told."""

    def __init__(self, codes: dict[str, int]) -> None:
        self.done: list[str] = []
        self.codes = codes

    def chaosjc(self, *arguments: str, root: bool = False) -> int:
        del root
        self.done.append(" ".join(arguments[:2]))
        return self.codes.get(self.done[-1], 0)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Terminal:
    found = Terminal({})
    monkeypatch.setattr(demo, "chaosjc", found.chaosjc)
    monkeypatch.setattr(demo, "PROGRESS", tmp_path / "progress.json")
    for name in ("CHAOSJC_STATE", "OS_CLIENT_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path))
    return found


@pytest.fixture
def refusals(monkeypatch: pytest.MonkeyPatch) -> list[CommandError]:
    """What the VMs refuse, one after the other."""
    left: list[CommandError] = []

    def on_vm(*words: str) -> None:
        del words
        if left:
            raise left.pop()

    monkeypatch.setattr(demo, "on_vm", on_vm)
    return left


def test_each_run_waits_for_calm_after_its_plant(terminal: Terminal) -> None:
    @contextlib.contextmanager
    def plant() -> Generator[None]:
        terminal.done.append("plant")
        yield
        terminal.done.append("gone")

    acts = (Act("One.", "a.yaml", 0), Act("Two.", "b.yaml", 0, plant=plant))
    assert play(acts, calm=lambda: terminal.done.append("calm")) == []
    assert terminal.done == ["calm", "run a.yaml", "plant", "calm", "run b.yaml", "gone"]


def test_what_a_vm_refuses_is_tried_again_for_a_while(refusals: list[CommandError]) -> None:
    clock = FakeClock(0.0)
    refusals += [LOCKED] * 3
    insist("brick-001", "gluster", clock=clock)
    assert (clock.now, refusals) == (3, [])
    refusals += [LOCKED] * 100
    with pytest.raises(CommandError, match="Another transaction"):
        insist("brick-001", "gluster", clock=clock)
    assert clock.now == 3 + demo.REFUSED


@pytest.mark.usefixtures("refusals")
def test_a_timeout_that_cannot_be_mended_ends_the_demo(terminal: Terminal) -> None:
    terminal.codes["site deploy"] = 1
    with pytest.raises(Ended, match="site deploy"), forgotten_timeout():
        pass
    assert terminal.done == ["site plan", "site deploy"]


def test_an_error_takes_the_lab_down_and_is_no_traceback(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*arguments: object, **more: object) -> list[str]:
        raise RemoteError("monitor does not answer [/prefix]")

    monkeypatch.setattr(demo, "play", fail)
    monkeypatch.setattr(demo, "REPORTS", tmp_path / "reports")
    monkeypatch.setattr(demo, "STATE", tmp_path / "state")
    monkeypatch.setattr(demo, "lab_can_run", lambda: True)
    assert demo.main() == 1
    assert terminal.done[-1] == "lab down"


def prometheus(answers: list[str | None], clock: FakeClock) -> Prometheus:
    """One value after the other, None for no series; the last one stays."""

    def handler(request: httpx.Request) -> httpx.Response:
        del request
        value = answers.pop(0) if len(answers) > 1 else answers[0]
        if value == "down":
            return httpx.Response(503)
        result: list[object] = [] if value is None else [{"metric": {}, "value": [1.0, value]}]
        return httpx.Response(200, content=json.dumps({"data": {"resultType": "vector", "result": result}}))

    return Prometheus.connect("http://prometheus.test", clock=clock, transport=httpx.MockTransport(handler))


@pytest.mark.parametrize(
    ("answers", "calm", "took"),
    [
        (["0"], True, 0),
        (["15.2", "down", None, "NaN", "0"], True, 4),
        (["1.5"], False, CALM),
        ([None], False, CALM),
    ],
)
def test_calm_is_when_no_canary_remembers_a_stall(answers: list[str | None], calm: bool, took: float) -> None:
    clock = FakeClock(0.0)
    assert calmed(prometheus(answers, clock), clock) is calm
    assert clock.now == took
