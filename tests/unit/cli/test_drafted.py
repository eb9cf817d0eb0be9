"""`chaosjc site discover --draft`: where it writes, and that it writes nothing that does not load."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chaosjc.cli import drafted
from chaosjc.cli import site as site_cli
from chaosjc.drivers.openstack import Cloud
from chaosjc.errors import UsageError
from chaosjc.site import model
from chaosjc.site.draft import Facts
from tests.unit.site.adopted_site import facts

SOURCES = drafted.Sources("campus", None, None)


@pytest.fixture
def surveyed(monkeypatch: pytest.MonkeyPatch) -> Facts:
    """What every survey finds here."""
    found = facts()

    def survey(asked: Facts, cloud: object, ssh_config: str) -> Facts:
        return replace(found, name=asked.name)

    def connect(cloud: str) -> object:
        return object()

    monkeypatch.setattr(drafted, "survey", survey)
    monkeypatch.setattr(Cloud, "connect", connect)
    return found


@pytest.mark.parametrize("name", ["campus", "yes", "null", "true"])
def test_it_loads_under_any_name(tmp_path: Path, surveyed: Facts, name: str) -> None:
    path = tmp_path / f"{name}.yaml"
    drafted.write(path, SOURCES, force=False)
    site = model.load(path)
    assert (site.name, site.adopted and site.adopted.bastion) == (name, surveyed.bastion)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    with pytest.raises(UsageError, match="is there already"):
        drafted.write(path, SOURCES, force=False)


def test_one_that_does_not_load_is_not_written(
    tmp_path: Path, surveyed: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "campus.yaml"

    def survey(asked: Facts, cloud: object, ssh_config: str) -> Facts:
        return replace(surveyed, bastion="[2001:db8::1]")

    monkeypatch.setattr(drafted, "survey", survey)
    with pytest.raises(UsageError, match="no site file, and none is written") as caught:
        drafted.write(path, SOURCES, force=False)
    assert f"{path}:" in str(caught.value)
    assert not path.exists()


@pytest.mark.usefixtures("surveyed")
def test_its_name_is_said_word_for_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drafted.write(tmp_path / "[a-z]:on:.yaml", SOURCES, force=False)
    assert "[a-z]:on:.yaml: " in "".join(capsys.readouterr().err.split("\n"))


@pytest.mark.parametrize("place", ["nowhere/campus.yaml", "a-file/campus.yaml", "."])
def test_a_place_that_cannot_be_written_is_refused_before_the_look(tmp_path: Path, place: str) -> None:
    (tmp_path / "a-file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        drafted.write(tmp_path / place, SOURCES, force=True)


@pytest.mark.usefixtures("surveyed")
def test_a_disk_that_is_full_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str, mode: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(drafted, "write_atomically", full)
    with pytest.raises(UsageError, match="No space left on device"):
        drafted.write(tmp_path / "campus.yaml", SOURCES, force=False)


@pytest.mark.parametrize(
    "words", [["--cloud", "campus"], ["--ssh-config", "config"], ["--kubeconfig", "kubeconfig"], ["--force"]]
)
def test_options_of_a_draft_are_refused_without_it(words: list[str]) -> None:
    with pytest.raises(UsageError, match=f"only with --draft: {words[0]}"):
        CliRunner().invoke(site_cli.app, ["discover", "site.yaml", *words], catch_exceptions=False)
