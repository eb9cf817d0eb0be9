"""What other runs have reserved counts, too: no budget is exceeded by two runs together."""

from __future__ import annotations

import pytest

from chaosjc.engine.guards import Facts, users
from chaosjc.journal.events import Refused, StepPlan
from chaosjc.journal.state import RunState
from chaosjc.journal.store import View
from chaosjc.site.sections import Kubernetes, Policy
from tests.unit.engine import storage
from tests.unit.engine.fakes import planned
from tests.unit.site.fakes import lab_site

PEOPLE = storage.clustered(storage.user_pod("ada"), storage.user_pod("bob"))


def deletes(user: str) -> StepPlan:
    pod = storage.user_pod(user)
    step = storage.breaks(pod.name, fault="pod.delete", role="user")
    return step.model_copy(update={"target": step.target.model_copy(update={"id": pod.uid, "kind": "pod"})})


def ask(step: StepPlan, *others: RunState, most: int = 1) -> Refused | None:
    site = lab_site(kubernetes=Kubernetes(), policy=Policy(users=most))
    return users(Facts("mine", planned(step), View(None, others), site=site, topology=PEOPLE))


def test_the_people_of_another_run_count() -> None:
    refused = ask(deletes("ada"), storage.other_run(deletes("bob")))
    assert refused and refused.code == "users"
    assert refused.reason == (
        "the servers of 2 people are behind what it and other runs break (ada, bob); the site's policy allows 1"
    )


@pytest.mark.parametrize(
    "other",
    [
        storage.other_run(deletes("bob"), admitted=False),
        storage.other_run(deletes("bob"), whole=True),
        storage.other_run(deletes("ada")),
        storage.other_run(storage.breaks("brick-001")),
    ],
    ids=["not admitted", "whole again", "the same person", "nobody's"],
)
def test_and_else_they_do_not(other: RunState) -> None:
    assert ask(deletes("ada"), other) is None


def test_a_run_that_reaches_nobody_is_not_refused_for_what_others_do() -> None:
    assert ask(storage.breaks("brick-001"), storage.other_run(deletes("bob"), deletes("ada"))) is None
