"""Dashboards' queries and the hub's rules, on a JupyterCloud's Prometheus: no error, nothing empty for no reason."""

from __future__ import annotations

import time

import pytest

from chaosjc.drivers.prometheus import Prometheus
from dashboards import draw, hub, storage
from tests.lab.cloud import until
from tests.lab.jupytercloud.hub import asking, ladder_succeeded, number
from tests.lab.runs import Stage

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

MAY_BE_EMPTY = {
    "Restarts of containers": "none has restarted",
    "Failed writes, by error": "no write has failed",
    "Failed reads, by error": "every write could be read",
}
"""Panels without a series, and why that is well."""


def wrong(prometheus: Prometheus) -> list[str]:
    """What is wrong with the panels, in words; a query that is an error raises."""
    now = time.time()
    return [
        f"{panel}: {expr} is empty"
        for drawn in (hub.drawn(), storage.drawn())
        for panel, expr in draw.queries(drawn)
        if not prometheus.query(draw.filled(expr, period="5m"), at=now) and panel not in MAY_BE_EMPTY
    ]


def test_no_panel_is_empty_or_an_error(stage: Stage) -> None:
    ladder_succeeded(stage, within=180)
    with asking(stage) as prometheus:
        until(lambda: wrong(prometheus) == [], 120, every=5)
        assert wrong(prometheus) == []


def test_hub_and_kubelets_tell_prometheus_and_nothing_more_than_is_asked(stage: Stage) -> None:
    with asking(stage) as prometheus:
        until(lambda: number(prometheus, 'up{job=~"jupyterhub|kubelet"}') == 4, 60, every=2)
        assert number(prometheus, 'scrape_samples_post_metric_relabeling{job="jupyterhub"}') < 1000


def test_the_hub_s_rules_are_evaluated_and_all_is_quiet(stage: Stage) -> None:
    with asking(stage) as prometheus:
        assert prometheus.query("rung:chaosjc_hub_up:max", at=time.time())
        assert not prometheus.query("sum(prometheus_rule_evaluation_failures_total) > 0", at=time.time())
        firing = 'ALERTS{alertname=~"Hub.+|Kubelet.+|Container.+", severity="page", alertstate="firing"}'
        until(lambda: not prometheus.query(firing, at=time.time()), 120, every=5)
