"""What the hub's canary is told of a site: the ways in, and what the hub tells nobody."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaosjc.canary import hub_config
from chaosjc.drivers import command
from chaosjc.errors import CommandTimeout
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


def test_it_is_started_once_and_waits_for_the_token_of_a_deploy(tmp_path: Path) -> None:
    """The unit's own command, with a token and a canary of the test's."""
    whole = site()
    monitor = next(each for each in whole.machines if each.name == "monitor")
    unit = next(each.content for each in canary.hub_contents(whole, monitor, AROUND).files if canary.HUB in each.path)
    (line,) = [each for each in unit.splitlines() if each.startswith("ExecStart=")]
    argv = shlex.split(line.removeprefix("ExecStart="))
    token = tmp_path / "token"
    argv[-1] = argv[-1].replace(canary.HUB_TOKEN, str(token)).replace("/usr/bin/python3 -m chaosjc.canary", "echo")
    with pytest.raises(CommandTimeout):
        command.run(argv, timeout=0.2)
    token.write_text("secret")
    assert command.run(argv, timeout=5).stdout == "hub --config /etc/chaosjc/canary-hub.json\n"
