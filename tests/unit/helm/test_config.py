"""The hub's configuration, executed: what it sets for the values that the chart hands it."""

from __future__ import annotations

import json
import os
import runpy
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.helm.charts import FEWEST, LAB, TOKEN, Object, merged, mounted
from tests.unit.helm.executed import Config, executed


@pytest.fixture
def execute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run jupyterhub_config.py beside its values, as the hub's pod has both."""
    monkeypatch.setenv("POD_NAMESPACE", "jhub")
    monkeypatch.setenv("PGPASSWORD", "")

    def run(values: Mapping[str, Any]) -> Config:
        return executed(mounted(values), tmp_path)

    return run


def test_defaults(execute: Any) -> None:
    c = execute(FEWEST)
    assert (
        c.JupyterHub.items()
        >= {
            "spawner_class": "kubespawner.KubeSpawner",
            "authenticator_class": "dummy",
            "db_url": FEWEST["hub"]["db"]["url"],
            "base_url": "/",
            "hub_connect_url": "http://hub:8081",
            "cleanup_servers": False,
            "last_activity_interval": 60,
            "init_spawners_timeout": 1,
            "concurrent_spawn_limit": 64,
            "authenticate_prometheus": True,
        }.items()
    )
    assert c.ConfigurableHTTPProxy == {"should_start": False, "api_url": "http://proxy-api:8001", "auth_token": TOKEN}
    assert "active_server_limit" not in c.JupyterHub
    assert (
        c.KubeSpawner.items()
        >= {
            "namespace": "jhub",
            "image": "quay.io/jupyterhub/k8s-singleuser-sample:4.4.0",
            "mem_guarantee": "1G",
            "start_timeout": 300,
            "http_timeout": 30,
            "delete_grace_period": 1,
            "automount_service_account_token": False,
            "delete_pvc": False,
        }.items()
    )
    assert "mem_limit" not in c.KubeSpawner
    assert c.KubeSpawner.common_labels.items() >= {"app": "jupyterhub", "release": "hub"}.items()


def test_a_variable_without_a_value_is_none(execute: Any) -> None:
    assert execute(LAB).KubeSpawner.environment == {"COURSE": "physics"}


def test_the_labs_values(execute: Any) -> None:
    c = execute(LAB)
    assert c.JupyterHub.authenticator_class == "generic-oauth"
    assert c.JupyterHub.last_activity_interval == 30
    assert c.GenericOAuthenticator == LAB["hub"]["config"]["GenericOAuthenticator"]
    assert c.KubeSpawner.image == "lab.local/singleuser:1"
    assert c.KubeSpawner.image_pull_policy == "Never"
    assert (c.KubeSpawner.mem_limit, c.KubeSpawner.start_timeout) == ("1G", 120)
    assert c.JupyterHub.order == [1, 2]
    assert os.environ["PGPASSWORD"] == "secret-of-the-database"


def test_services_and_roles(execute: Any) -> None:
    c = execute(LAB)
    services = {each["name"]: each for each in c.JupyterHub.services}
    assert services["canary"] == {"name": "canary", "api_token": "secret-of-the-canary"}
    assert services["dashboard"] == {"name": "dashboard", "url": "http://dashboard:8080"}
    roles = {each["name"]: each for each in c.JupyterHub.load_roles}
    assert roles["canary"] == {"name": "canary", **LAB["hub"]["loadRoles"]["canary"]}
    assert roles["jupyterhub-idle-culler"]["services"] == ["jupyterhub-idle-culler"]
    assert "admin:users" not in roles["jupyterhub-idle-culler"]["scopes"]


@pytest.mark.parametrize(
    ("cull", "has", "has_not"),
    [
        ({}, "--timeout=3600", "--cull-users"),
        ({"users": True, "every": 60, "adminUsers": False}, "--cull-users", "--remove-named-servers"),
        ({"adminUsers": False}, "--cull-admin-users=false", "--cull-users"),
    ],
)
def test_culler(execute: Any, cull: Object, has: str, has_not: str) -> None:
    c = execute(merged(FEWEST, {"hub": {"baseUrl": "/jupyter/"}, "cull": cull}))
    (service,) = c.JupyterHub.services
    assert "--url=http://localhost:8081/jupyter/hub/api" in service["command"]
    assert has in service["command"]
    assert has_not not in service["command"]
    assert ("admin:users" in c.JupyterHub.load_roles[0]["scopes"]) == cull.get("users", False)
    off = execute(merged(FEWEST, {"cull": {"enabled": False}}))
    assert (off.JupyterHub.services, off.JupyterHub.load_roles) == ([], [])


def test_secrets_are_the_same_at_every_start_and_different_from_each_other(execute: Any) -> None:
    first, second = execute(FEWEST), execute(FEWEST)
    cookies, (state,) = first.JupyterHub.cookie_secret, first.CryptKeeper["keys"]
    assert (cookies, [state]) == (second.JupyterHub.cookie_secret, second.CryptKeeper["keys"])
    assert (len(cookies), len(state)) == (32, 32)
    assert len({cookies, state, bytes.fromhex(TOKEN)}) == 3
    assert execute(merged(FEWEST, {"hub": {"cookieSecret": "ab" * 32}})).JupyterHub.cookie_secret == b"\xab" * 32


def test_a_home_is_one_folder(execute: Any) -> None:
    spawner = execute(FEWEST).KubeSpawner
    assert spawner.volumes == [{"name": "home", "persistentVolumeClaim": {"claimName": "homes"}}]
    assert spawner.volume_mounts == [{"name": "home", "mountPath": "/home/jovyan", "subPath": "{username}"}]
    assert "volumes" not in execute(merged(FEWEST, {"singleuser": {"storage": {"type": "none"}}})).KubeSpawner


RESOLV_CONF = "nameserver 10.96.0.10\nsearch jhub.svc.example svc.example example\noptions ndots:5\n"


def test_the_hub_starts_once_proxy_and_database_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in mounted(FEWEST).items():
        (tmp_path / name).write_text(text)
    start = runpy.run_path(str(tmp_path / "start.py"))
    refused = [OSError("no such name"), OSError("connection refused")]
    asked: list[tuple[str, int]] = []
    slept: list[float] = []

    def connect(address: tuple[str, int], timeout: float) -> SimpleNamespace:
        assert timeout > 0
        asked.append(address)
        if refused:
            raise refused.pop()
        return SimpleNamespace(close=lambda: None)

    started: list[list[str]] = []
    loaded: list[tuple[str, ...]] = []

    def become(module: str, run_name: str, alter_sys: bool) -> None:
        started.append([module, run_name, *sys.argv])

    (tmp_path / "resolv.conf").write_text(RESOLV_CONF)
    monkeypatch.setitem(start["main"].__globals__, "RESOLV_CONF", tmp_path / "resolv.conf")
    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr(start["time"], "sleep", slept.append)
    monkeypatch.setattr(runpy, "run_module", become)
    monkeypatch.setattr(sys, "argv", ["start.py"])
    monkeypatch.setitem(start["main"].__globals__, "load", loaded.append)
    start["main"](["--config", "x"])
    assert started == [["jupyterhub", "__main__", "jupyterhub", "--config", "x"]]
    assert loaded == [start["MODULES"]]
    assert asked == [("proxy-api.jhub.svc.example.", 8001)] * 3 + [("monitor", 5432)]
    assert len(slept) == 2


def test_what_cannot_be_loaded_meanwhile_is_left_to_the_hub(tmp_path: Path) -> None:
    (tmp_path / "start.py").write_text(mounted(FEWEST)["start.py"])
    runpy.run_path(str(tmp_path / "start.py"))["load"](("no_such_module", "json"))


@pytest.mark.parametrize(
    ("url", "database"),
    [
        ("postgresql+psycopg2://hub@monitor/hub", [("monitor", 5432)]),
        ("mysql+pymysql://hub:secret@db:3307/hub", [("db", 3307)]),
        ("postgresql+psycopg2:///hub?host=/run/postgresql", []),
        ("sqlite:///:memory:", []),
    ],
)
def test_what_is_waited_for(tmp_path: Path, url: str, database: list[tuple[str, int]]) -> None:
    (tmp_path / "start.py").write_text(mounted(FEWEST)["start.py"])
    assert runpy.run_path(str(tmp_path / "start.py"))["needed"](url, "") == [("proxy-api", 8001), *database]


def test_the_values_have_what_the_file_reads() -> None:
    stored = json.loads(mounted(FEWEST)["values.json"])
    assert set(stored) == {"release", "hub", "singleuser", "cull", "secrets", "imagePullSecrets"}
