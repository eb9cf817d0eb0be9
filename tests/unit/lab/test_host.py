from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaosjc.cli import host as cli
from chaosjc.drivers import command
from chaosjc.drivers.command import Completed
from chaosjc.errors import CommandError
from chaosjc.lab import host
from chaosjc.lab.host import ABILITIES, Probe

ROOT = Path(host.__file__).resolve().parents[2]


def answering(returncode: int, stderr: str = "") -> Callable[..., Completed]:
    def run(argv: Sequence[str], **_: Any) -> Completed:
        return Completed(tuple(argv), returncode, "", stderr, 0.0)

    return run


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A root of files as Debian 12 has them."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "proc").mkdir()
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "etc/os-release").write_text('PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\nVERSION_ID="12"\n')
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   8388608 kB\n")
    return tmp_path


def probed(name: str, system: Path, run: Any = answering(0)) -> Probe:  # noqa: B008 - it holds nothing
    return next(probe for probe in host.report(run, system) if probe.name == name)


def test_setup_can_ask_before_there_is_any_package() -> None:
    """No site-packages: the question comes before .venv, from Debian's own Python."""
    argv = [sys.executable, "-S", "-m", "chaosjc.cli.host", "packages"]
    assert command.run(argv, env={"PYTHONPATH": str(ROOT), "PYTHONNOUSERSITE": "1"}).returncode == 0


def test_missing_is_what_is_not_present_in_order() -> None:
    names = [package.name for package in host.missing(lambda package: package.name != "nftables")]
    assert names == ["nftables"]
    assert [package.name for package in host.missing(lambda _: False)] == [package.name for package in host.PACKAGES]


@pytest.mark.parametrize(
    ("proof", "present"), [("sh", True), ("no-such-command", False), ("/etc", True), ("/no", False)]
)
def test_proof_is_a_command_or_a_path(proof: str, present: bool) -> None:
    assert host.installed(host.Package("it", "why", proof)) is present


def test_debian_12_is_recognised_and_another_is_named(system: Path) -> None:
    assert probed("Debian 12", system).ok
    (system / "etc/os-release").write_text('PRETTY_NAME="Ubuntu 24.04"\nID=ubuntu\nVERSION_ID="24.04"\n')
    probe = probed("Debian 12", system)
    assert (probe.ok, probe.found) == (False, "Ubuntu 24.04")
    (system / "etc/os-release").unlink()
    assert not probed("Debian 12", system).ok


def test_little_memory_is_said_in_gib(system: Path) -> None:
    assert probed("memory", system).ok
    (system / "proc/meminfo").write_text("MemAvailable: 1048576 kB\n")
    probe = probed("memory", system)
    assert (probe.ok, probe.found) == (False, "1.0 GiB available")


@pytest.mark.parametrize(("free", "alone", "with_kubernetes"), [(5, False, False), (10, True, False), (20, True, True)])
def test_the_disk_that_kubernetes_needs_besides_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], free: int, alone: bool, with_kubernetes: bool
) -> None:
    def usage(_: Path) -> SimpleNamespace:
        return SimpleNamespace(free=free * host.GIB)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert (host.disk().ok, host.disk(kubernetes=True).ok) == (alone, with_kubernetes)
    assert "6 GiB" in host.disk().todo and "15 for a lab with Kubernetes" in host.disk().todo
    monkeypatch.setattr(host, "report", lambda: [host.disk()])
    assert cli.check() == (0 if alone else 1)
    said = capsys.readouterr().out
    assert ("15 GiB are needed if Kubernetes' programs must be built" in said) is (alone and not with_kubernetes)
    assert said.startswith(f"The lab {'can' if alone else 'cannot'} run on this machine")


def test_without_root_nothing_else_is_tried(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    def never(argv: Sequence[str], **_: Any) -> Completed:
        raise AssertionError(argv)

    names = [probe.name for probe in host.report(never, system)]
    assert "root" in [probe.name for probe in host.lacking(host.report(never, system))]
    assert not set(names) & {ability.name for ability in ABILITIES}


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("ability", ABILITIES, ids=lambda ability: ability.name)
def test_an_ability_that_fails_says_what_the_system_said(ability: host.Ability, system: Path) -> None:
    assert probed(ability.name, system).found == "works"
    probe = probed(ability.name, system, answering(1, "noise\nmount: permission denied\n"))
    assert (probe.ok, probe.found) == (False, "mount: permission denied")
    assert probed(ability.name, system, answering(32)).found == "exit code 32"


@pytest.mark.usefixtures("as_root")
def test_an_ability_that_cannot_even_be_tried_is_lacking(system: Path) -> None:
    def absent(argv: Sequence[str], **_: Any) -> Completed:
        raise CommandError("unshare: cannot start: No such file or directory")

    lacking = {probe.name for probe in host.lacking(host.report(absent, system))}
    assert {ability.name for ability in ABILITIES} <= lacking


@pytest.mark.usefixtures("as_root")
def test_a_hierarchy_that_cannot_freeze_is_named_and_left_as_it_was(system: Path) -> None:
    probe = probed("control groups", system)
    assert not probe.ok
    assert probe.found.endswith("lacks cgroup.freeze and cgroup.kill")
    assert list((system / "sys/fs/cgroup").iterdir()) == []


@pytest.mark.usefixtures("as_root")
def test_the_unified_part_of_a_hybrid_hierarchy_is_asked(system: Path) -> None:
    (system / "sys/fs/cgroup/unified").mkdir()
    assert "/unified" in probed("control groups", system).found


@pytest.mark.usefixtures("as_root")
def test_every_probe_that_fails_says_why_it_matters_and_what_to_do(tmp_path: Path) -> None:
    for probe in host.lacking(host.report(answering(1), tmp_path)):
        assert probe.found
        assert probe.why
        assert probe.todo
