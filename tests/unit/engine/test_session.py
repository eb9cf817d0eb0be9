"""When a run looks at volumes or the cluster: where it may break what they need, and not else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chaosjc.engine.experiment import Experiment
from chaosjc.engine.session import touches
from chaosjc.site.sections import Kubernetes, Lbaas
from tests.unit.site.adopted_site import adopted_site
from tests.unit.site.fakes import lab_site


def experiment(*faults: dict[str, Any]) -> Experiment:
    document = {
        "apiVersion": "chaosjc/v1",
        "kind": "Experiment",
        "name": "x",
        "hypotheses": [{"check": "gluster.healed", "volume": "homes"}],
        "faults": list(faults),
    }
    return Experiment.model_validate_json(json.dumps(document))


COMMAND = {"fault": "command", "inject": ["true"], "undo": ["true"], "verify": ["true"]}


@pytest.mark.parametrize(
    ("faults", "storage"),
    [
        ([COMMAND], False),
        ([{"fault": "vm.pause", "target": {"role": "monitor", "count": 1}}], False),
        ([{"fault": "vm.pause", "target": {"name": "bastion"}}], False),
        ([{"fault": "vm.pause", "target": {"role": "brick", "count": 1}}], True),
        ([{"fault": "vm.pause", "target": {"name": "brick-002"}}], True),
        ([{"fault": "vm.pause", "target": {"name": ["monitor", "worker-001"]}}], True),
        ([{"fault": "vm.pause", "target": {"role": "worker", "count": 1}}], True),
        ([{"fault": "vm.pause", "target": {"replica_set": "homes/0", "count": 1}}], True),
        ([{"fault": "vm.pause", "target": {"name": "made-by-hand"}}], True),
        ([{"fault": "brick.kill", "volume": "homes", "target": {"role": "brick", "count": 1}}], True),
        ([COMMAND, {"fault": "vm.pause", "target": {"name": "brick-002"}}], True),
    ],
)
def test_touches_storage(faults: list[dict[str, Any]], storage: bool) -> None:
    assert ("storage" in touches(lab_site(), experiment(*faults))) is storage
    assert not touches(lab_site(storage=None), experiment(*faults))


@pytest.mark.parametrize(
    ("faults", "cluster"),
    [
        ([COMMAND], False),
        ([{"fault": "vm.pause", "target": {"role": "monitor", "count": 1}}], False),
        ([{"fault": "vm.pause", "target": {"role": "brick", "count": 1}}], False),
        ([{"fault": "vm.pause", "target": {"name": "worker-001"}}], True),
        ([{"fault": "vm.pause", "target": {"name": "master"}}], True),
        ([{"fault": "node.drain", "target": {"role": "worker", "count": 1}}], True),
        ([{"fault": "pod.delete", "target": {"component": "hub"}}], True),
        ([{"fault": "service.scale", "target": {"name": "hub"}, "replicas": 0}], True),
        ([{"fault": "vm.pause", "target": {"replica_set": "homes/0", "count": 1}}], True),
    ],
)
def test_touches_the_cluster(faults: list[dict[str, Any]], cluster: bool) -> None:
    site = lab_site(kubernetes=Kubernetes())
    assert ("cluster" in touches(site, experiment(*faults))) is cluster
    assert "cluster" not in touches(lab_site(kubernetes=None), experiment(*faults))


def test_what_runs_on_vms_is_no_storage() -> None:
    pods = experiment({"fault": "pod.delete", "target": {"component": "hub"}})
    assert touches(lab_site(kubernetes=Kubernetes()), pods) == {"cluster"}


STRANGE = {"worker": "k8s-node-a", "gpu": "k8s-node-b", "brick": ["gluster01*", "gluster02*"], "archive": "gluster03*"}


@pytest.mark.parametrize("role", ["gpu", "archive", "worker"])
def test_of_an_adopted_site_no_role_tells_what_a_vm_does(role: str) -> None:
    adopted = {"servers": STRANGE, "kubeconfig": "/home/ada/kubeconfig"}
    site = adopted_site(adopted=adopted, kubernetes={"control_plane": "worker"})
    freezes = experiment({"fault": "vm.pause", "target": {"role": role, "count": 1}})
    assert touches(site, freezes) == {"storage", "cluster"}
    assert touches(adopted_site(adopted={"servers": STRANGE}), freezes) == {"storage"}
    assert not touches(site, experiment(COMMAND))


@pytest.mark.parametrize(
    ("fault", "front"),
    [
        ({"fault": "lb.member", "target": {"role": "worker", "count": 1}}, True),
        ({"fault": "vm.pause", "target": {"name": "worker-001"}}, True),
        ({"fault": "vm.pause", "target": {"role": "brick", "count": 1}}, False),
        ({"fault": "pod.delete", "target": {"component": "hub"}}, False),
        (COMMAND, False),
    ],
)
def test_touches_the_front(fault: dict[str, Any], front: bool) -> None:
    site = lab_site(kubernetes=Kubernetes(), lbaas=Lbaas())
    assert ("front" in touches(site, experiment(fault))) is front
    assert "front" not in touches(lab_site(kubernetes=Kubernetes()), experiment(fault))
