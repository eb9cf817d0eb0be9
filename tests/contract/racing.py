"""One of two processes that want to break things at the same time, round after round, through one store."""

from __future__ import annotations

import os
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

from chaosjc.engine.guards import Facts, first_refusal
from chaosjc.engine.locks import Locks, run_lock
from chaosjc.engine.recover import alive
from chaosjc.journal.events import (
    Admitted,
    Closed,
    Injected,
    Intent,
    Planned,
    Refused,
    StepPlan,
    UndoClaimed,
    Undone,
    Verified,
)
from chaosjc.journal.live import Steady
from chaosjc.journal.store import Store, View
from chaosjc.site.model import SiteFile
from chaosjc.site.sections import Kubernetes, Policy
from chaosjc.site.topology import Topology
from tests.unit.engine import storage
from tests.unit.engine.fakes import planned
from tests.unit.site.fakes import lab_site

HELD = 0.002  # seconds for which what was broken stays so
BUDGETS = ("target", "replica set", "users")


def budget(number: int) -> str:
    """Which one the two exceed together in a round, and neither alone."""
    return BUDGETS[number % len(BUDGETS)]


def site(number: int) -> tuple[SiteFile | None, Topology]:
    if budget(number) == "users":
        people = storage.clustered(storage.user_pod("ada"), storage.user_pod("bob"))
        return lab_site(kubernetes=Kubernetes(), policy=Policy(users=1)), people
    return None, storage.site(storage.volume())


def breaks(number: int, me: int) -> StepPlan:
    if budget(number) == "users":
        user = ("ada", "bob")[me]
        pod = storage.user_pod(user)
        step = storage.breaks(pod.name, fault="pod.delete", role="user")
        return step.model_copy(update={"target": step.target.model_copy(update={"id": pod.uid, "kind": "pod"})})
    return storage.breaks("worker-001" if budget(number) == "target" else f"brick-00{me + 1}")


def race(journal: Path, me: int, rounds: int, barrier: Barrier) -> None:
    with Store(journal) as store:
        for number in range(rounds):
            _round(store, number, me, barrier)


def _round(store: Store, number: int, me: int, barrier: Barrier) -> None:
    run, plan = f"{number:03}-{me}", planned(breaks(number, me))
    with Locks(store.path).held(run_lock(run)):
        store.append(plan, run)
        barrier.wait(60)
        refused = _admit(store, run, number, plan)
        if refused is None:
            _break(store, run, plan.steps[0].id)
        store.append(Closed(verdict="PASS", code="held", reason="") if refused is None else _closed(refused), run)
        barrier.wait(60)


def _admit(store: Store, run: str, number: int, plan: Planned) -> Refused | None:
    looked_at = time.time()
    file, topology = site(number)

    def decide(view: View) -> Refused | None:
        facts = Facts(run, plan, view, site=file, alive=alive(store, besides=run), now=looked_at)
        return first_refusal(facts.at_admission(Steady(True), topology, looked_at))

    return store.admit(run, decide, since=looked_at)


def _break(store: Store, run: str, step: str) -> None:
    me = str(os.getpid())
    store.append_all([Intent(step=step, owner=me), Injected(step=step)], run)
    time.sleep(HELD)
    claimed = UndoClaimed(step=step, owner=me, epoch=1)
    store.append_all([claimed, Undone(step=step, epoch=1), Verified(step=step, epoch=1, outcome="whole")], run)


def _closed(refused: Refused) -> Closed:
    return Closed(verdict="NOT-STARTED", code=refused.code, reason=refused.reason)


def holding(store: Store) -> dict[int, list[tuple[int, int]]]:
    """By round, who held how much of the budget, in events: from the admission to the step that is whole again."""
    found: dict[int, list[tuple[int, int]]] = {}
    for run in store.runs():
        entries = store.entries(run)
        begin = next((each.seq for each in entries if isinstance(each.event, Admitted)), None)
        end = next((each.seq for each in entries if isinstance(each.event, Verified)), None)
        if begin and end:
            found.setdefault(int(run.partition("-")[0]), []).append((begin, end))
    return found


def overlap(held: list[tuple[int, int]]) -> bool:
    """Whether two held at the same time."""
    return len(held) == 2 and max(begin for begin, _ in held) < min(end for _, end in held)
