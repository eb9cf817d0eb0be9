"""The cluster and the cloud as a world reaches them: connected at first use, once; by the journal, not by the shell."""

from __future__ import annotations

import contextlib
import gc
import json
import os
from collections.abc import Generator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from openstack import connection
from openstack.config import loader

from chaosjc.drivers.kubernetes import Cluster
from chaosjc.drivers.openstack_files import CloudFiles
from chaosjc.errors import FaultError, RemoteError
from chaosjc.faults import world as worlds
from chaosjc.faults.world import World
from chaosjc.journal.events import Context
from chaosjc.site.endpoints import Way
from chaosjc.site.sections import Kubernetes
from chaosjc.site.state import SiteState
from tests.unit.drivers.cluster import FakeApi
from tests.unit.site.fakes import lab_site


def world(*, clustered: bool) -> World:
    file = lab_site(kubernetes=Kubernetes(control_plane="monitor") if clustered else None, hub=None)
    return World(Context(site=json.loads(file.snapshot())))


def test_a_forward_lasts_as_long_as_its_world(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    failing = [False, True]  # the last one first

    @contextlib.contextmanager
    def kubernetes(_: SiteState, *, way: Way | None) -> Generator[Cluster]:
        assert way is None  # chaosjc has deployed it
        told.append("open")
        try:
            if failing.pop():
                raise RemoteError("no way")
            yield FakeApi().cluster
        finally:
            told.append("closed")

    monkeypatch.setattr(worlds.endpoints, "kubernetes", kubernetes)
    here = world(clustered=True)
    with pytest.raises(RemoteError, match="no way"):
        _ = here.kubernetes
    assert told == ["open", "closed"], "what failed is tried again"
    assert here.kubernetes is here.kubernetes
    assert told == ["open", "closed", "open"]
    del here
    gc.collect()
    assert told == ["open", "closed", "open", "closed"]


def test_a_site_without_a_cluster_has_none() -> None:
    with pytest.raises(FaultError, match="site lab has no cluster"):
        _ = world(clustered=False).kubernetes


# ------------------------------------------------------------------ several sites call their clouds alike

Logins = list[tuple[str, str]]


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Logins:
    """Project and password of each login, as openstacksdk has read them; the shell exports a file, as shells do."""
    found: Logins = []

    def log_in(*, config: Any) -> SimpleNamespace:
        auth = config.config["auth"]
        found.append((auth["project_name"], auth["password"]))
        return SimpleNamespace(authorize=lambda: None, compute=None, network=None, image=None)

    monkeypatch.setattr(connection, "Connection", log_in)
    monkeypatch.setattr(loader, "CONFIG_SEARCH_PATH", [str(tmp_path / "here"), str(tmp_path / "home")])
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds(tmp_path / "shell")))
    return found


def clouds(directory: Path, stem: str = "clouds", **auth: str) -> Path:
    """A file whose cloud `chaosjc-lab`, as sites/lab.yaml has it, is the project of its directory's name."""
    directory.mkdir(exist_ok=True)
    auth = auth or {
        "auth_url": "https://cloud.example.org:5000",
        "username": "ada",
        "password": "plain",
        "project_name": directory.name,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    path = directory / f"{stem}.yaml"
    path.write_text(yaml.safe_dump({"clouds": {"chaosjc-lab": {"auth": auth}}}))
    return path


def begun(environment: Mapping[str, Path], directory: Path | str = "") -> World:
    """The world of a run that began with these variables, in that directory."""
    named = {name: str(path) for name, path in environment.items()}
    site = json.loads(lab_site().snapshot())
    return World(Context(site=site, environment=named, directory=str(directory)))


def test_each_site_s_cloud_is_that_of_the_file_its_journal_names(tmp_path: Path, logins: Logins) -> None:
    before = dict(os.environ)
    for site in ("a", "b", "a"):
        _ = begun({"OS_CLIENT_CONFIG_FILE": clouds(tmp_path / site)}, tmp_path).cloud
    secrets = {"OS_CLIENT_SECURE_FILE": clouds(tmp_path / "c", "secure", password="hidden")}
    _ = begun({"OS_CLIENT_CONFIG_FILE": clouds(tmp_path / "c"), **secrets}).cloud
    assert logins == [("a", "plain"), ("b", "plain"), ("a", "plain"), ("c", "hidden")]
    assert dict(os.environ) == before, "nothing is left for the next site"


def test_one_that_lay_where_the_run_was_started_is_found_from_anywhere(tmp_path: Path, logins: Logins) -> None:
    for place in ("here", "home", "srv"):
        clouds(tmp_path / place)
    clouds(tmp_path / "srv", "secure", password="hidden")
    _ = begun({}, tmp_path / "srv").cloud
    _ = begun({}, tmp_path / "empty").cloud
    assert logins == [("srv", "hidden"), ("home", "plain")]


def test_where_the_named_file_is_gone_no_other_is_taken(tmp_path: Path, logins: Logins) -> None:
    clouds(tmp_path / "srv")
    gone = tmp_path / "gone" / "clouds.yaml"
    with pytest.raises(RemoteError, match=r"cloud chaosjc-lab: .* not found") as caught:
        _ = begun({"OS_CLIENT_CONFIG_FILE": gone}, tmp_path / "srv").cloud
    assert caught.value.hint == f"clouds.yaml: {gone}, as when the run began"
    assert logins == []


def test_who_plans_a_run_has_what_the_shell_says(logins: Logins) -> None:
    _ = begun({}).cloud
    assert logins == [("shell", "plain")]


@pytest.mark.parametrize("secure", [{}, {"password": "hidden"}])
def test_what_was_found_unnamed_is_named_since_then(
    tmp_path: Path, logins: Logins, monkeypatch: pytest.MonkeyPatch, secure: dict[str, str]
) -> None:
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE")
    for place in ("here", "home"):
        clouds(tmp_path / place)
    if secure:
        clouds(tmp_path / "home", "secure", **secure)
    found = {name: Path(path) for name, path in CloudFiles.now().found.items()}
    _ = begun(found, tmp_path / "here").cloud
    (tmp_path / "here" / "clouds.yaml").unlink()
    with pytest.raises(RemoteError, match="cloud chaosjc-lab: ") as caught:
        _ = begun(found, tmp_path / "here").cloud
    assert caught.value.hint == f"clouds.yaml: {tmp_path / 'here' / 'clouds.yaml'}, as when the run began"
    assert logins == [("here", secure.get("password", "plain"))]


def test_what_openstacksdk_would_pass_over_was_not_found(
    tmp_path: Path, logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    del logins
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE")
    clouds(tmp_path / "here").write_text("{")
    home = clouds(tmp_path / "home")
    assert CloudFiles.now().found == {"OS_CLIENT_CONFIG_FILE": str(home)}
    home.write_text("no mapping")
    assert CloudFiles.now().found == {}


def test_what_is_named_stays_so_though_it_is_not_there(
    tmp_path: Path, logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    del logins
    clouds(tmp_path / "here")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", "gone.yaml")
    assert CloudFiles.now().found == {"OS_CLIENT_CONFIG_FILE": str(tmp_path / "gone.yaml")}
