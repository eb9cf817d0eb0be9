"""When a run looks at volumes: where it may break what carries or mounts them, and not else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chaosjc.engine.experiment import Experiment
from chaosjc.engine.session import touches_storage
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
    ("faults", "touches"),
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
def test_touches_storage(faults: list[dict[str, Any]], touches: bool) -> None:
    assert touches_storage(lab_site(), experiment(*faults)) is touches
    assert not touches_storage(lab_site(storage=None), experiment(*faults))
