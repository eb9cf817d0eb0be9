"""Names from elsewhere in the tables of the command line: no markup, no picture, and nothing that steers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from chaosjc.cli import discovered, halt, lab, main, recover, resume, schedule
from chaosjc.cli import site as site_cli
from chaosjc.journal.events import Closed, Halted, Intent
from chaosjc.journal.store import Store
from chaosjc.lab import image
from chaosjc.site import context, deploy, discover, verify
from chaosjc.site.change import Change
from chaosjc.site.topology import Topology, Volume
from tests.unit.cli.test_schedule import EXPERIMENT, ROOT, schedule_file
from tests.unit.report import journals

WORDS = ("[/x]", "[a-z]", ":on:")
HOSTILE = f"{' '.join(WORDS)}\x1b[2J"
SITE = str(ROOT / "sites" / "lab.yaml")


def told(app: typer.Typer, *words: str) -> str:
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert all(word in done.output for word in WORDS), done.output
    assert "\x1b" not in done.output
    return done.output


def always(value: object) -> Callable[..., object]:
    return lambda *_, **__: value


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site that nobody asks anything."""
    site = SimpleNamespace(name="lab", adopted=None)
    monkeypatch.setattr(context, "open_site", always(SimpleNamespace(site=site, cloud=None, ssh=None)))


@pytest.mark.usefixtures("opened")
def test_what_a_site_s_plan_says(monkeypatch: pytest.MonkeyPatch) -> None:
    change = Change("volumes", "option", HOSTILE, "update", "[red]", "auth.allow [/24]")
    monkeypatch.setattr(deploy, "plan", always((change,)))
    said = told(site_cli.app, "plan", SITE)
    assert "[red]" in said and "[/24]" in said


@pytest.mark.usefixtures("opened")
def test_what_verify_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    result = verify.Result("worker", "worker-001", "a file", held=False, why=HOSTILE)
    monkeypatch.setattr(verify, "verify", always((result,)))
    assert "[red]" not in told(site_cli.app, "verify", SITE)


@pytest.mark.usefixtures("opened")
def test_what_a_site_is(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Topology((), (Volume("homes", (), mounts=(HOSTILE,)),))
    for module, name in ((discover, "topology"), (discover, "with_front"), (discovered, "with_cluster")):
        monkeypatch.setattr(module, name, always(found))
    monkeypatch.setattr(discover, "pool", always(None))
    told(site_cli.app, "discover", SITE)


def test_what_falls_due(tmp_path: Path) -> None:
    experiment = tmp_path / "[a-z]:on:[bold].yaml"
    shutil.copy(EXPERIMENT, experiment)
    path = schedule_file(tmp_path, experiments=[str(experiment)])
    done = CliRunner().invoke(schedule.app, ["list", str(path)], catch_exceptions=False)
    assert "[a-z]:on:[bold]" in done.output


def test_the_images_of_a_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    found = image.Image(HOSTILE, "0", Path("p"), 0, 0.0, {}, "")
    monkeypatch.setattr(image, "images", always([found]))
    told(lab.app, "image", "list")


# ------------------------------------------------------------------ lines, which a terminal gets as they are

STEERING = "\x1b[2J\x1b]0;title\x07\rdone\u202e"


def said(app: typer.Typer, *words: str) -> str:
    """As on a terminal, where escapes are not taken out."""
    return CliRunner().invoke(app, words, catch_exceptions=False, color=True).output


def steers(text: str) -> bool:
    return bool(set("\x1b\x07\r\u202e") & set(text))


def test_last_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main.fail(f"{STEERING}: no such file\n  line 2", 1)
    told = capsys.readouterr().err
    assert not steers(told)
    assert told.endswith(": no such file\n  line 2\n")


def test_who_halted_and_why(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with Store(state / "journal.db") as store:
        store.append(Halted(who=f"ada{STEERING}", why=STEERING))
    told = said(resume.app, "--reason", "x", "--state", str(state))
    assert "halted by ada" in told
    assert not steers(told)


def test_what_is_halted(tmp_path: Path) -> None:
    told = said(halt.app, "--reason", "x", "--state", str(tmp_path / STEERING.replace("\r", "")))
    assert told.startswith("halted: ")
    assert not steers(told)


def test_what_is_recovered_and_given_up(tmp_path: Path) -> None:
    step = journals.STEP.model_copy(update={"fault": "command", "undo": STEERING})
    plan = journals.planned(steps=(step,), site="", experiment=f"x{STEERING}")
    with Store(tmp_path / "journal.db") as store:
        closed = Closed(verdict="UNDO-FAILED", code="undo-failed", reason=STEERING)
        store.append_all([plan, Intent(step="f1.1", owner="gone:1"), closed], journals.RUN)
    told = said(recover.app, "--state", str(tmp_path), "--abandon", "f1.1", "--reason", STEERING)
    assert "is given up" in told
    assert not steers(told)
    assert not steers(said(recover.app, "--state", str(tmp_path)))
