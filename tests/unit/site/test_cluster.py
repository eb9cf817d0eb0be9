"""The cluster in the topology: VM → node → pod → user, and what the policy says of pods."""

from __future__ import annotations

import json

import pytest

from chaosjc.drivers import kubernetes_values as api_values
from chaosjc.drivers.kubernetes import Cluster
from chaosjc.errors import RemoteError
from chaosjc.site import cluster_view, discover
from chaosjc.site.cluster import ClusterView, Node, Pod
from chaosjc.site.cluster_view import Found
from chaosjc.site.model import PODS, SiteFile
from chaosjc.site.topology import Topology, Vm
from tests.unit.faults.clusters import WORKERS, api, site, topology
from tests.unit.site.fakes import lab_site


def view() -> ClusterView:
    found = topology(api()).cluster
    assert found is not None
    return found


def pod(component: str) -> Pod:
    return next(each for each in view().pods if each.component == component)


def test_nodes_are_vms() -> None:
    assert [(each.name, each.vm) for each in view().nodes] == [(name, name) for name in WORKERS]
    node = view().node_of("worker-002")
    assert node is not None and node.name == "worker-002"
    assert view().node_of("monitor") is None


def test_of_an_adopted_site_nodes_are_found_by_their_addresses() -> None:
    raw = api_values.Node("ip-10-0-0-1", "u", True, False, addresses=("10.0.0.1",))
    vms = [Vm("worker-001", "u1", "worker", "10.0.0.1", True, False, "ACTIVE")]
    (found,) = cluster_view.view(site(), Found([raw]), vms).nodes
    assert found == Node("ip-10-0-0-1", "u", "worker-001", ready=True, schedulable=False)
    (found,) = cluster_view.view(site(), Found([raw]), []).nodes
    assert found.vm == ""


def test_users_are_on_their_vm() -> None:
    assert view().users == {"ada", "bob"}
    there = {each.user for each in view().pods_on("worker-001") if each.user}
    assert there == {"ada", "bob", "canary-1"}
    assert pod("hub").user == ""


def test_a_pod_s_owner_is_who_makes_another_in_the_end() -> None:
    owners = {component: pod(component).owner for component in ("hub", "db", "kube-proxy", "singleuser-server")}
    told = {component: (owner.kind, owner.name) if owner else None for component, owner in owners.items()}
    assert told == {
        "hub": ("Deployment", "hub"),
        "db": ("StatefulSet", "db"),
        "kube-proxy": ("DaemonSet", "kube-proxy"),
        "singleuser-server": None,
    }


def test_workloads_are_those_that_can_be_scaled() -> None:
    assert [(each.kind, each.name, each.replicas) for each in view().workloads] == [
        ("StatefulSet", "db", 1),
        ("Deployment", "hub", 1),
        ("Deployment", "proxy", 1),
        ("Deployment", "coredns", 2),
    ]


def test_pods_that_have_ended_are_not_there() -> None:
    made = api()
    made.add("Pod", "job-1", "jhub", spec={"nodeName": "worker-001"}, status={"phase": "Succeeded"})
    found = topology(made).cluster
    assert found is not None and "job-1" not in [each.name for each in found.pods]


@pytest.mark.parametrize(
    ("labels", "component"),
    [
        ({"app": "jupyterhub", "component": "hub"}, "hub"),
        ({"k8s-app": "kube-dns"}, "coredns"),
        ({"k8s-app": "kube-proxy"}, "kube-proxy"),
        ({"app": "flannel", "tier": "node"}, "cni"),
        ({"k8s-app": "calico-node"}, "cni"),
        ({"app.kubernetes.io/name": "ingress"}, "ingress"),
        ({"app.kubernetes.io/component": "controller", "app": "x"}, "controller"),
        ({"pod-template-hash": "1"}, "its-owner"),
        ({}, "its-owner"),
    ],
)
def test_what_a_pod_is_for(labels: dict[str, str], component: str) -> None:
    assert api_values.component(labels, "its-owner") == component


def test_a_look_that_is_not_answered_is_no_empty_cluster() -> None:
    def fail() -> Cluster:
        raise RemoteError("no way")

    assert discover.with_cluster(Topology(()), site(), fail).cluster is None
    made = api()
    assert discover.with_cluster(Topology(()), site(), lambda: made.cluster).cluster != ClusterView()
    made.silent = True
    assert discover.with_cluster(Topology(()), site(), lambda: made.cluster).cluster is None
    assert discover.with_cluster(Topology(()), lab_site(kubernetes=None), fail).cluster == ClusterView()


# ------------------------------------------------------------------ policy


@pytest.mark.parametrize(
    ("said", "namespace", "component", "opted_in"),
    [
        ("pods/hub", "jhub", "hub", True),
        ("pods/hub", "staging", "hub", False),
        ("pods/staging/hub", "staging", "hub", True),
        ("pods/coredns", "kube-system", "coredns", True),
        ("pods/cni", "kube-flannel", "cni", True),
        ("pods/hub", "jhub", "proxy", False),
        ("hub", "jhub", "hub", False),
    ],
)
def test_how_a_policy_names_pods(said: str, namespace: str, component: str, opted_in: bool) -> None:
    assert site(said).pods_opted_in(namespace, component) is opted_in
    assert site(protected=(said,)).pods_protected(namespace, component) is opted_in


@pytest.mark.parametrize(
    ("name", "good"),
    [("pods/hub", True), ("pods/jhub/hub", True), ("pods/", False), ("pods/a/b/c", False), ("pods", False)],
)
def test_names_of_pods_in_a_policy(name: str, good: bool) -> None:
    assert bool(PODS.fullmatch(name)) is good


def test_a_site_file_may_name_pods_and_nothing_unknown() -> None:
    raw = lab_site().model_dump(by_alias=True, mode="json")
    raw["policy"] = {"targets": ["worker", "pods/hub"], "users": 3}
    assert SiteFile.restore(json.dumps(raw)).policy.users == 3
    raw["policy"] = {"targets": ["hub"]}
    with pytest.raises(ValueError, match="policy: no role or VM"):
        SiteFile.restore(json.dumps(raw))


def test_no_people_by_default() -> None:
    assert lab_site().policy.users == 0
