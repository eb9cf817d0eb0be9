"""Stage hub: facts → plan, and the values that the site gives to the chart, which takes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaosjc.drivers import helm
from chaosjc.site import hub_values, model
from chaosjc.site.hub_values import OWN_CHART
from chaosjc.site.model import SiteFile
from chaosjc.site.secrets import Secrets
from chaosjc.site.sections import Hub as HubSection
from chaosjc.site.stages.hub import HOMES, Hub, HubFacts
from chaosjc.spec.secret import SecretSource
from tests.sites import cloud_file
from tests.unit.helm.charts import SHAPED

SECRETS = Secrets("SESAME", "00", "ab" * 32, "HUBTOKEN", "CANARYTOKEN")
each_chart = pytest.mark.parametrize("chart", [OWN_CHART, SHAPED], ids=["ours", "z2jh's shape"])
ADDRESSES = {"monitor": "10.67.0.40"}
TOKENS = ("of the hub's canary", "of Prometheus at the hub", "of the canary's login")


def site(**changed: Any) -> SiteFile:
    return SiteFile.restore(json.dumps(cloud_file() | changed))


def section() -> HubSection:
    hub = site().hub
    assert hub
    return hub


def values(hub: HubSection | None = None) -> dict[str, Any]:
    return hub_values.values(site(), hub or section(), SECRETS, ADDRESSES)


@pytest.mark.parametrize(
    ("facts", "planned"),
    [
        (HubFacts(), []),
        (HubFacts(asked=True, account=True, homes=HOMES, revision=3), []),
        (
            HubFacts(asked=True, lacking=TOKENS, release="missing"),
            [
                "hub: create account hub in the database",
                "hub: create token of the hub's canary",
                "hub: create token of Prometheus at the hub",
                "hub: create token of the canary's login",
                "hub: create folder /srv/homes/users (711 root)",
                "hub: create release hub (missing)",
            ],
        ),
        (
            HubFacts(asked=True, account=True, homes="777 root", revision=3),
            ["hub: update folder /srv/homes/users (777 root → 711 root)"],
        ),
        (
            HubFacts(asked=True, account=True, homes=HOMES, revision=3, release="other values: hub.config"),
            ["hub: update release hub (other values: hub.config)"],
        ),
        (
            HubFacts(asked=True, account=True, lacking=TOKENS[1:2], homes=HOMES, revision=3),
            ["hub: create token of Prometheus at the hub"],
        ),
        (HubFacts(asked=True, homes=HOMES, revision=3), ["hub: create account hub in the database"]),
        (
            HubFacts(asked=True, account=True, homes=HOMES, revision=3, claim="missing", release="another chart"),
            ["hub: update claim homes (missing)", "hub: update release hub (another chart)"],
        ),
    ],
)
def test_plan(facts: HubFacts, planned: list[str]) -> None:
    assert [str(each) for each in Hub().plan(site(), facts)] == planned


def test_a_site_without_a_hub_plans_nothing() -> None:
    raw = {name: value for name, value in cloud_file().items() if name not in ("hub", "lbaas")}
    assert Hub().plan(SiteFile.restore(json.dumps(raw)), HubFacts(asked=True)) == ()


class TestValues:
    @each_chart
    def test_the_chart_takes_them(self, chart: Path) -> None:
        objects = helm.render(chart, values(), name="hub", namespace="jhub")
        found = {(each["kind"], each["metadata"]["name"]) for each in objects}
        assert {("Deployment", "hub"), ("Deployment", "proxy"), ("Service", "proxy-public")} <= found
        (front,) = [each for each in objects if each["metadata"]["name"] == "proxy-public"]
        assert front["spec"]["ports"][0]["nodePort"] == 30080

    @each_chart
    def test_secrets_are_in_secrets_alone(self, chart: Path) -> None:
        objects = helm.render(chart, values(), name="hub", namespace="jhub")
        elsewhere = json.dumps([each for each in objects if each["kind"] != "Secret"])
        assert not [each for each in ("SESAME", "HUBTOKEN", "CANARYTOKEN", "ab" * 32) if each in elsewhere]

    def test_the_database_is_named_by_address(self) -> None:
        assert values()["hub"]["db"] == {
            "type": "postgres",
            "url": "postgresql+psycopg2://hub@10.67.0.40:5432/hub",
            "password": "SESAME",
        }

    def test_the_canary_may_touch_its_own_users_alone(self) -> None:
        role = values()["hub"]["loadRoles"][hub_values.CANARY]
        users = {"canary-ladder", "canary-login", "canary-live-worker-001", "canary-live-worker-002"}
        assert {each.partition("!user=")[2] for each in role["scopes"]} == users
        assert set(values()["hub"]["config"]["JupyterHub"]["load_groups"]["canaries"]["users"]) == users
        assert values()["hub"]["services"][hub_values.CANARY] == {"apiToken": "CANARYTOKEN"}

    def test_another_chart_gets_the_same(self) -> None:
        assert values(section().model_copy(update={"chart": "/elsewhere"})) == values()

    @pytest.mark.parametrize(
        ("values", "secrets", "told"),
        [
            ({}, {}, True),
            ({"hub": {"config": {}}}, {"hub.config.A.b": SecretSource(env="B")}, True),
            ({"hub": {"db": {"type": "sqlite-memory"}}}, {}, False),
            ({}, {"hub.db.url": SecretSource(env="DB")}, False),
        ],
    )
    def test_only_our_database_is_told_how_long_to_wait(
        self, values: dict[str, Any], secrets: dict[str, SecretSource], told: bool
    ) -> None:
        hub = section().model_copy(update={"values": values, "secrets": secrets})
        given = hub_values.values(site(), hub, SECRETS, ADDRESSES)["hub"]["config"]["JupyterHub"]
        assert ("db_kwargs" in given) == told

    def test_the_file_has_the_last_word(self) -> None:
        assert hub_values.merged({"a": {"b": 1, "c": [1]}, "d": 2}, {"a": {"c": [2], "e": 3}, "d": {"f": 4}}) == {
            "a": {"b": 1, "c": [2], "e": 3},
            "d": {"f": 4},
        }
        assert hub_values.merged({"a": {"b": 1}, "c": 2}, {"a": {"b": None, "d": None}}) == {"a": {"d": None}, "c": 2}


class TestHomes:
    def objects(self, namespace: str = "jhub") -> dict[str, dict[str, Any]]:
        text = hub_values.homes_manifest(site(), section().model_copy(update={"namespace": namespace}))
        return {each["kind"]: each for each in json.loads(text)["items"]}

    def test_they_are_where_only_the_volume_has_them_and_outlive_the_release(self) -> None:
        volume, claim = (self.objects()[kind] for kind in ("PersistentVolume", "PersistentVolumeClaim"))
        assert volume["spec"]["hostPath"] == {"path": "/srv/homes/users", "type": "Directory"}
        assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
        assert volume["spec"]["claimRef"].items() >= {"namespace": "jhub", "name": "homes"}.items()
        assert claim["metadata"] == {"name": "homes", "namespace": "jhub"}
        assert claim["spec"]["volumeName"] == volume["metadata"]["name"] == "homes-jhub"
        for each in (volume, claim):
            assert (each["spec"]["accessModes"], each["spec"]["storageClassName"]) == (["ReadWriteMany"], "")
        assert values()["singleuser"]["storage"]["static"]["pvcName"] == claim["metadata"]["name"]

    def test_two_hubs_in_one_cluster_share_nothing_but_the_cluster(self) -> None:
        one, other = self.objects("jhub"), self.objects("other")
        assert one["PersistentVolume"]["metadata"]["name"] != other["PersistentVolume"]["metadata"]["name"]
        assert list(one) == ["Namespace", "PersistentVolume", "PersistentVolumeClaim"]  # in the order that works


def test_a_chart_is_found_from_the_site_file(tmp_path: Path) -> None:
    raw = cloud_file()
    raw["hub"]["chart"] = "../charts/z2jh.tgz"
    file = tmp_path / "sites" / "mine.yaml"
    file.parent.mkdir()
    file.write_text(yaml.safe_dump(raw))
    hub = model.load(file).hub
    assert hub
    assert hub_values.chart(hub) == tmp_path.resolve() / "charts" / "z2jh.tgz"
    assert hub_values.chart(section()) == OWN_CHART
    assert (OWN_CHART / "Chart.yaml").is_file()
