"""The canaries on a real site: every series is there, a dead brick is 0, and a frozen machine says nothing."""

from __future__ import annotations

import time

import pytest

from chaosjc.drivers.prometheus import Prometheus
from chaosjc.names import SITE_METRICS
from tests.lab.cloud import measured, until
from tests.lab.runs import Stage

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def value(prometheus: Prometheus, query: str) -> float | None:
    found = prometheus.query(query, at=time.time())
    return found[0].points[-1][1] if found else None


def missing(prometheus: Prometheus) -> set[str]:
    """Metrics of the register of which there is no series."""
    there = 'count({__name__="%s"}) > 0'
    names = {each.name + ("_count" if each.kind == "histogram" else "") for each in SITE_METRICS}
    return {name for name in names if value(prometheus, there % name) is None}


def test_every_metric_of_the_register_is_there(storage: Stage, prometheus: Prometheus) -> None:
    site = storage.site
    with measured("every series"):
        until(lambda: missing(prometheus) == set(), 60, every=1)
    assert missing(prometheus) == set()
    counts = {
        "count(chaosjc_gluster_brick_up == 1)": 6,
        "count(chaosjc_gluster_peer_connected == 1)": 6,  # each of three knows two
        "count(chaosjc_storage_up == 1)": 4,  # two volumes on each of two workers
        "max(chaosjc_gluster_ping_timeout_seconds)": 2,  # as soon as the options are set, which comes after the bricks
    }
    until(lambda: {query: value(prometheus, query) for query in counts} == counts, 60, every=1)
    assert {query: value(prometheus, query) for query in counts} == counts
    site.run("verify")


def test_a_dead_brick_is_0_and_a_frozen_machine_says_nothing(storage: Stage, prometheus: Prometheus) -> None:
    site = storage.site
    up = 'chaosjc_gluster_brick_up{volume="scratch",brick="brick-003"}'
    site.by_hand("brick-003", "sudo sh -c 'kill -9 $(cat /var/run/gluster/vols/scratch/*.pid)'")
    until(lambda: value(prometheus, up) == 0, 10, every=0.5)
    site.by_hand("brick-001", "sudo gluster --mode=script volume start scratch force")
    until(lambda: value(prometheus, up) == 1, 30, every=0.5)
    cloud = site.context().cloud
    server = next(each for each in cloud.servers() if each.name == "brick-003")
    cloud.pause_server(server.id)
    try:
        until(lambda: value(prometheus, up) is None, 20, every=0.5)
        of_others = 'count(chaosjc_gluster_brick_up{brick!="brick-003"} == 1)'
        assert value(prometheus, of_others) == 4
    finally:
        cloud.unpause_server(server.id)
    until(lambda: value(prometheus, up) == 1, 30, every=0.5)
    until(lambda: value(prometheus, "sum(chaosjc_gluster_heal_pending)") == 0, 90, every=1)
