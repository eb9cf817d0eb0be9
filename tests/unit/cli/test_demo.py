"""How the demo waits, goes on and ends, without a lab."""

from __future__ import annotations

import datetime
import html
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from chaosjc.cli.demo import __main__ as demo
from chaosjc.cli.demo import scheduled, stage
from chaosjc.cli.demo.calm import LIMIT, calmed
from chaosjc.cli.demo.stage import Act, play
from chaosjc.cli.main import app
from chaosjc.controller import model
from chaosjc.controller.claims import Claim, Claims
from chaosjc.controller.schedule import next_firing
from chaosjc.drivers.prometheus import Prometheus
from chaosjc.errors import RemoteError
from tests.unit.fakes import FakeClock


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
    for module in (demo, stage):
        monkeypatch.setattr(module, "chaosjc", found.chaosjc)
        monkeypatch.setattr(module, "PROGRESS", tmp_path / "progress.json")
    for name in ("CHAOSJC_STATE", "OS_CLIENT_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path))
    return found


def test_each_run_waits_for_calm(terminal: Terminal) -> None:
    acts = (Act("One.", "a.yaml", 0), Act("Two.", "b.yaml", 0))
    assert play(acts, calm=lambda: terminal.done.append("calm")) == []
    assert terminal.done == ["calm", "run a.yaml", "calm", "run b.yaml"]


def test_a_verdict_that_is_not_the_true_one_is_said(terminal: Terminal) -> None:
    terminal.codes["run b.yaml"] = 1
    (wrong,) = play((Act("One.", "a.yaml", 0), Act("Two.", "b.yaml", 3)))
    assert wrong == "b.yaml: FAIL, and INCONCLUSIVE would have been the truth"


def test_a_run_that_was_refused_is_tried_once_more(terminal: Terminal) -> None:
    terminal.codes["run b.yaml"] = 4
    wrong = play((Act("One.", "a.yaml", 4), Act("Two.", "b.yaml", 0)), calm=lambda: terminal.done.append("calm"))
    assert terminal.done == ["calm", "run a.yaml", *["calm", "run b.yaml"] * 2]
    assert wrong == ["a.yaml: PASS, and NOT-STARTED would have been the truth",
                     "b.yaml: NOT-STARTED, and PASS would have been the truth"]  # fmt: skip


def test_an_interrupted_demo_goes_on_where_it_was(terminal: Terminal) -> None:
    acts = (Act("One.", "a.yaml", 0), Act("Two.", "b.yaml", 0))
    terminal.codes["run b.yaml"] = 130
    with pytest.raises(stage.Ended, match="continues"):
        play(acts)
    terminal.codes.clear()
    assert play(acts) == []
    assert terminal.done == ["run a.yaml", "run b.yaml", "run b.yaml"]


def test_what_is_said_of_a_lab_that_stays_can_be_typed() -> None:
    """Every file is there, and every command and option is one of ours."""
    told = demo.KEPT.format(state="S", clouds="C", bin="B", site=stage.SITE, ssh="F")
    commands = [each for line in told.splitlines() for each in re.findall(r"\bchaosjc (?!-)([^#]+)", line)]
    assert len(commands) > 6
    for each in commands:
        words = [word for word in each.split() if "*" not in word]
        files = [word for word in words if word.endswith(".yaml")]
        assert [file for file in files if not (stage.ROOT / file).is_file()] == []
        depth = next((n for n, word in enumerate(words) if "/" in word or word.startswith("-")), len(words))
        commanded = words[: min(depth, 2)] if words[0] in ("lab", "site", "schedule") else words[:1]
        assert CliRunner().invoke(app, [*commanded, "--help"]).exit_code == 0, each


def test_the_readmes_picture_of_its_end_shows_what_is_played() -> None:
    picture = html.unescape((stage.ROOT / "docs/demo.svg").read_text())
    shown = {each.stem for each in (stage.ROOT / "experiments").glob("*.yaml") if f">{each.stem}<" in picture}
    assert shown == {Path(each.experiment).stem for each in demo.ACTS} | set(scheduled.EXPERIMENTS)


def test_the_schedule_falls_due_once_and_soon(tmp_path: Path) -> None:
    """In time for the controller to start; every file that it names is there and good."""
    now = datetime.datetime(2026, 11, 24, 23, 59, 55, tzinfo=datetime.UTC)
    file = tmp_path / "schedule.yaml"
    file.write_text(scheduled.schedule(now))
    (loaded,) = model.load([file])
    (entry,) = loaded.schedule.entries
    first = next_firing(loaded.schedule, entry, now)
    assert first is not None
    assert first.at - now == scheduled.AHEAD
    assert next_firing(loaded.schedule, entry, first.at) is None
    assert entry.prepare == "deploy"
    assert [each.stem for each in loaded.experiments(entry)] == list(scheduled.EXPERIMENTS)


def test_a_controller_that_ends_is_not_waited_for(tmp_path: Path) -> None:
    began = datetime.datetime.now(datetime.UTC)
    claims = Claims(tmp_path / "claims.jsonl")
    assert scheduled.dealt_with(claims, began, alive=lambda: False) is None
    done = Claim(scheduled.NAME, scheduled.ENTRY, began.isoformat(), "ended", 0)
    claims.add(done)
    assert scheduled.dealt_with(claims, began, alive=lambda: True) == done


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        (Claim("demo", "by-itself", "", "ended", 0), ""),
        (Claim("demo", "by-itself", "", "ended", 1), "ended FAIL"),
        (Claim("demo", "by-itself", "", "prepare-failed", 4, "site verify failed"), "site verify failed"),
        (None, "has ended, or had not done"),
    ],
)
def test_what_the_controller_did_is_judged(claim: Claim | None, said: str) -> None:
    found = scheduled.judged(claim)
    assert (found == []) is (said == "")
    assert said in " ".join(found)


@pytest.fixture
def _signals() -> Iterator[None]:
    """`main` takes SIGTERM over."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("_signals")
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
        ([None, "down", None, "0"], True, 3),
        ([None], False, LIMIT),
    ],
)
def test_calm_is_what_the_query_finds_something_for(answers: list[str | None], calm: bool, took: float) -> None:
    clock = FakeClock(0.0)
    assert calmed(prometheus(answers, clock), clock) is calm
    assert clock.now == took
