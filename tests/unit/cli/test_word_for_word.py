"""Names from elsewhere in the tables of the command line: no markup, no picture, and nothing that steers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from chaosjc.cli import discovered, lab, schedule
from chaosjc.cli import site as site_cli
from chaosjc.lab import image
from chaosjc.site import context, deploy, discover, verify
from chaosjc.site.change import Change
from chaosjc.site.topology import Topology, Volume
from tests.unit.cli.test_schedule import EXPERIMENT, ROOT, schedule_file

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
