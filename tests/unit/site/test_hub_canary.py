"""What the hub's canary is told of a site: the ways in, and what the hub tells nobody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaosjc.canary import hub_config
from chaosjc.site.hub_values import OWN_CHART
from chaosjc.site.keys import PublicKeys
from chaosjc.site.model import SiteFile
from chaosjc.site.roles import Surroundings, canary, scrapes
from tests.sites import cloud_file

AROUND = Surroundings(PublicKeys("ssh-ed25519 U", "ssh-ed25519 H"), {})


def site(**hub: Any) -> SiteFile:
    """The whole stack, with these of the hub's own values."""
    raw = cloud_file()
    raw["hub"]["values"]["hub"] |= hub
    return SiteFile.restore(json.dumps(raw))


def told(site: SiteFile, path: Path) -> hub_config.Config:
    """As the canary reads what the site gives it."""
    monitor = next(each for each in site.machines if each.name == "monitor")
    files = canary.hub_contents(site, monitor, AROUND).files
    path.write_text(next(each.content for each in files if each.path.endswith("canary-hub.json")))
    return hub_config.read(path)


@pytest.mark.parametrize(
    ("said", "path"), [(None, ""), ("/", ""), ("/jupyter/", "/jupyter"), ("/jupyter", "/jupyter"), ("a/b", "/a/b")]
)
def test_canary_and_scrape_go_below_the_hubs_base_path(tmp_path: Path, said: str | None, path: str) -> None:
    whole = site(baseUrl=said)
    entries = told(whole, tmp_path / "c.json").entries
    assert entries["worker-002"] == f"http://worker-002:30080{path}"
    assert entries["front"] == f"http://front:80{path}"
    (job,) = [each for each in scrapes.jobs(whole) if each["job_name"] == "jupyterhub"]
    assert job["metrics_path"] == f"{path}/hub/metrics"


@pytest.mark.parametrize(
    ("config", "interval"),
    [
        ({"JupyterHub": {"last_activity_interval": 300}}, 300),
        ({"JupyterHub": {"authenticator_class": "dummy"}}, canary.LAST_ACTIVITY_INTERVAL),
        ({}, canary.LAST_ACTIVITY_INTERVAL),
        (None, canary.LAST_ACTIVITY_INTERVAL),
    ],
)
def test_the_canary_is_told_when_a_new_proxy_has_its_routes(
    tmp_path: Path, config: dict[str, Any] | None, interval: float
) -> None:
    assert told(site(config=config), tmp_path / "c.json").last_activity_interval == interval


def test_that_is_the_chart_s_own_value_where_the_file_says_nothing() -> None:
    values = yaml.safe_load((OWN_CHART / "values.yaml").read_text())
    assert values["hub"]["config"]["JupyterHub"]["last_activity_interval"] == canary.LAST_ACTIVITY_INTERVAL


def test_whether_the_hub_was_restarted_can_be_asked_for() -> None:
    assert "process_start_time_seconds" in scrapes.HUB_SERIES
