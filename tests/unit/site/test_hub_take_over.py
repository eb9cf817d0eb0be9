"""Stage hub at a release that is there: what it takes over for Helm before an update, and what it leaves alone."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from chaosjc.drivers import helm
from chaosjc.drivers.helm import Release
from chaosjc.errors import StageError
from chaosjc.site.context import Context
from chaosjc.site.hub_values import OWN_CHART
from chaosjc.site.model import SiteFile
from chaosjc.site.stages import hub as stage
from tests.sites import cloud_file
from tests.unit.helm.charts import FEWEST, SHAPED, merged

SHAPED_VALUES = merged(FEWEST, {"hub": {"db": {"type": "postgres", "password": "p"}}})


class Cluster:
    """A release in a cluster where somebody changed some of its objects; remembers what it was asked and given."""

    def __init__(self, chart: Path, values: dict[str, Any], *changed: str) -> None:
        self.chart, self.values, self.changed = chart, values, changed
        rendered = helm.render(chart, values, name="hub", namespace="jhub")
        own = [each for each in rendered if "helm.sh/hook" not in each["metadata"].get("annotations", {})]
        self.hooks = [helm.identity(each) for each in rendered if each not in own]
        self.deployed = {helm.identity(each): each for each in own}
        self.manifest = yaml.safe_dump_all(own)
        self.asked: list[dict[str, str]] = []
        self.applied: list[tuple[tuple[str, ...], dict[str, dict[str, Any]]]] = []

    def release(self, name: str) -> Release:
        return Release(name, 3, "deployed", "test", "1", self.values, self.manifest, "chaosjc sha256:12")

    def ask_program(self, *words: Any, timeout: float) -> dict[str, Any]:
        manifests: dict[str, str] = words[-1]["cluster"]["manifests"]
        assert words[-1]["cluster"]["namespace"] == "jhub" and timeout >= 30
        self.asked.append(manifests)
        names = {key: {helm.identity(each) for each in helm.objects(text)} for key, text in manifests.items()}
        return {"differ": {key: "- x" if names[key] & {*self.changed} else "" for key in manifests}}

    def run_on(self, _context: Context, _stage: str, _vm: str, argv: tuple[str, ...], **options: Any) -> str:
        items = json.loads(options["stdin"])["items"]
        self.applied.append((argv, {helm.identity(each): each for each in items}))
        return ""

    def take_over(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
        """What was applied."""

        @contextlib.contextmanager
        def releases(*_: object) -> Generator[Cluster]:
            yield self

        monkeypatch.setattr(stage, "_releases", releases)
        monkeypatch.setattr(stage, "ask_program", self.ask_program)
        monkeypatch.setattr(stage, "run_on", self.run_on)
        raw = cloud_file()
        raw["hub"]["chart"] = "" if self.chart == OWN_CHART else str(self.chart)
        site = SiteFile.restore(json.dumps(raw))
        stage._take_over(cast("Context", SimpleNamespace(site=site)), cast("Any", site.hub), self.values)
        assert len(self.applied) <= 1
        return self.applied[0][1] if self.applied else {}


def test_nothing_is_applied_where_the_cluster_is_as_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(SHAPED, SHAPED_VALUES)
    assert cluster.take_over(monkeypatch) == {}
    assert len(cluster.asked) == 1


def test_only_what_was_changed_as_it_was_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(SHAPED, SHAPED_VALUES, "Deployment/hub", "Service/proxy-public")
    applied = cluster.take_over(monkeypatch)
    assert applied == {name: cluster.deployed[name] for name in ("Deployment/hub", "Service/proxy-public")}
    (argv, _) = cluster.applied[0]
    assert {"--server-side", "--force-conflicts", f"--field-manager={helm.manager()}"} <= set(argv)


def test_a_secret_made_at_random_and_a_hook_are_never_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(SHAPED, SHAPED_VALUES, "Deployment/hub", "Secret/hub")
    assert cluster.hooks == ["ServiceAccount/hook-image-awaiter", "ConfigMap/hook-image-puller"]
    assert list(cluster.take_over(monkeypatch)) == ["Deployment/hub"]
    assert not {"Secret/hub", *cluster.hooks} & {*cluster.asked[-1]}


def test_a_secret_that_follows_from_the_values_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(OWN_CHART, FEWEST, "Secret/hub")
    assert cluster.take_over(monkeypatch) == {"Secret/hub": cluster.deployed["Secret/hub"]}


def test_a_silent_api_server_is_not_taken_for_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(SHAPED, SHAPED_VALUES)
    monkeypatch.setattr(Cluster, "ask_program", lambda *_, **__: {"state": "silent"})  # pyright: ignore
    with pytest.raises(StageError, match="the API server is silent"):
        cluster.take_over(monkeypatch)


def test_a_deploy_waits_as_long_as_the_file_says(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    class Deploying(Cluster):
        def deploy(self, _name: str, _chart: Path, _values: dict[str, Any], timeout: float) -> None:
            waited.append(timeout)

    monkeypatch.setattr(stage, "_releases", lambda *_: contextlib.nullcontext(Deploying(OWN_CHART, FEWEST)))  # pyright: ignore
    for said, seconds in (({}, 300.0), ({"timeout": "45m"}, 2700.0)):
        site = SiteFile.restore(json.dumps(merged(cloud_file(), {"hub": said})))
        stage.Hub()._deploy(cast("Context", SimpleNamespace(site=site)), cast("Any", site.hub), FEWEST)
        assert waited.pop() == seconds
