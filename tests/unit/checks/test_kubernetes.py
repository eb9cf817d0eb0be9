"""`node.ready` and `pod.ready`, against a cluster in memory."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from chaosjc.checks.entry import Names
from chaosjc.checks.registry import NAMED, ask, check_plan, needs
from chaosjc.checks.sources import Sources
from chaosjc.errors import RemoteError
from chaosjc.journal.events import CheckPlan, Reading
from tests.unit.drivers.cluster import FakeApi, running
from tests.unit.fakes import FakeClock

NOW = 1_000_000.0


def cluster() -> FakeApi:
    made = FakeApi(kubelets=True)
    made.node("worker-001")
    made.workload("Deployment", "hub")
    made.workload("Deployment", "coredns", "kube-system", 2, labels={"k8s-app": "kube-dns"})
    return made


def plan(**entry: Any) -> CheckPlan:
    model = NAMED[entry["check"]]
    return check_plan(model.model_validate_json(json.dumps(entry)), "h1", Names(["worker-001"], ["worker-002"]))


def answers(made: FakeApi, **entry: Any) -> tuple[Reading, ...]:
    return ask(plan(**entry), Sources(kubernetes=lambda: made.cluster, clock=FakeClock(NOW)))


def test_a_node_is_whole_broken_or_gone() -> None:
    made = cluster()
    made.node("worker-002", ready=False)
    assert answers(made, check="node.ready", target="$targets") == (
        Reading(series="worker-001", time=NOW, value="whole"),
    )
    (broken,) = answers(made, check="node.ready", target="$others")
    assert (broken.value, broken.why) == ("broken", "not Ready: Unknown")
    (gone,) = answers(made, check="node.ready", target="worker-009")
    assert (gone.value, gone.why) == ("gone", "the cluster has no node worker-009")


def test_a_node_that_takes_no_pods_is_broken() -> None:
    made = cluster()
    made.objects["Node", "", "worker-001"]["spec"]["unschedulable"] = True
    (reading,) = answers(made, check="node.ready", target="worker-001")
    assert (reading.value, reading.why) == ("broken", "it is cordoned")


@pytest.mark.parametrize(
    ("asked", "count", "series"),
    [
        ({"component": "hub"}, 1.0, "hub"),
        ({"component": "coredns"}, 2.0, "coredns"),
        ({"labels": {"k8s-app": "kube-dns"}}, 2.0, "k8s-app=kube-dns"),
        ({"component": "coredns", "namespace": "jhub"}, 0.0, "coredns"),
        ({"component": "proxy"}, 0.0, "proxy"),
    ],
)
def test_pods_are_counted_that_are_ready(asked: dict[str, Any], count: float, series: str) -> None:
    assert answers(cluster(), check="pod.ready", **asked) == (Reading(series=series, time=NOW, value=count),)


def test_a_pod_that_is_not_ready_does_not_count_and_is_named() -> None:
    made = cluster()
    (name,) = made.pods()
    made.objects["Pod", "jhub", name]["status"] = running(ready=False)
    (reading,) = answers(made, check="pod.ready", component="hub")
    assert (reading.value, reading.why) == (0.0, f"{name} is Running, not Ready")
    made.objects["Pod", "jhub", name]["status"] = running()
    made.objects["Pod", "jhub", name]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    (reading,) = answers(made, check="pod.ready", component="hub")
    assert (reading.value, reading.why) == (0.0, f"{name} is being deleted")


def test_where_nobody_answers_there_is_no_data() -> None:
    made = cluster()
    made.silent = True
    (reading,) = answers(made, check="pod.ready", component="hub")
    assert reading.value is None and "connection refused" in reading.why


def test_where_nobody_can_be_asked_there_is_none_either() -> None:
    (reading,) = ask(plan(check="pod.ready", component="hub"), Sources(clock=FakeClock(NOW)))
    assert (reading.value, reading.why) == (None, "this run has no Kubernetes to ask")

    def fail() -> Any:
        raise RemoteError("no way")

    (reading,) = ask(plan(check="node.ready", target="x"), Sources(kubernetes=fail, clock=FakeClock(NOW)))
    assert reading.why == "no way"


def test_titles_and_needs() -> None:
    nodes, pods = plan(check="node.ready", target="$targets"), plan(check="pod.ready", component="hub")
    assert (nodes.name, pods.name) == ("node worker-001", "Ready pods of hub")
    assert (nodes.expect, pods.expect) == ("== whole", ">= 1")
    assert needs([nodes, pods]) == {"kubernetes", "ssh"}


def test_pods_of_no_kind_are_not_counted() -> None:
    with pytest.raises(ValidationError, match="expected `component` or `labels`, or both"):
        NAMED["pod.ready"].model_validate({"check": "pod.ready", "namespace": "jhub"})
