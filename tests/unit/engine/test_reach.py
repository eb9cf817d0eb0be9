"""Whom and what a plan reaches, as a dry run tells it."""

from __future__ import annotations

import dataclasses
import json

import pytest

from chaosjc.drivers.kubernetes_values import Owner
from chaosjc.engine.guards import Facts
from chaosjc.engine.reach import BEHIND, BY_AUTHOR, NAMED, NO_ANSWER, PEOPLE, Reach, reach, recorded
from chaosjc.journal.events import Planned, Reached, StepPlan, Target
from chaosjc.journal.store import View
from chaosjc.site.cluster import Pod
from chaosjc.site.model import SiteFile
from chaosjc.site.topology import Topology
from tests.sites import cloud_file
from tests.unit.engine.fakes import RUN, planned, step
from tests.unit.engine.storage import breaks, clustered, fronted, site, user_pod, volume


def told(topology: Topology, *steps: StepPlan) -> dict[str, Reach]:
    facts = Facts(RUN, planned(*steps), View(halted=None, runs=()), topology=topology)
    return {each.kind: each for each in reach(facts)}


def hub(uid: str = "uid of hub", vm: str = "worker-002") -> Pod:
    return Pod("jhub", "hub-abc", uid, "hub", vm, vm, owner=Owner("Deployment", "hub", "uid of the deployment"))


def test_of_a_vm_all_that_runs_on_it() -> None:
    found = told(clustered(user_pod("ada"), user_pod("canary-1"), hub()), breaks("worker-001", role="worker"))
    assert found["users"] == Reach("users", ("ada",)), "a canary is no user"
    assert found["pods"] == Reach("pods", ("jhub/jupyter-ada", "jhub/jupyter-canary-1"))
    assert found["replica sets"] == Reach("replica sets", ())


def test_of_a_pod_itself() -> None:
    pod = step("hub-abc", fault="pod.delete", target=Target(id="uid of hub", name="hub-abc", kind="pod"))
    found = told(clustered(user_pod("ada"), hub()), pod)
    assert (found["users"].hit, found["pods"].hit) == ((), ("jhub/hub-abc",))


def test_of_a_deployment_its_pods() -> None:
    scaled = step("hub", fault="scale", target=Target(id="uid of the deployment", name="hub", kind="deployment"))
    assert told(clustered(user_pod("ada"), hub()), scaled)["pods"].hit == ("jhub/hub-abc",)


def test_of_bricks_the_sets_that_lose_one() -> None:
    topology = site(volume("homes"), volume("scratch", vms=("brick-004", "brick-005", "brick-006")))
    assert told(topology, breaks("brick-002"))["replica sets"].hit == ("homes/0",)


JUPYTERCLOUD = SiteFile.model_validate_json(json.dumps(cloud_file()))


@pytest.mark.parametrize(("broken", "waiting"), [("homes", ("ada", "grace")), ("scratch", ())])
def test_of_a_brick_with_homes_everybody_who_works(broken: str, waiting: tuple[str, ...]) -> None:
    """Whose own server is hit is told apart; a canary is nobody."""
    around = site(volume("homes"), volume("scratch", vms=("brick-004", "brick-005", "brick-006")))
    pods = (user_pod("ada"), user_pod("grace", vm="worker-002"), user_pod("canary-1"))
    around = dataclasses.replace(around, cluster=clustered(*pods).cluster)
    steps = planned(breaks("brick-002" if broken == "homes" else "brick-005"))
    facts = Facts(RUN, steps, View(halted=None, runs=()), topology=around, site=JUPYTERCLOUD)
    assert {each.kind: each.hit for each in reach(facts)}.get(BEHIND, ()) == waiting
    assert [each.names for each in recorded(facts) if each.kind in PEOPLE] == [()] * (2 if waiting else 1)


def test_a_member_that_takes_no_more_loses_no_pod() -> None:
    topology = fronted("worker-001", "worker-002")
    topology = dataclasses.replace(topology, cluster=clustered(user_pod("ada")).cluster)
    found = told(topology, breaks("worker-001", "lb.member", role="worker"))
    assert found["balancer members"].hit == ("worker-001",)
    assert (found["users"].hit, found["pods"].hit) == ((), ())


def test_what_did_not_answer_is_not_none() -> None:
    silent = Topology((), None, None)
    assert {each.unknown for each in told(silent, breaks("worker-001")).values()} == {NO_ANSWER}


def test_a_command_reaches_what_its_author_knows() -> None:
    local = step("a", fault="command", target=Target(id="local", name="this machine", kind="command"))
    assert {each.unknown for each in told(clustered(user_pod("ada")), local).values()} == {BY_AUTHOR}


# ------------------------------------------------------------------ what a journal keeps of it


def kept(topology: Topology, *steps: StepPlan) -> dict[str, Reached]:
    facts = Facts(RUN, planned(*steps), View(halted=None, runs=()), topology=topology)
    return {each.kind: each for each in recorded(facts)}


def test_a_journal_counts_people_and_names_nobody() -> None:
    around = clustered(user_pod("ada"), user_pod("grace"), user_pod("canary-1"), hub(vm="worker-001"))
    found = kept(around, breaks("worker-001", role="worker"))
    assert found["users"] == Reached(kind="users", count=2)
    assert found["pods"] == Reached(kind="pods", count=4, names=("jhub/hub-abc", "jhub/jupyter-canary-1"))
    told = Planned.model_dump_json(planned(breaks("worker-001")).model_copy(update={"reached": tuple(found.values())}))
    assert "ada" not in told
    assert "grace" not in told


def test_a_server_whose_user_nobody_tells_has_no_name_either() -> None:
    unmarked = dataclasses.replace(user_pod("ada"), user="")
    assert kept(clustered(unmarked), breaks("worker-001", role="worker"))["pods"] == Reached(kind="pods", count=1)


def test_a_journal_has_the_names_of_some_of_many() -> None:
    many = [dataclasses.replace(hub(f"u{n}"), name=f"hub-{n:03}", vm="worker-001") for n in range(NAMED + 9)]
    pods = kept(clustered(*many), breaks("worker-001", role="worker"))["pods"]
    assert (pods.count, len(pods.names)) == (NAMED + 9, NAMED)


def test_a_journal_keeps_why_nobody_can_say() -> None:
    found = kept(Topology((), None, None), breaks("worker-001"))
    assert {each.unknown for each in found.values()} == {NO_ANSWER}
    assert {each.count for each in found.values()} == {0}
