"""Faults of the cluster against one in memory: whatever happens, and however often it is undone, it ends whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosjc.drivers.kubernetes_api import Request, Silent
from chaosjc.errors import ChaosJCError, FaultError
from chaosjc.faults.node import MARK
from chaosjc.faults.registry import FAULTS
from chaosjc.journal.events import StepPlan
from tests.unit.drivers.cluster import FakeApi, running
from tests.unit.faults.clusters import Clustered, api, plan, prepared, site, topology
from tests.unit.faults.test_held import Host

ENTRIES: dict[str, tuple[str, dict[str, Any]]] = {
    "a hub": ("pod.delete", {"target": {"component": "hub"}}),
    "a hub, gently": ("pod.delete", {"target": {"component": "hub"}, "grace": 5.0}),
    "a daemon": ("pod.delete", {"target": {"component": "kube-proxy", "node": "worker-002"}}),
    "a database": ("pod.delete", {"target": {"component": "db"}}),
    "one of two": ("pod.delete", {"target": {"component": "coredns"}}),
    "a canary's": ("pod.delete", {"target": {"user": "canary-1"}}),
    "a drain": ("node.drain", {"target": {"name": "worker-001"}}),
    "no hub": ("service.scale", {"target": {"component": "hub"}, "replicas": 0}),
    "one database more": ("service.scale", {"target": {"name": "db"}, "replicas": 2}),
}
STAYS = ("node.drain", "service.scale")
"""Those that are there until they are undone."""


@pytest.mark.parametrize("what", ENTRIES)
def test_there_and_back(what: str) -> None:
    fault, step, world = prepared(*ENTRIES[what], api())
    fault.prepare(step, world)
    assert fault.verify(step, world).outcome == "whole"
    fault.inject(step, world)
    if step.fault in STAYS:
        assert fault.verify(step, world).outcome == "broken"
    else:
        assert step.target.id not in uids(world.made)
    for _ in range(2):
        fault.undo(step, world)
        assert fault.verify(step, world).outcome == "whole"
    assert MARK not in str(world.made.objects)


@pytest.mark.parametrize("what", ENTRIES)
def test_an_undo_of_what_never_happened_changes_nothing(what: str) -> None:
    fault, step, world = prepared(*ENTRIES[what], api())
    before = str(world.made.objects)
    fault.undo(step, world)
    assert fault.verify(step, world).outcome == "whole"
    assert str(world.made.objects) == before


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(ENTRIES)), st.integers(0, 30), st.booleans())
def test_an_inject_that_breaks_off_anywhere_is_undone(what: str, requests: int, answered: bool) -> None:
    """The connection is lost at its n-th request, before the server has it or before its answer comes."""
    fault, step, world = prepared(*ENTRIES[what], api())
    left = [requests]

    def lose(request: Request) -> None:
        left[0] -= 1
        if left[0] == 0:
            if answered:
                world.made.before = lambda _: None
                world.made.send(request, 1.0)
                world.made.before = lose
            raise Silent("lost")

    world.made.before = lose
    try:
        fault.inject(step, world)
    except ChaosJCError as error:
        assert "lost" in error.message
    world.made.before = lambda _: None
    fault.undo(step, world)
    assert fault.verify(step, world).outcome == "whole"
    assert MARK not in str(world.made.objects)


@pytest.mark.parametrize("what", ENTRIES)
def test_of_a_cluster_that_does_not_answer_nothing_is_known(what: str) -> None:
    fault, step, world = prepared(*ENTRIES[what], api())
    world.made.silent = True
    assert fault.verify(step, world).outcome == "unknown"
    with pytest.raises(ChaosJCError):
        fault.inject(step, world)
    with pytest.raises(ChaosJCError):
        fault.prepare(step, world)


def uids(made: FakeApi) -> set[str]:
    return {each["metadata"]["uid"] for each in made.objects.values()}


def remove(made: FakeApi, kind: str, namespace: str, name: str) -> None:
    del made.objects[kind, namespace, name]
    made.settle()


# ------------------------------------------------------------------ pod.delete


def test_who_has_taken_a_pod_s_name_is_not_deleted() -> None:
    fault, step, world = prepared(*ENTRIES["a database"], api())
    remove(world.made, "Pod", "jhub", "db-0")
    with pytest.raises(FaultError, match="is gone"):
        fault.inject(step, world)
    assert "db-0" in world.made.pods()


def test_a_pod_is_asked_to_end_in_its_grace() -> None:
    fault, step, world = prepared(*ENTRIES["a hub, gently"], api())
    fault.inject(step, world)
    (sent,) = [each for each in world.made.requests if each.method == "DELETE"]
    assert sent.body["gracePeriodSeconds"] == 5
    assert sent.body["preconditions"] == {"uid": step.target.id}


def ended(what: str, **more: Any) -> tuple[Callable[[], str], Clustered, StepPlan]:
    """The fault, injected into a cluster in which nobody makes pods run; and its verdict, outcome and reason."""
    fault, step, world = prepared(*ENTRIES[what], api())
    world.made.kubelets = False
    for key, value in more.items():
        setattr(world.made, key, value)
    fault.inject(step, world)

    def verdict() -> str:
        answer = fault.verify(step, world)
        return f"{answer.outcome}: {answer.why}"

    return verdict, world, step


def test_a_pod_that_is_not_ready_makes_up_for_nothing() -> None:
    verdict, world, _ = ended("a hub")
    assert verdict() == "broken: 0 of 1 pods of Deployment hub are Ready"
    (name,) = [each for each in world.made.pods() if each.startswith("hub")]
    world.made.objects["Pod", "jhub", name]["status"] = running(ready=False)
    assert verdict() == "broken: 0 of 1 pods of Deployment hub are Ready"
    world.made.objects["Pod", "jhub", name]["status"] = running()
    assert verdict() == f"whole: {name} is Ready"


def test_a_daemon_is_made_up_for_on_its_own_node() -> None:
    verdict, world, _ = ended("a daemon")
    assert verdict() == "broken: no other pod is Ready on worker-002"
    remove(world.made, "Node", "", "worker-002")
    assert verdict() == "gone: node worker-002 is gone"


def test_an_owner_that_is_gone_or_wants_no_pods_makes_none() -> None:
    verdict, world, _ = ended("a hub")
    world.made.objects["Deployment", "jhub", "hub"]["spec"]["replicas"] = 0
    assert verdict() == "gone: Deployment hub is to have no pods now"
    remove(world.made, "Deployment", "jhub", "hub")
    assert verdict() == "gone: Deployment hub is gone"


def test_a_deployment_has_made_up_for_a_pod_that_still_ends() -> None:
    verdict, world, step = ended("a hub, gently", stuck=True, kubelets=True)
    assert step.target.id in uids(world.made)
    assert verdict().startswith("whole: hub-")


def test_a_user_s_pod_that_still_ends_is_not_noticed() -> None:
    fault, step, world = prepared("pod.delete", {"target": {"user": "canary-1"}, "grace": 5.0}, api(stuck=True))
    fault.inject(step, world)
    assert fault.verify(step, world).why == "pod jupyter-canary-1 has not ended yet"


LEADS = "broken: the hub still leads canary-1 to it: HTTP {}"
NOTICED = "whole: the hub knows that canary-1 has no server"


@pytest.mark.parametrize(
    ("status", "leads", "told"),
    [
        (503, "", LEADS.format(503)),
        (200, "", LEADS.format(200)),
        (302, "/hub/user/canary-1/api", NOTICED),
        (302, "http://10.1.2.3/hub/user/canary-1/api", NOTICED),
        (302, "/user/canary-1/lab", LEADS.format(302)),
        (302, "/hub/user/canary-10/api", LEADS.format(302)),
        (302, "/hub/login", LEADS.format(302)),
        (307, "/hub/user/canary-1/api", LEADS.format(307)),
    ],
)
def test_the_front_door_tells_whether_the_hub_has_noticed(status: int, leads: str, told: str) -> None:
    asked: list[str] = []

    def door(path: str) -> tuple[int, str]:
        asked.append(path)
        return status, leads

    verdict, _, _ = ended("a canary's", front_door=door)
    assert verdict() == told
    assert asked == ["/user/canary-1/api"]


def below_jupyter(*served: str) -> Callable[[str], tuple[int, str]]:
    """The front door of a hub below /jupyter/: beside that, its proxy leads everybody to it."""

    def door(path: str) -> tuple[int, str]:
        inside = path.removeprefix("/jupyter")
        known = path != inside and any(inside.startswith(f"/user/{user}/") for user in served)
        return (503, "") if known else (302, f"/jupyter/hub{inside}")

    return door


def test_a_hub_below_a_path_is_asked_there() -> None:
    verdict, world, _ = ended("a canary's", front_door=below_jupyter("canary-1"))
    assert verdict() == LEADS.format(503)
    world.made.front_door = below_jupyter()
    assert verdict() == NOTICED


def test_a_door_that_leads_ever_deeper_is_not_followed() -> None:
    def door(path: str) -> tuple[int, str]:
        return 302, f"/deeper{path}".replace("/user", "/hub/user")

    verdict, _, _ = ended("a canary's", front_door=door)
    assert verdict() == LEADS.format(302)


def test_a_proxy_that_began_anew_has_not_been_told_its_routes() -> None:
    """It leads those to the hub too whose servers were there before it; one that began later has its route."""
    verdict, world, _ = ended("a canary's")
    (name,) = [each for each in world.made.pods() if each.startswith("proxy")]
    world.made.objects["Pod", "jhub", name]["status"] = running()
    for user, born in (
        ("ada", "2026-01-01T00:00:00Z"),
        ("bob", "2026-01-03T00:00:00Z"),
        (name, "2026-01-02T00:00:00Z"),
    ):
        pod = world.made.objects["Pod", "jhub", user if user == name else f"jupyter-{user}"]
        pod["metadata"]["creationTimestamp"] = born
    lost = {"canary-1", "ada"}
    world.made.front_door = lambda path: (302, f"/hub{path}") if path.split("/")[2] in lost else (200, "")
    assert verdict() == "broken: the proxy does not know its routes yet"
    lost.remove("ada")
    assert verdict() == NOTICED


def test_a_server_that_was_started_again_tells_it_too() -> None:
    def door(_: str) -> tuple[int, str]:
        return 503, ""

    verdict, world, _ = ended("a canary's", front_door=door)
    world.made.user("canary-1", "worker-002")
    assert verdict() == "whole: it was started again"
    world.made.objects["Pod", "jhub", "jupyter-canary-1"]["status"] = running(ready=False)
    assert verdict() == "broken: it is being started again"


def test_without_a_front_door_the_hub_is_not_spoken_for() -> None:
    verdict, world, _ = ended("a canary's")
    remove(world.made, "Service", "jhub", "proxy-public")
    assert verdict() == "whole: the pod is gone; whether the hub knows cannot be told without a service proxy-public"


# ------------------------------------------------------------------ node.drain


def test_what_a_drain_leaves_and_what_it_evicts() -> None:
    fault, step, world = prepared(*ENTRIES["a drain"], api())
    fault.inject(step, world)
    there = {pod.name.split("-")[0] for pod in world.kubernetes.pods(node="worker-001")}
    assert there == {"flannel", "kube"}
    elsewhere = {pod.component for pod in world.kubernetes.pods("jhub")}
    assert elsewhere == {"hub", "proxy", "db"}, "a user's pod is not made again"


def budget(made: FakeApi) -> None:
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"component": "hub"}}}
    made.add("PodDisruptionBudget", "hub", "jhub", spec=spec)


def test_a_disruption_budget_is_waited_for_and_then_told() -> None:
    fault, step, world = prepared("node.drain", {"target": {"name": "worker-001"}, "within": 20.0}, api())
    budget(world.made)
    began = world.clock.monotonic()
    with pytest.raises(FaultError, match=r"node worker-001 still has hub-.*disruption budget hub needs 1"):
        fault.inject(step, world)
    assert world.clock.monotonic() - began == pytest.approx(20.5, abs=0.6)
    fault.undo(step, world)
    assert fault.verify(step, world).outcome == "whole"


def test_a_drain_that_is_undone_meanwhile_evicts_no_more() -> None:
    fault, step, world = prepared(*ENTRIES["a drain"], api())
    budget(world.made)
    world.made.before = lambda request: undo_once() if request.path.endswith("/eviction") else None
    undone: list[int] = []

    def undo_once() -> None:
        if not undone:
            undone.append(1)
            fault.undo(step, world)

    with pytest.raises(FaultError, match="was uncordoned while it was drained"):
        fault.inject(step, world)
    assert fault.verify(step, world).outcome == "whole"


def test_what_somebody_else_has_cordoned_stays_cordoned() -> None:
    fault, step, world = prepared(*ENTRIES["a drain"], api())
    world.made.objects["Node", "", "worker-001"]["spec"]["unschedulable"] = True
    with pytest.raises(FaultError, match="is cordoned already, by somebody else"):
        fault.inject(step, world)
    fault.undo(step, world)
    assert fault.verify(step, world).why == "node worker-001 is cordoned, by somebody else"
    assert len(world.kubernetes.pods(node="worker-001")) > 2, "nothing was evicted"


def test_a_node_that_came_back_under_its_name_is_another() -> None:
    fault, step, world = prepared(*ENTRIES["a drain"], api())
    fault.inject(step, world)
    remove(world.made, "Node", "", "worker-001")
    world.made.node("worker-001")
    fault.undo(step, world)
    assert fault.verify(step, world).outcome == "gone"
    with pytest.raises(FaultError, match="is gone"):
        fault.inject(step, world)


def test_a_node_is_whole_when_it_is_ready() -> None:
    fault, step, world = prepared(*ENTRIES["a drain"], api())
    world.made.objects["Node", "", "worker-001"]["status"]["conditions"][0]["status"] = "Unknown"
    assert fault.verify(step, world).why == "node worker-001 is not Ready"


# ------------------------------------------------------------------ service.scale


def hub(world: Clustered) -> dict[str, Any]:
    return world.made.objects["Deployment", "jhub", "hub"]


def test_the_number_before_is_in_the_plan() -> None:
    _, step, _ = prepared(*ENTRIES["no hub"], api())
    assert (step.options["before"], step.options["replicas"]) == (1, 0)


def test_a_number_that_changed_since_the_plan_is_nobody_s_to_break() -> None:
    fault, step, world = prepared(*ENTRIES["no hub"], api())
    hub(world)["spec"]["replicas"] = 3
    world.made.settle()
    with pytest.raises(FaultError, match="is to have 3 pods now; when this was planned it was 1"):
        fault.inject(step, world)
    fault.undo(step, world)
    assert hub(world)["spec"]["replicas"] == 3


def test_what_somebody_else_has_set_meanwhile_stands() -> None:
    fault, step, world = prepared(*ENTRIES["no hub"], api())
    fault.inject(step, world)
    hub(world)["spec"]["replicas"] = 2
    world.made.settle()
    fault.undo(step, world)
    answer = fault.verify(step, world)
    assert (answer.outcome, answer.why) == ("whole", "somebody else scaled it to 2 meanwhile")
    assert hub(world)["spec"]["replicas"] == 2


def test_nobody_s_zero_is_taken_for_whole() -> None:
    fault, step, world = prepared(*ENTRIES["no hub"], api())
    hub(world)["spec"]["replicas"] = 0
    world.made.settle()
    fault.undo(step, world)
    assert fault.verify(step, world).why == "0 of 0 pods of hub are Ready, it had 1"


def test_two_runs_do_not_hold_the_same() -> None:
    fault, step, world = prepared(*ENTRIES["no hub"], api())
    other = Clustered(world.made, run="other")
    fault.inject(step, other)
    with pytest.raises(FaultError, match=r"is held by other/f1\.hub"):
        fault.inject(step, world)
    fault.undo(step, world)
    assert hub(world)["spec"]["replicas"] == 0, "only who has set it takes it back"


def test_an_object_that_keeps_changing_is_tried_again() -> None:
    fault, step, world = prepared(*ENTRIES["no hub"], api())
    fault.inject(step, world)
    changes = [3]

    def touch(request: Request) -> None:
        if request.method == "PATCH" and changes[0]:
            changes[0] -= 1
            hub(world)["metadata"]["resourceVersion"] = f"other-{changes[0]}"

    world.made.before = touch
    fault.undo(step, world)
    assert fault.verify(step, world).outcome == "whole"


# ------------------------------------------------------------------ pod.freeze

FREEZE: dict[str, Any] = {"target": {"component": "hub"}, "duration": 20.0}


def frozen(stops: int = 3) -> tuple[StepPlan, Clustered]:
    made = api()
    (step,) = plan("pod.freeze", FREEZE, topology(made))
    return step, Clustered(made, Host(stops=stops))


@pytest.mark.parametrize("stops", [0, 1, 2, 3])
def test_a_freeze_that_gets_so_far_is_undone(stops: int) -> None:
    step, world = frozen(stops)
    fault = FAULTS["pod.freeze"]
    fault.prepare(step, world)
    try:
        fault.inject(step, world)
        assert stops == 3
    except ChaosJCError:
        assert stops < 3
    if stops >= 2:
        assert fault.verify(step, world).outcome == "broken"
    for _ in range(2):
        fault.undo(step, world)
        assert fault.verify(step, world).outcome == "whole"


def test_a_freeze_is_held_on_the_pod_s_node_and_ends_there_by_itself() -> None:
    step, world = frozen()
    assert (step.options["host"], step.options["deadline"], step.options["uid"]) == ("worker-001", 50.0, step.target.id)
    assert "without help worker-001 does it itself 50s after the inject" in step.undo
    FAULTS["pod.freeze"].inject(step, world)
    assert world.host.deadline == 50.0
    for unit in list(world.host.units):
        world.host.end(unit)
    assert FAULTS["pod.freeze"].verify(step, world).outcome == "whole"


def test_what_is_thawed_must_be_ready_too() -> None:
    step, world = frozen()
    world.made.objects["Pod", "jhub", step.target.name]["status"] = running(ready=False)
    assert FAULTS["pod.freeze"].verify(step, world).why == f"pod {step.target.name} is not Ready"


def test_a_static_pod_is_frozen_by_the_uid_of_its_kubelet() -> None:
    made = api()
    (step,) = plan("pod.freeze", {"target": {"component": "etcd"}}, topology(made, site("pods/etcd")))
    assert step.options["uid"] == "hash-of-the-file"
