"""What is harmed behind the canaries' back is found and said. The last of all: what was lost stays counted."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from chaosjc.drivers import command
from chaosjc.drivers.prometheus import Prometheus
from tests.lab.runs import CHAOSJC, Stage, hypothesis
from tests.lab.site import ROOT, DeployedSite
from tests.lab.storage.settled import settled

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

ACKNOWLEDGED = "sort --field-separator / --key 7 | tail -n 50 | head -n 1"
"""Of MOUNT/.chaosjc/VM/SHELF/SEQ by number, one that is 5 s old: neither in flight nor about to be unlinked."""

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
    inject: [sh, -c, "ls -d /srv/homes/.chaosjc/worker-001/?/0* | %(acknowledged)s | xargs rm"]
    undo: ["true"]
    verify: ["true"]
    duration: %(seconds)ds
  - fault: command
    host: brick-002
    inject: [sh, -c, "ls -d /data/homes/.chaosjc/worker-002/?/0* | %(acknowledged)s | xargs truncate --size 1"]
    undo: ["true"]
    verify: ["true"]
    duration: %(seconds)ds
recovery:
  within: 30s
  until:
    - promql: min(chaosjc_storage_up)
      expect: "== 1"
"""


def audit_period(site: DeployedSite) -> float:
    storage = site.model.storage
    assert storage
    return storage.canary_of("homes").audit


def run_harm(site: DeployedSite) -> dict[str, Any]:
    file = site.file.parent / "planted-harm.yaml"
    file.write_text(HARM % {"acknowledged": ACKNOWLEDGED, "seconds": 3 * audit_period(site) + 3})
    argv = [*CHAOSJC, "run", str(file), "--site", str(site.file), "--state", str(site.state), "--json"]
    done = command.run(argv, timeout=200, check=False, cwd=ROOT)
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr
    return json.loads(done.stdout)


def test_planted_harm_is_found_within_three_audits_and_is_a_fail(storage: Stage, prometheus: Prometheus) -> None:
    settled(storage)
    run = run_harm(storage.site)
    assert run["verdict"] == "FAIL"
    for name in ("nothing is lost", "nothing is corrupt"):
        held = {phase: each["held"] for phase, each in hypothesis(run, name)["phases"].items()}
        assert held["before"] is True
        assert held["during"] is False, name
    counted = 'sum by (vm) (chaosjc_storage_%s_total{volume="homes"}) > 0'
    for what, vm in (("lost", "worker-001"), ("corrupt", "worker-002")):
        (series,) = prometheus.query(counted % what, at=time.time())
        assert (series.labels["vm"], series.points[-1][1]) == (vm, 1)
