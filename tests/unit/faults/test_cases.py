"""Entry and topology → steps, as data: tests/cases/faults, one file a fault."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaosjc.drivers.kubernetes_values import Owner
from chaosjc.faults.registry import FAULTS
from chaosjc.journal.events import StepPlan
from chaosjc.site.cluster import ClusterView, Node, Pod, Workload
from chaosjc.site.topology import Brick, Front, FrontMember, ReplicaSet, Topology, Vm, Volume

CASES = Path(__file__).parents[2] / "cases" / "faults"


def topology(*, unknown_layout: bool, unknown_front: bool) -> Topology:
    raw: dict[str, Any] = yaml.safe_load((CASES / "topology.yaml").read_text())
    vms = tuple(
        Vm(name, f"uuid-{name}", each["role"], each["address"], each.get("opted_in", True), False, "ACTIVE")
        for name, each in raw["vms"].items()
    )
    volumes = tuple(
        Volume(
            name,
            tuple(
                ReplicaSet(f"{name}/{n}", tuple(Brick(name, vm, each["path"], online=True) for vm in names), 2)
                for n, names in enumerate(each["sets"])
            ),
        )
        for name, each in raw["volumes"].items()
    )
    members = tuple(
        FrontMember(name, f"id-{name}", "lb", "pool", raw["vms"][name]["address"], 30080, True, status, True)
        for name, status in raw["front"].items()
    )
    front = None if unknown_front else Front("lb", "10.0.0.100", 80, "ONLINE", members)
    return Topology(vms, None if unknown_layout else volumes, cluster(raw["cluster"]), front)


def cluster(raw: dict[str, Any]) -> ClusterView:
    pods = [
        Pod(
            name=name,
            uid=f"uid-{name}",
            namespace=each.get("namespace", "jhub"),
            component=each["component"],
            node=each["vm"],
            vm=each["vm"],
            user=each.get("user", ""),
            owner=owner(each.get("owner", "")),
            opted_in=each.get("opted_in", True),
        )
        for name, each in raw["pods"].items()
    ]
    workloads = [
        Workload(each["kind"], "jhub", name, f"uid-{name}", name, each["replicas"], each.get("opted_in", True))
        for name, each in raw["workloads"].items()
    ]
    return ClusterView(tuple(Node(name, f"uid-{name}", name) for name in raw["nodes"]), tuple(pods), tuple(workloads))


def owner(text: str) -> Owner | None:
    kind, _, name = text.partition(" ")
    return Owner(kind, name, f"uid-{kind}-{name}") if text else None


def cases() -> list[Any]:
    files = sorted(path for path in CASES.glob("*.yaml") if path.stem != "topology")
    return [
        pytest.param(case, id=f"{path.stem}: {case['case']}")
        for path in files
        for case in yaml.safe_load(path.read_text())
    ]


def shown(step: StepPlan, keys: dict[str, Any]) -> dict[str, Any]:
    data = {**step.model_dump(), "target": step.target.name}
    return {key: data[key] for key in keys}


@pytest.mark.parametrize("case", cases())
def test_plan(case: dict[str, Any]) -> None:
    fault = FAULTS[case["entry"]["fault"]]
    entry = fault.entry.model_validate_json(json.dumps(case["entry"]))
    assert entry.choice is not None
    unknown_layout, unknown_front = (case.get(each, False) for each in ("unknown_layout", "unknown_front"))
    around = topology(unknown_layout=unknown_layout, unknown_front=unknown_front)
    chosen = entry.choice.draw(around, random.Random(1), entry.wants)
    steps = fault.plan(entry, chosen, "f1")
    assert [shown(step, wanted) for step, wanted in zip(steps, case["steps"], strict=True)] == case["steps"]
    assert [f"{each.name} {each.code}: {each.why}" for each in chosen.refused] == case.get("refused", [])
    assert bool(case.get("refused")) == (len(chosen.targets) < chosen.wanted), "what is refused is told, and only that"
