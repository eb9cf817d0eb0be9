"""What Prometheus scrapes beside the exporters on VMs, and the tokens with which it may."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import ValidationError

from chaosjc.errors import StageError
from chaosjc.site import manifests
from chaosjc.site.context import Context
from chaosjc.site.model import SiteFile
from chaosjc.site.roles import scrapes
from chaosjc.site.sections import JOBS, Monitoring
from chaosjc.site.stages import cluster_metrics
from tests.sites import cloud_file
from tests.unit.fakes import FakeClock
from tests.unit.site.fakes import lab_site


def site(**monitoring: Any) -> SiteFile:
    raw = cloud_file()
    raw["monitoring"] |= monitoring
    return SiteFile.restore(json.dumps(raw))


def job(name: str, whole: SiteFile | None = None) -> dict[str, Any]:
    [found] = [each for each in scrapes.jobs(whole or site()) if each["job_name"] == name]
    return found


def test_the_hub_is_scraped_once_by_its_front_door_with_its_own_token() -> None:
    hub = job("jupyterhub")
    assert hub["static_configs"] == [{"targets": ["worker-001:30080"], "labels": {"entry": "worker-001"}}]
    assert hub["metrics_path"] == "/hub/metrics"
    assert hub["authorization"] == {"credentials_file": scrapes.HUB_TOKEN}


@pytest.mark.parametrize(
    ("entry", "scraped"), [("", "worker-001"), ("front", "worker-001"), ("worker-002", "worker-002")]
)
def test_the_hub_is_scraped_through_a_worker_wherever_the_canary_enters(entry: str, scraped: str) -> None:
    raw: dict[str, Any] = {**cloud_file(), "lbaas": {"listen": 8000}}
    raw["hub"]["canary"]["front"] = entry
    (target,) = job("jupyterhub", SiteFile.restore(json.dumps(raw)))["static_configs"]
    assert target == {"targets": [f"{scraped}:30080"], "labels": {"entry": scraped}}


def test_a_base_url_is_the_chart_s_own_value() -> None:
    raw = cloud_file()
    raw["hub"]["values"]["hub"]["baseUrl"] = "/jupyter/"
    assert job("jupyterhub", SiteFile.restore(json.dumps(raw)))["metrics_path"] == "/jupyter/hub/metrics"


def test_every_node_s_kubelet_is_scraped() -> None:
    kubelets = job("kubelet")
    assert [each["targets"] for each in kubelets["static_configs"]] == [
        [f"{name}:10250"] for name in ("master", "worker-001", "worker-002")
    ]
    assert kubelets["scheme"] == "https"


@pytest.mark.parametrize(("interval", "scraped"), [("1s", "5s"), ("15s", "15s"), ("7500ms", "7500ms")])
def test_what_is_costly_is_scraped_less_often(interval: str, scraped: str) -> None:
    assert job("kubelet", site(scrape_interval=interval))["scrape_interval"] == scraped


@pytest.mark.parametrize(("name", "series"), [("jupyterhub", scrapes.HUB_SERIES), ("kubelet", scrapes.KUBELET_SERIES)])
def test_nothing_is_kept_but_what_is_asked_for(name: str, series: dict[str, object]) -> None:
    [kept] = job(name)["metric_relabel_configs"]
    assert kept["action"] == "keep" and set(kept["regex"].split("|")) == set(series)


def test_other_exporters_are_scraped_as_the_file_says() -> None:
    elsewhere = job("controller", site(also={"controller": ["10.0.0.9:9830", "[fd00::9]:9830"]}))
    assert elsewhere["static_configs"] == [
        {"targets": ["10.0.0.9:9830", "[fd00::9]:9830"], "labels": {"role": "elsewhere"}}
    ]


@pytest.mark.parametrize(
    ("also", "said"),
    [
        ({"hub": ["10.0.0.9:9830"]}, "the site's own job"),
        ({"controller": ["10.0.0.9"]}, "pattern"),
        ({"controller": ["http://10.0.0.9:9830"]}, "pattern"),
        ({"controller": []}, "at least 1"),
    ],
)
def test_a_wrong_exporter_is_told(also: dict[str, list[str]], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Monitoring.model_validate_json(json.dumps({"also": also}))


def test_the_file_may_take_no_name_of_a_job_of_ours() -> None:
    assert {each["job_name"] for each in scrapes.jobs(site())} <= JOBS
    assert list(scrapes.jobs(lab_site())) == []


def test_prometheus_may_read_metrics_of_nodes_and_nothing_else() -> None:
    items = json.loads(manifests.manifests(site())["prometheus"])["items"]
    [role] = [each for each in items if each["kind"] == "ClusterRole"]
    assert role["rules"] == [{"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]}]
    [secret] = [each for each in items if each["kind"] == "Secret"]
    assert secret["metadata"]["annotations"] == {"kubernetes.io/service-account.name": "prometheus"}


@dataclass
class Vms:
    """A master that makes its token at the second question, and a monitor with one file."""

    made_at: int = 2
    asked: int = 0
    held: str = ""
    ran: list[tuple[str, str, str | None]] = field(default_factory=list[tuple[str, str, str | None]])

    def run(self, vm: str, argv: list[str], *, stdin: str | None = None, timeout: float) -> SimpleNamespace:
        del timeout
        self.ran.append((vm, " ".join(argv), stdin))
        if vm == "master":
            self.asked += 1
            return SimpleNamespace(stdout=base64.b64encode(b"TOKEN").decode() if self.asked >= self.made_at else "")
        if stdin is not None:
            self.held = stdin
            return SimpleNamespace(stdout="")
        return SimpleNamespace(stdout=f"{hashlib.sha256(self.held.encode()).hexdigest()}  -\n")


def metrics(vms: Vms) -> cluster_metrics.Metrics:
    context = SimpleNamespace(site=site(), ssh=vms, clock=FakeClock(), check_cancelled=lambda: None)
    return cluster_metrics.Metrics(cast("Context", context), "cluster")


def test_the_kubelets_token_is_given_as_soon_as_the_cluster_has_made_it() -> None:
    vms = Vms()
    assert not metrics(vms).token_is_given()
    metrics(vms).give_token()
    assert vms.held == "TOKEN"
    [install] = [(vm, words) for vm, words, stdin in vms.ran if stdin]
    assert install[0] == "monitor" and "TOKEN" not in install[1]
    assert "umask 077" in install[1] and f"chown prometheus {scrapes.KUBELET_TOKEN}.new" in install[1]
    assert metrics(vms).token_is_given()
    vms.held = "of a cluster that was lost"
    assert not metrics(vms).token_is_given()


def test_a_cluster_that_makes_no_token_is_told() -> None:
    with pytest.raises(StageError, match="no token for Prometheus after 30 s"):
        metrics(Vms(made_at=1000)).give_token()
