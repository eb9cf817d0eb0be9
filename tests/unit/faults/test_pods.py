"""Targeting in the cluster: seeded, by what is said, never what may not be broken; people's pods least of all."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chaosjc.drivers.kubernetes_values import Owner
from chaosjc.faults.pods import PodChoice, WorkloadChoice
from chaosjc.faults.target import Chosen, TargetChoice, Wants
from chaosjc.site.cluster import USER_PODS, ClusterView, Pod, Workload
from chaosjc.site.topology import Topology
from tests.unit.drivers.cluster import running
from tests.unit.faults.clusters import WORKERS, api, draw, plan, site, topology

COMPONENTS = ("hub", "proxy", USER_PODS, "coredns")
NODES = ("worker-001", "worker-002", "")


@st.composite
def pods(draw: st.DrawFn, number: int) -> Pod:
    component = draw(st.sampled_from(COMPONENTS))
    user = draw(st.sampled_from(["ada", "canary-1"])) if component == USER_PODS else ""
    node = draw(st.sampled_from(NODES))
    return Pod(
        namespace=draw(st.sampled_from(["jhub", "kube-system"])),
        name=f"pod-{number}",
        uid=f"uid-{number}",
        component=component,
        node=node,
        vm=node,
        user=user,
        owner=None if user or draw(st.booleans()) else Owner("Deployment", "d", "u"),
        labels={"a": draw(st.sampled_from("xy"))},
        static=draw(st.booleans()),
        opted_in=draw(st.booleans()),
        protected=draw(st.booleans()),
    )


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    count = draw(st.integers(0, 15))
    return Topology((), (), ClusterView(pods=tuple(draw(pods(number)) for number in range(count))))


@st.composite
def choices(draw: st.DrawFn) -> PodChoice:
    said: dict[str, Any] = {
        "component": draw(st.sampled_from([None, *COMPONENTS])),
        "node": draw(st.sampled_from([None, "worker-001"])),
        "labels": draw(st.sampled_from([None, {"a": "x"}])),
        "namespace": draw(st.sampled_from([None, "jhub"])),
        "user": draw(st.sampled_from([None, "ada"])),
    }
    if all(said[key] is None for key in ("component", "node", "labels", "user")):
        said["component"] = "hub"
    return PodChoice(**said, count=draw(st.integers(1, 8)))


WANTS = st.builds(Wants, recreated=st.booleans(), reached=st.booleans())


def chosen(choice: PodChoice, around: Topology, seed: int, wants: Wants) -> Chosen:
    return choice.draw(around, random.Random(seed), wants)


@given(topologies(), choices(), WANTS, st.integers())
def test_the_same_input_gives_the_same_targets(around: Topology, choice: PodChoice, wants: Wants, seed: int) -> None:
    assert chosen(choice, around, seed, wants) == chosen(choice, around, seed, wants)


@given(topologies(), choices(), WANTS, st.integers())
def test_what_may_not_be_broken_is_never_drawn(around: Topology, choice: PodChoice, wants: Wants, seed: int) -> None:
    drawn = chosen(choice, around, seed, wants)
    assert [pod.uid for pod in drawn.pods] == [target.id for target in drawn.targets]
    for pod in drawn.pods:
        assert pod.opted_in and not pod.protected and choice.means(pod)
        assert not wants.recreated or ((pod.owner or pod.user) and not pod.static)
        assert not wants.reached or pod.vm


@given(topologies(), choices(), WANTS, st.integers())
def test_every_candidate_is_drawn_left_alone_or_refused(
    around: Topology, choice: PodChoice, wants: Wants, seed: int
) -> None:
    drawn = chosen(choice, around, seed, wants)
    assert around.cluster is not None
    meant = {pod.name for pod in around.cluster.pods if choice.means(pod)}
    told = {target.name for target in drawn.targets} | {refusal.name for refusal in drawn.refused}
    assert meant <= told | set(drawn.others) or not drawn.targets
    assert not {target.name for target in drawn.targets} & set(drawn.others)
    assert len(drawn.targets) <= drawn.wanted
    assert drawn.targets or drawn.refused, "a reason is told whenever there is none"


# ------------------------------------------------------------------ what a site and its policy make of it


def names(entry: dict[str, Any], *targets: str, name: str = "pod.delete", **policy: Any) -> list[str]:
    """What is drawn, or why nothing is; the last part of a name is made up by its owner."""
    found = draw(name, entry, topology(api(), site(*targets, **policy)))
    if found.targets:
        return sorted(pod.component if pod.owner else pod.name for pod in found.pods)
    return sorted({f"{each.code}: {each.why}" for each in found.refused})


@pytest.mark.parametrize(
    ("target", "drawn"),
    [
        ({"component": "hub"}, ["hub"]),
        ({"component": "proxy"}, ["proxy"]),
        ({"component": "coredns", "percent": 100.0}, ["coredns", "coredns"]),
        ({"component": "cni", "node": "worker-002"}, ["cni"]),
        ({"component": "kube-proxy", "percent": 100.0}, ["kube-proxy", "kube-proxy"]),
        ({"labels": {"k8s-app": "kube-dns"}}, ["coredns"]),
        ({"labels": {"app": "flannel"}, "percent": 100.0}, ["cni", "cni"]),
        ({"labels": {"k8s-app": "kube-proxy"}, "node": "worker-001"}, ["kube-proxy"]),
        ({"node": "worker-002", "percent": 100.0}, ["cni", "kube-proxy"]),
        ({"user": "canary-1"}, ["jupyter-canary-1"]),
        ({"component": USER_PODS}, ["jupyter-canary-1"]),
        ({"name": "db-0"}, ["db"]),
    ],
)
def test_who_is_meant(target: dict[str, Any], drawn: list[str]) -> None:
    assert names({"target": target}) == drawn


OPT_IN = "not-opted-in: the site's policy does not name it as a target: pods/{}"


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ({"component": "hub"}, OPT_IN.format("jhub/hub")),
        ({"user": "ada"}, OPT_IN.format("jhub/singleuser-server")),
        ({"name": "nobody"}, "target-missing: the cluster has no such pod"),
        ({"component": "hubs"}, "target-missing: the cluster has no such pod"),
    ],
)
def test_nothing_is_a_target_unless_the_policy_says_so(target: dict[str, Any], why: str) -> None:
    assert names({"target": target}, "worker") == [why]


def test_people_s_pods_are_never_drawn_unless_the_policy_says_so() -> None:
    everyone = {"target": {"component": USER_PODS, "percent": 100.0}}
    assert names(everyone) == ["jupyter-canary-1"]
    assert names(everyone, "pods/singleuser-server") == ["jupyter-ada", "jupyter-bob", "jupyter-canary-1"]


def test_what_is_protected_stays() -> None:
    protected = "protected: the site's policy protects it"
    assert names({"target": {"component": "hub"}}, protected=("pods/hub",)) == [protected]
    assert names({"target": {"user": "canary-1"}}, protected=("pods/singleuser-server",)) == [protected]
    assert names({"target": {"user": "canary-1"}}, protected=("worker-001",)) == [protected], "with its VM"


def test_a_pod_is_deleted_only_where_somebody_makes_another() -> None:
    assert names({"target": {"component": "etcd"}}, "pods/etcd") == [
        "static-pod: its kubelet runs it from a file: to delete it in the API ends nothing"
    ]
    made = api()
    meta, spec = {"labels": {"component": "hub"}}, {"nodeName": "worker-002"}
    made.add("Pod", "alone", "jhub", metadata=meta, spec=spec, status=running())
    found = draw("pod.delete", {"target": {"name": "alone"}}, topology(made))
    assert [each.code for each in found.refused] == ["not-recreated"]
    assert draw("pod.freeze", {"target": {"name": "alone"}}, topology(made)).targets
    drained = draw("node.drain", {"target": {"name": "worker-002"}}, topology(made))
    assert [(each.name, each.code) for each in drained.refused] == [("worker-002", "not-recreated")]


def test_a_pod_on_no_vm_of_the_site_is_not_frozen() -> None:
    made = api()
    made.node("elsewhere-003")
    made.user("canary-2", "elsewhere-003")
    found = draw("pod.freeze", {"target": {"user": "canary-2"}}, topology(made))
    assert [each.why for each in found.refused] == ["it is on no VM of the site"]


def test_others_are_those_of_its_kind_that_may_be_broken() -> None:
    found = draw("pod.delete", {"target": {"component": "coredns"}}, topology(api()))
    assert len(found.others) == 1 and found.others[0].startswith("coredns-")


def test_a_short_name_is_of_the_site_s_own_namespaces() -> None:
    made = api()
    made.add("Namespace", "staging")
    made.workload("Deployment", "hub", "staging")
    hubs = {"target": {"component": "hub", "percent": 100.0}}
    assert [pod.namespace for pod in draw("pod.delete", hubs, topology(made, site("pods/hub"))).pods] == ["jhub"]
    both = site("pods/hub", "pods/staging/hub")
    assert [pod.namespace for pod in draw("pod.delete", hubs, topology(made, both)).pods] == ["jhub", "staging"]
    here = {"target": {"component": "hub", "namespace": "staging"}}
    assert [pod.namespace for pod in draw("pod.delete", here, topology(made, both)).pods] == ["staging"]


def test_a_name_that_two_namespaces_have_is_not_guessed() -> None:
    made = api()
    made.add("Namespace", "staging")
    made.workload("StatefulSet", "db", "staging")
    both = topology(made, site("pods/db", "pods/staging/db"))
    found = draw("pod.delete", {"target": {"name": "db-0"}}, both)
    assert not found.targets and [each.why for each in found.refused] == ["several namespaces have one: name it too"]
    (pod,) = draw("pod.delete", {"target": {"name": "db-0", "namespace": "staging"}}, both).pods
    assert pod.namespace == "staging"
    everyone = {"target": {"component": "db", "percent": 100.0}}
    assert [step.id for step in plan("pod.delete", everyone, both)] == ["f1.jhub.db-0", "f1.staging.db-0"]


def test_a_node_is_a_vm_that_is_one() -> None:
    around = topology(api())
    found = draw("node.drain", {"target": {"role": "worker", "count": 2}}, around)
    assert [node.name for node in found.nodes] == [target.name for target in found.targets] == [*WORKERS]
    made = api()
    del made.objects["Node", "", "worker-002"]
    found = draw("node.drain", {"target": {"name": "worker-002"}}, topology(made))
    assert [each.why for each in found.refused] == ["it is no node of the cluster"]


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("pod.delete", {"target": {"component": "hub"}}),
        ("node.drain", {"target": {"name": "worker-001"}}),
        ("service.scale", {"target": {"component": "hub"}, "replicas": 0}),
    ],
)
def test_of_a_cluster_that_does_not_answer_nothing_is_drawn(name: str, entry: dict[str, Any]) -> None:
    around = topology(api())
    found = draw(name, entry, Topology(around.vms, (), None))
    assert [each.code for each in found.refused] == ["cluster-unknown"] and not found.targets


def scaled(target: dict[str, Any], *found: Workload) -> Chosen:
    around = Topology((), (), ClusterView(workloads=found))
    return WorkloadChoice(**target).draw(around, random.Random(1), Wants())


HUB = Workload("Deployment", "jhub", "hub", "u", "hub", 1, opted_in=True)


def test_one_workload_is_meant() -> None:
    (target,) = scaled({"component": "hub"}, HUB).targets
    assert (target.id, target.name, target.kind, target.role) == ("u", "hub", "deployment", "hub")


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([], "target-missing"),
        ([HUB, Workload("StatefulSet", "jhub", "hub", "v", "hub", 1, opted_in=True)], "target-missing"),
        ([Workload("Deployment", "jhub", "hub", "u", "hub", 1)], "not-opted-in"),
        ([Workload("Deployment", "jhub", "hub", "u", "hub", 1, opted_in=True, protected=True)], "protected"),
    ],
)
def test_workloads_that_are_not_scaled(found: list[Workload], code: str) -> None:
    drawn = scaled({"name": "hub"}, *found)
    assert [each.code for each in drawn.refused] == [code] and not drawn.targets


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"namespace": "jhub"},
        {"name": "a", "count": 1},
        {"name": ("a", "a")},
        {"component": "hub", "count": 1, "percent": 50.0},
        {"component": "hub", "count": 0},
        {"component": ""},
        {"labels": {}},
    ],
)
def test_choices_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PodChoice.model_validate(wrong)


@pytest.mark.parametrize("wrong", [{}, {"name": "a", "component": "b"}, {"namespace": "jhub"}])
def test_workload_choices_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        WorkloadChoice.model_validate(wrong)


def test_a_vm_is_drawn_as_before() -> None:
    around = topology(api())
    assert TargetChoice(role="worker", count=2).draw(around, random.Random(1), Wants()).nodes
