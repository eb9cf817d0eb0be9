"""What faults, checks and stages rely on in a cluster: the same tests for the one in memory and for a real one.

Nothing here needs a kubelet: pods are given to no node, and their status is told to the API by the test itself.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chaosjc.drivers.kubernetes import MERGE, Cluster
from chaosjc.drivers.kubernetes_api import Blocked, Conflict, NotFound, Request
from chaosjc.drivers.kubernetes_values import Node, Pod, Right, Workload

Json = dict[str, Any]
NOBODY = "chaosjc-contract"
"""A scheduler that is not there."""


def pod_template(labels: dict[str, str]) -> Json:
    spec = {"schedulerName": NOBODY, "containers": [{"name": "c", "image": "lab.local/pause:3.10.1"}]}
    return {"metadata": {"labels": labels}, "spec": spec}


def deployment(namespace: str, name: str, replicas: int) -> Json:
    labels = {"app": "jupyterhub", "component": name}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod_template(labels)}
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def config_map(namespace: str, **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": namespace}, "data": data}


def send(cluster: Cluster, method: str, path: str, body: Json | None = None, kind: str = MERGE) -> None:
    """As an administrator would, beside the driver."""
    response = cluster._api.send(Request(method, path, body=body, kind=kind), 10.0)
    assert response.status < 300, response.body


def tell_ready(cluster: Cluster, pod: Pod, *, ready: bool = True) -> None:
    condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    body = {"status": {"phase": "Running", "conditions": [condition]}}
    send(cluster, "PATCH", f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/status", body)


def until(question: Callable[[], Any]) -> Any:
    """The first answer that is something, within ten seconds: controllers take a moment."""
    end = time.monotonic() + 10
    while not (answer := question()):
        assert time.monotonic() < end, "it did not become so"
        time.sleep(0.05)
    return answer


class ClusterContract:
    """Needs the fixture `cluster`."""

    @pytest.fixture
    def namespace(self, cluster: Cluster) -> Iterator[str]:
        name = f"contract-{uuid.uuid4().hex[:8]}"
        cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}])
        yield name
        send(cluster, "DELETE", f"/api/v1/namespaces/{name}", {}, "application/json")
        for pod in cluster.pods(name):
            with contextlib.suppress(NotFound):  # its controller was faster
                cluster.delete_pod(name, pod.name, uid=pod.uid, grace=0)

    @pytest.fixture
    def hub(self, cluster: Cluster, namespace: str) -> Workload:
        cluster.apply([deployment(namespace, "hub", 2)])
        until(lambda: len(cluster.pods(namespace)) == 2)
        return cluster.workload("Deployment", namespace, "hub")

    @pytest.fixture
    def pod(self, cluster: Cluster, hub: Workload) -> Pod:
        return cluster.pods(hub.namespace)[0]

    @pytest.fixture
    def node(self, cluster: Cluster) -> Iterator[Node]:
        name = f"contract-{uuid.uuid4().hex[:8]}"
        cluster.apply([{"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"a": "b"}}}])
        yield cluster.node(name)
        cluster.delete_node(name)

    def test_its_user_s_rights_can_be_asked_for(self, cluster: Cluster) -> None:
        """An administrator has them all."""
        rights = (
            Right("patch", "nodes"),
            Right("create", "pods/eviction"),
            Right("patch", "deployments.apps", "default"),
        )
        assert [cluster.may(each) for each in rights] == [True] * 3

    def test_a_pod_is_read_as_its_deployment_made_it(self, cluster: Cluster, hub: Workload, pod: Pod) -> None:
        assert (pod.phase, pod.ready, pod.deleting, pod.node, pod.static) == ("Pending", False, False, "", False)
        assert pod.labels["app"] == "jupyterhub" and pod.component == hub.component == "hub"
        assert pod.owner is not None and pod.owner.kind == "ReplicaSet"
        top = cluster.top_owner(pod)
        assert top is not None and (top.kind, top.name, top.uid) == ("Deployment", "hub", hub.uid)
        assert pod.created > 1_700_000_000

    def test_pods_are_found_by_namespace_and_labels(self, cluster: Cluster, hub: Workload) -> None:
        assert len(cluster.pods(hub.namespace, labels=hub.selector)) == 2
        assert cluster.pods(hub.namespace, labels={"component": "proxy"}) == ()
        assert cluster.pods(hub.namespace, node="no-such-node") == ()
        assert {each.uid for each in cluster.pods(hub.namespace)} <= {each.uid for each in cluster.pods()}

    def test_ready_is_the_pod_s_own_condition(self, cluster: Cluster, pod: Pod) -> None:
        tell_ready(cluster, pod)
        assert cluster.pod(pod.namespace, pod.name).ready
        tell_ready(cluster, pod, ready=False)
        assert not cluster.pod(pod.namespace, pod.name).ready

    def test_a_pod_is_deleted_by_its_uid(self, cluster: Cluster, pod: Pod) -> None:
        with pytest.raises(Conflict):
            cluster.delete_pod(pod.namespace, pod.name, uid=str(uuid.uuid4()), grace=0)
        cluster.delete_pod(pod.namespace, pod.name, uid=pod.uid, grace=0)
        with pytest.raises(NotFound):
            cluster.pod(pod.namespace, pod.name)
        with pytest.raises(NotFound):
            cluster.delete_pod(pod.namespace, pod.name, uid=pod.uid, grace=0)
        until(lambda: len(cluster.pods(pod.namespace)) == 2)

    def test_a_disruption_budget_blocks_evictions(self, cluster: Cluster, hub: Workload) -> None:
        for pod in cluster.pods(hub.namespace):
            tell_ready(cluster, pod)
        spec = {"minAvailable": 2, "selector": {"matchLabels": dict(hub.selector)}}
        meta = {"name": "hub", "namespace": hub.namespace}
        budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": spec}
        cluster.apply([budget])
        victim = cluster.pods(hub.namespace)[0]
        with pytest.raises(Blocked):
            until(lambda: cluster.evict(victim, grace=0))
        cluster.apply([budget | {"spec": {**spec, "minAvailable": 1}}])
        until(lambda: _evicted(cluster, victim))

    def test_the_number_of_pods_is_set_by_who_has_read_the_newest(self, cluster: Cluster, hub: Workload) -> None:
        read = _settled(cluster, hub)
        after = cluster.scale(read, 0, {"chaosjc/held-by": "run/step"})
        assert (after.replicas, after.annotations["chaosjc/held-by"]) == (0, "run/step")
        with pytest.raises(Conflict):
            cluster.scale(read, 5)
        until(lambda: not cluster.pods(hub.namespace))
        back = cluster.scale(_settled(cluster, hub), 2, {"chaosjc/held-by": None})
        assert back.replicas == 2 and "chaosjc/held-by" not in back.annotations
        until(lambda: len(cluster.pods(hub.namespace)) == 2)

    def test_another_object_of_that_name_is_not_scaled(self, cluster: Cluster, hub: Workload) -> None:
        read = _settled(cluster, hub)
        send(cluster, "DELETE", f"/apis/apps/v1/namespaces/{hub.namespace}/deployments/hub", {}, "application/json")
        cluster.apply([deployment(hub.namespace, "hub", 2)])
        with pytest.raises(Conflict):
            cluster.scale(read, 1)

    def test_a_node_is_cordoned_and_marked_at_once(self, cluster: Cluster, node: Node) -> None:
        assert (node.schedulable, node.ready, node.labels["a"]) == (True, False, "b")
        cordoned = until(lambda: _cordoned(cluster, node.name))
        assert (cordoned.schedulable, cordoned.annotations["chaosjc/held-by"]) == (False, "run/step")
        assert cluster.node(node.name).schedulable is False
        with pytest.raises(Conflict):
            cluster.uncordon(node)
        free = until(lambda: _uncordoned(cluster, node.name))
        assert free.schedulable and "chaosjc/held-by" not in free.annotations
        assert node.name in [each.name for each in cluster.nodes()]

    def test_a_node_is_deleted_by_its_uid(self, cluster: Cluster, node: Node) -> None:
        with pytest.raises(Conflict):
            cluster.delete_node(node.name, uid=str(uuid.uuid4()))
        cluster.delete_node(node.name, uid=node.uid)
        cluster.delete_node(node.name)
        with pytest.raises(NotFound):
            cluster.node(node.name)

    def test_manifests_are_applied_with_their_namespace_first_and_only_what_differs(
        self, cluster: Cluster, namespace: str
    ) -> None:
        (first,) = cluster.apply([config_map(namespace, a="1", b="2")])
        assert (first.kind, first.namespace, first.name, first.changed) == ("ConfigMap", namespace, "c", True)
        assert not cluster.apply([config_map(namespace, a="1", b="2")])[0].changed
        assert cluster.apply([config_map(namespace, a="1")], dry_run=True)[0].changed
        assert not cluster.apply([config_map(namespace, a="1", b="2")])[0].changed, "a dry run changes nothing"
        assert cluster.apply([config_map(namespace, a="1")])[0].changed, "what is no longer said is taken away"
        assert not cluster.apply([config_map(namespace, a="1")])[0].changed

    def test_what_the_cluster_does_not_know(self, cluster: Cluster, namespace: str) -> None:
        absent = f"{namespace}-absent"
        with pytest.raises(NotFound):
            cluster.apply([config_map(absent, a="1")])
        assert cluster.apply([config_map(absent, a="1")], dry_run=True)[0].changed
        with pytest.raises(NotFound, match="knows no Wonder"):
            cluster.apply([{"apiVersion": "v1", "kind": "Wonder", "metadata": {"name": "w"}}])
        with pytest.raises(NotFound):
            cluster.workload("StatefulSet", namespace, "hub")
        with pytest.raises(NotFound):
            cluster.ask_service(namespace, "proxy-public", "http", "/user/ada/api")
        assert cluster.workloads("Deployment", namespace) == ()


def _settled(cluster: Cluster, hub: Workload) -> Workload:
    """As it is once its controller has told how it stands."""
    time.sleep(0.5 if cluster.name != "fake" else 0)
    return cluster.workload("Deployment", hub.namespace, hub.name)


def _cordoned(cluster: Cluster, name: str) -> Node | None:
    """Its own controllers may be at it."""
    try:
        return cluster.cordon(cluster.node(name), {"chaosjc/held-by": "run/step"})
    except Conflict:
        return None


def _uncordoned(cluster: Cluster, name: str) -> Node | None:
    """Its own controllers may be at it."""
    try:
        return cluster.uncordon(cluster.node(name), {"chaosjc/held-by": None})
    except Conflict:
        return None


def _evicted(cluster: Cluster, pod: Pod) -> bool:
    """The budget's controller may not have counted yet."""
    try:
        cluster.evict(pod, grace=0)
    except Blocked:
        return False
    except NotFound:
        return True
    return True
