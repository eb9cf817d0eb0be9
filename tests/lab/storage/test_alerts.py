"""The rules, on the Prometheus of a real site that nobody has broken yet."""

from __future__ import annotations

import time

import pytest

from chaosjc.drivers.prometheus import Prometheus
from tests.lab.cloud import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def test_the_rules_are_evaluated_and_all_is_quiet(prometheus: Prometheus) -> None:
    up = "count(chaosjc:brick_up == 1) == 6"  # evaluated every 15 s: a brick that a test has just started comes late
    until(lambda: bool(prometheus.query(up, at=time.time())), 60, every=1)
    assert not prometheus.query("sum(prometheus_rule_evaluation_failures_total) > 0", at=time.time())
    firing = 'ALERTS{alertname=~"Storage.+", alertstate="firing"}'
    until(lambda: not prometheus.query(firing, at=time.time()), 120, every=5)  # a stall while it was deployed passes
