"""The canaries on a real site: every series is there, and what is harmed behind their back is found and said."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosjc.drivers import command
from chaosjc.drivers.prometheus import Prometheus
from chaosjc.lab.layout import Lab
from chaosjc.names import METRICS
from chaosjc.site import endpoints
from tests.lab.cloud import measured, until
from tests.lab.runs import CHAOSJC, hypothesis
from tests.lab.site import ROOT, DeployedSite

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

ACKNOWLEDGED = "tail -n 50 | head -n 1"
"""Of a directory's writes in their order, one that is 5 s old: neither in flight nor about to be unlinked."""

HARM = """\
apiVersion: chaosjc/v1
kind: Experiment
name: planted-harm
description: One acknowledged write is unlinked through another mount, of another one brick loses all bytes but one.
hypotheses:
  - name: nothing is lost
    promql: sum by (volume) (chaosjc_storage_lost_total{volume="homes"})
    expect: "== 0"
  - name: nothing is corrupt
    promql: sum by (volume) (chaosjc_storage_corrupt_total{volume="homes"})
    expect: "== 0"
faults:
  - fault: command
    host: worker-002
    inject: [sh, -c, "ls -d /srv/homes/.chaosjc/worker-001/0* | %(acknowledged)s | xargs rm"]
    undo: ["true"]
    verify: ["true"]
    duration: %(seconds)ds
  - fault: command
    host: brick-002
    inject: [sh, -c, "ls -d /data/homes/.chaosjc/worker-002/0* | %(acknowledged)s | xargs truncate --size 1"]
    undo: ["true"]
    verify: ["true"]
    duration: %(seconds)ds
recovery:
  within: 30s
  until:
    - promql: min(chaosjc_storage_up)
      expect: "== 1"
"""


@pytest.fixture(scope="module")
def site(lab: Lab) -> Iterator[DeployedSite]:
    directory = Path(tempfile.mkdtemp(prefix="chaosjc-canaries-", dir="/var/tmp"))
    site = DeployedSite.on(lab, directory, storage=True)
    try:
        with measured("site with storage"):
            site.run("deploy")
        yield site
    finally:
        site.run("destroy")
        shutil.rmtree(directory)


@pytest.fixture(scope="module")
def prometheus(site: DeployedSite) -> Iterator[Prometheus]:
    with endpoints.prometheus(site.context().state) as url:
        client = Prometheus.connect(url)
        yield client
        client.close()


def value(prometheus: Prometheus, query: str) -> float | None:
    found = prometheus.query(query, at=time.time())
    return found[0].points[-1][1] if found else None


def missing(prometheus: Prometheus) -> set[str]:
    """Metrics of the register of which there is no series."""
    there = 'count({__name__="%s"}) > 0'
    names = {each.name + ("_count" if each.kind == "histogram" else "") for each in METRICS}
    return {name for name in names if value(prometheus, there % name) is None}


def audit_period(site: DeployedSite) -> float:
    storage = site.model.storage
    assert storage
    return storage.canary.audit


def run_harm(site: DeployedSite) -> dict[str, Any]:
    file = site.file.parent / "planted-harm.yaml"
    file.write_text(HARM % {"acknowledged": ACKNOWLEDGED, "seconds": 3 * audit_period(site) + 3})
    argv = [*CHAOSJC, "run", str(file), "--site", str(site.file), "--state", str(site.state), "--json"]
    done = command.run(argv, timeout=200, check=False, cwd=ROOT)
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr
    return json.loads(done.stdout)


def test_every_metric_of_the_register_is_there(site: DeployedSite, prometheus: Prometheus) -> None:
    with measured("every series"):
        until(lambda: missing(prometheus) == set(), 60, every=1)
    assert missing(prometheus) == set()
    assert value(prometheus, "count(chaosjc_gluster_brick_up == 1)") == 6
    assert value(prometheus, "count(chaosjc_gluster_peer_connected == 1)") == 6, "each of three knows two"
    assert value(prometheus, "count(chaosjc_storage_up == 1)") == 4, "two volumes on each of two workers"
    assert value(prometheus, "max(chaosjc_gluster_ping_timeout_seconds)") == 5
    site.run("verify")


def test_a_dead_brick_is_0_and_a_frozen_machine_says_nothing(site: DeployedSite, prometheus: Prometheus) -> None:
    up = 'chaosjc_gluster_brick_up{volume="scratch",brick="brick-003"}'
    site.by_hand("brick-003", "sudo pkill --signal KILL --full -- '--brick-name /scratch/scratch'")
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


def test_planted_harm_is_found_within_three_audits_and_is_a_fail(site: DeployedSite, prometheus: Prometheus) -> None:
    settled = "max(time() - chaosjc_storage_audited_timestamp_seconds) < 15 and on () sum(chaosjc_storage_behind) == 0"
    until(lambda: value(prometheus, settled) is not None, 90, every=1)
    run = run_harm(site)
    assert run["verdict"] == "FAIL"
    for name in ("nothing is lost", "nothing is corrupt"):
        held = {phase: each["held"] for phase, each in hypothesis(run, name)["phases"].items()}
        assert held["before"] is True
        assert held["during"] is False, name
    counted = 'sum by (vm) (chaosjc_storage_%s_total{volume="homes"}) > 0'
    for what, vm in (("lost", "worker-001"), ("corrupt", "worker-002")):
        (series,) = prometheus.query(counted % what, at=time.time())
        assert (series.labels["vm"], series.points[-1][1]) == (vm, 1)
