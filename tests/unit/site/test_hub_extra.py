"""What a site adds to the configuration of any hub, executed by the charts that get it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from chaosjc.canary.hub_live import NODE
from chaosjc.site import hub_values
from chaosjc.site.hub_values import OWN_CHART
from chaosjc.site.model import SiteFile
from chaosjc.site.secrets import Secrets
from tests.sites import cloud_file
from tests.unit.helm.charts import SHAPED, Object, merged
from tests.unit.helm.executed import Config, executed, files

SECRETS = Secrets("SESAME", "00", "ab" * 32, "HUBTOKEN", "CANARYTOKEN")
Execute = Callable[[Object], Config]


@pytest.fixture(params=[OWN_CHART, SHAPED], ids=["ours", "z2jh's shape"])
def execute(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Execute:
    """With the values of the lab's site, and further ones."""
    monkeypatch.setenv("POD_NAMESPACE", "jhub")
    monkeypatch.setenv("PGPASSWORD", "")

    def run(more: Object) -> Config:
        site = SiteFile.restore(json.dumps(merged(cloud_file(), {"hub": {"values": more}})))
        assert site.hub
        return executed(files(request.param, hub_values.values(site, site.hub, SECRETS, {})), tmp_path)

    return run


def own_home(c: Config) -> list[Object]:
    return [each for each in c.KubeSpawner.get("init_containers", []) if each["name"] == "own-home"]


def test_a_home_gets_its_owner_before_anything_runs(execute: Execute) -> None:
    c = execute({})
    (own,) = own_home(c)
    assert own is c.KubeSpawner.init_containers[0]
    assert (own["image"], own["imagePullPolicy"]) == ("lab.local/singleuser:1", "Never")
    assert own["volumeMounts"] == [{"name": "home", "mountPath": "/home/jovyan", "subPath": "{username}"}]
    assert own["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["CHOWN"]}
    assert own["command"][-3:-1] == ["/home/jovyan", "1000"]
    assert own["command"][-1] in ("1000", "100")  # the group that the chart gives users
    assert not any(brace in text for text in own["command"] for brace in "{}")


@pytest.mark.parametrize(
    "storage", [{"type": "none"}, {"static": {"pvcName": "theirs"}}, {"static": {"subPath": "{username}/x"}}]
)
def test_homes_elsewhere_are_left_alone(execute: Execute, storage: Object) -> None:
    found = own_home(execute({"singleuser": {"storage": storage}}))
    assert len(found) == (1 if "subPath" in storage.get("static", {}) else 0)


def test_what_the_deployer_says_of_the_users_pods_holds(execute: Execute) -> None:
    code = "c.KubeSpawner.init_containers = {'b': {'name': 'second'}, 'a': {'name': 'first'}}; c.KubeSpawner.uid = 2000"
    c = execute({"hub": {"extraConfig": {"Mine": code}}})
    assert [each["name"] for each in c.KubeSpawner.init_containers] == ["own-home", "first", "second"]
    assert own_home(c)[0]["command"][-2] == "2000"


def placed(c: Config, user: str, options: Object | None) -> Object:
    """The node selector of a pod that asked for one with a fast disk."""
    return hooked(c, user, options, {"disk": "fast"}).node_selector


def hooked(c: Config, user: str, options: Object | None, selector: Object | None) -> SimpleNamespace:
    """A pod as KubeSpawner hands it to its hook, and has it back."""
    containers = [SimpleNamespace(env=None)]
    pod = SimpleNamespace(
        spec=SimpleNamespace(node_selector=selector, containers=containers, restart_policy="OnFailure")
    )
    spawner = SimpleNamespace(user_options=options, user=SimpleNamespace(name=user))
    return asyncio.run(c.KubeSpawner.modify_pod_hook(spawner, pod)).spec


@pytest.mark.parametrize(
    ("user", "options", "selector"),
    [
        ("canary-1", {"node": "worker-002"}, {"disk": "fast", "kubernetes.io/hostname": "worker-002"}),
        ("canary-1", {}, {"disk": "fast"}),
        ("canary-1", None, {"disk": "fast"}),
        ("alice", {"node": "worker-002"}, {"disk": "fast"}),
    ],
)
def test_only_canaries_name_their_node(execute: Execute, user: str, options: Object, selector: Object) -> None:
    assert placed(execute({}), user, options) == selector


@pytest.mark.parametrize(("user", "told"), [("canary-1", True), ("alice", False)])
def test_a_canary_s_server_is_told_its_node_wherever_it_is(execute: Execute, user: str, told: bool) -> None:
    found: list[Object] = hooked(execute({}), user, {}, None).containers[0].env or []
    where = {"name": NODE, "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    assert (where in found) is told


@pytest.mark.parametrize(
    ("user", "options", "policy"),
    [("canary-1", {}, "Never"), ("canary-1", {"node": "worker-002"}, "OnFailure"), ("alice", {}, "OnFailure")],
)
def test_after_a_reboot_a_started_server_of_the_ladder_stays_stopped(
    execute: Execute, user: str, options: Object, policy: str
) -> None:
    assert hooked(execute({}), user, options, None).restart_policy == policy


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_hook_of_the_deployers_own_is_called_too(execute: Execute, kind: str) -> None:
    code = f"{kind} hook(spawner, pod):\n    pod.spec.node_selector = {{'pool': 'gpu'}}\n    return pod\n"
    c = execute({"hub": {"extraConfig": {"hook": f"{code}c.KubeSpawner.modify_pod_hook = hook"}}})
    asked = {"pool": "gpu", "kubernetes.io/hostname": "worker-002"}
    assert placed(c, "canary-1", {"node": "worker-002"}) == asked


def test_a_vanished_database_host_is_given_up(execute: Execute) -> None:
    c = execute({})
    assert c.JupyterHub.db_url.startswith("postgresql+psycopg2://hub@monitor:5432/")
    assert c.JupyterHub.db_kwargs["connect_args"] == {"connect_timeout": 5, "tcp_user_timeout": 10_000}


def test_sqlite_and_what_dies_with_the_pod_is_not_in_the_home(execute: Execute) -> None:
    environment = execute({}).KubeSpawner.environment
    assert set(environment) >= {"IPYTHONDIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_WORKSPACES_DIR"}
    assert all(value.startswith("/tmp/") for value in environment.values())
    changed = execute({"singleuser": {"extraEnv": {"IPYTHONDIR": None, "COURSE": "physics"}}}).KubeSpawner.environment
    assert changed["COURSE"] == "physics"
    assert "IPYTHONDIR" not in changed
