"""What the faults of a cluster do to a real Deployment and node: the same tests for the one in memory and a real one.

Like tests/contract/cluster.py it needs no kubelet: the test itself tells the API that pods are Ready.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest

from chaosjc.clock import SystemClock
from chaosjc.drivers.kubernetes import Cluster
from chaosjc.drivers.kubernetes_values import Json, Node, Owner, Pod, Workload
from chaosjc.errors import FaultError
from chaosjc.faults.fault import Fault
from chaosjc.faults.node import MARK, again
from chaosjc.faults.registry import FAULTS
from chaosjc.faults.target import Chosen
from chaosjc.faults.world import World
from chaosjc.journal.events import Context, StepPlan, Target
from chaosjc.site import cluster as site
from tests.contract.cluster import ClusterContract, deployment, send, tell_ready, until


class ClusterWorld(World):
    """A world with this cluster, and nothing else."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(Context(), "contract", SystemClock())
        self._cluster = cluster

    @property
    def kubernetes(self) -> Cluster:
        assert self._cluster is not None
        return self._cluster


def planned(name: str, entry: dict[str, Any], chosen: Chosen) -> tuple[Fault, StepPlan]:
    fault = FAULTS[name]
    (step,) = fault.plan(fault.entry.model_validate({"duration": 1.0, **entry}), chosen, "f1")
    return fault, step


def daemon_set(namespace: str, name: str, nodes: dict[str, str]) -> Json:
    """On nodes with these labels, whatever ails them."""
    made = deployment(namespace, name, 1)
    template = made["spec"]["template"]
    template["spec"] |= {"nodeSelector": nodes, "tolerations": [{"operator": "Exists"}]}
    spec = {"selector": made["spec"]["selector"], "template": template}
    return made | {"kind": "DaemonSet", "spec": spec}


def placed(cluster: Cluster, namespace: str, node: str) -> Pod | None:
    """The daemon's pod there, once there is one; given to the node and Ready, by nobody else."""
    pods = [pod for pod in cluster.pods(namespace) if not pod.deleting]
    for pod in pods:
        if not pod.node:
            target = {"apiVersion": "v1", "kind": "Node", "name": node}
            body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod.name}, "target": target}
            send(cluster, "POST", f"/api/v1/namespaces/{namespace}/pods/{pod.name}/binding", body, "application/json")
        tell_ready(cluster, pod)
    return cluster.pod(namespace, pods[0].name) if pods else None


def all_ready(cluster: Cluster, hub: Workload) -> bool:
    """Once there are as many as there should be."""
    pods = [pod for pod in cluster.pods(hub.namespace, labels=hub.selector) if not pod.deleting]
    for pod in pods:
        tell_ready(cluster, pod)
    return len(pods) == 2


class ClusterFaultContract(ClusterContract):
    """Needs the fixture `cluster`."""

    @pytest.fixture
    def world(self, cluster: Cluster) -> ClusterWorld:
        return ClusterWorld(cluster)

    @pytest.fixture
    def delete(self, cluster: Cluster, hub: Workload) -> tuple[Fault, StepPlan]:
        until(lambda: all_ready(cluster, hub))
        found = cluster.pods(hub.namespace)[0]
        pod = site.Pod(found.namespace, found.name, found.uid, "hub", owner=Owner("Deployment", "hub", hub.uid))
        chosen = Chosen((Target(id=found.uid, name=found.name, kind="pod"),), (), (), 1, pods=(pod,))
        return planned("pod.delete", {"target": {"component": "hub"}}, chosen)

    @pytest.fixture
    def daemon(self, cluster: Cluster, namespace: str, node: Node) -> tuple[Fault, StepPlan]:
        cluster.apply([daemon_set(namespace, "kube-proxy", dict(node.labels))])
        found: Pod = until(lambda: placed(cluster, namespace, node.name))
        owner = cluster.top_owner(found)
        assert owner is not None and owner.kind == "DaemonSet"
        pod = site.Pod(namespace, found.name, found.uid, "kube-proxy", node=found.node, owner=owner)
        chosen = Chosen((Target(id=found.uid, name=found.name, kind="pod"),), (), (), 1, pods=(pod,))
        return planned("pod.delete", {"target": {"labels": dict(found.labels), "node": node.name}}, chosen)

    @pytest.fixture
    def scale(self, cluster: Cluster, hub: Workload) -> tuple[Fault, StepPlan]:
        until(lambda: all_ready(cluster, hub))
        found = site.Workload(hub.kind, hub.namespace, hub.name, hub.uid, "hub", 2)
        chosen = Chosen((Target(id=hub.uid, name="hub", kind="deployment"),), (), (), 1, workloads=(found,))
        return planned("service.scale", {"target": {"name": "hub"}, "replicas": 0}, chosen)

    @pytest.fixture
    def drain(self, node: Node) -> tuple[Fault, StepPlan]:
        found = site.Node(node.name, node.uid, node.name)
        chosen = Chosen((Target(id="vm", name=node.name),), (), (), 1, nodes=(found,))
        return planned("node.drain", {"target": {"name": node.name}, "within": 2.0}, chosen)

    def test_a_deleted_pod_is_made_up_for_once_another_is_ready(
        self, cluster: Cluster, hub: Workload, world: ClusterWorld, delete: tuple[Fault, StepPlan]
    ) -> None:
        fault, step = delete
        assert fault.verify(step, world).outcome == "whole"
        fault.inject(step, world)
        fault.undo(step, world)
        assert fault.verify(step, world).outcome == "broken"
        until(lambda: all_ready(cluster, hub))
        assert fault.verify(step, world).outcome == "whole"
        with pytest.raises(FaultError, match="is gone"):
            fault.inject(step, world)

    def test_a_daemons_pod_is_made_up_for_on_its_own_node(
        self, cluster: Cluster, node: Node, world: ClusterWorld, daemon: tuple[Fault, StepPlan]
    ) -> None:
        fault, step = daemon
        namespace = str(step.options["namespace"])
        assert fault.verify(step, world).outcome == "whole"
        fault.inject(step, world)
        fault.undo(step, world)
        assert fault.verify(step, world).why == f"no other pod is Ready on {node.name}"
        again: Pod = until(lambda: placed(cluster, namespace, node.name))
        assert again.uid != step.target.id and again.node == node.name
        assert fault.verify(step, world).outcome == "whole"
        cluster.delete_pod(namespace, again.name, uid=again.uid, grace=0)
        cluster.delete_node(node.name)
        assert fault.verify(step, world).outcome == "gone"

    def test_a_service_is_scaled_to_nothing_and_back(
        self, cluster: Cluster, hub: Workload, world: ClusterWorld, scale: tuple[Fault, StepPlan]
    ) -> None:
        fault, step = scale
        fault.inject(step, world)
        assert not [pod for pod in cluster.pods(hub.namespace) if not pod.deleting]
        assert fault.verify(step, world).outcome == "broken"
        for _ in range(2):
            fault.undo(step, world)
        until(lambda: all_ready(cluster, hub))
        assert fault.verify(step, world).outcome == "whole"
        after = cluster.workload("Deployment", hub.namespace, "hub")
        assert after.replicas == 2 and MARK not in after.annotations

    def test_undos_at_the_same_time_restore_once(
        self, cluster: Cluster, hub: Workload, world: ClusterWorld, scale: tuple[Fault, StepPlan]
    ) -> None:
        fault, step = scale
        fault.inject(step, world)
        threads = [threading.Thread(target=fault.undo, args=(step, world)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert cluster.workload("Deployment", hub.namespace, "hub").replicas == 2

    def test_what_another_has_set_meanwhile_stands(
        self, cluster: Cluster, hub: Workload, world: ClusterWorld, scale: tuple[Fault, StepPlan]
    ) -> None:
        fault, step = scale
        fault.inject(step, world)
        name = ("Deployment", hub.namespace, "hub")

        def scale_by_hand() -> None:
            cluster.scale(cluster.workload(*name), 1)

        again(scale_by_hand)  # its controller may have told how it stands in between
        fault.undo(step, world)
        after = cluster.workload(*name)
        assert after.replicas == 1 and MARK not in after.annotations

    def test_a_node_is_drained_and_given_back(
        self, cluster: Cluster, node: Node, world: ClusterWorld, drain: tuple[Fault, StepPlan]
    ) -> None:
        fault, step = drain
        fault.inject(step, world)
        assert cluster.node(node.name).annotations[MARK] == "contract/f1." + node.name
        with pytest.raises(FaultError, match="is cordoned already"):
            fault.inject(step, world)
        for _ in range(2):
            fault.undo(step, world)
        assert cluster.node(node.name).schedulable
        assert fault.verify(step, world).why == f"node {node.name} is not Ready", "nobody says that it is"
        cluster.delete_node(node.name)
        assert fault.verify(step, world).outcome == "gone"
        fault.undo(step, world)
