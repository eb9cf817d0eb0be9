"""Whom and what a plan reaches, for those who read it before it runs. Pure; the guards judge by `blast` alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chaosjc.engine import blast
from chaosjc.engine.guards import Facts
from chaosjc.journal.events import Reached, StepPlan
from chaosjc.site.cluster import CANARY, USER_PODS, ClusterView, Pod

BY_AUTHOR = "what a command breaks, its author knows"
NO_ANSWER = "the site does not tell"
BEHIND = "users behind storage"
PEOPLE = ("users", BEHIND)
"""Kinds whose names are people's."""
NAMED = 50
"""So many of a kind have their names in a journal, which is kept for years."""


@dataclass(frozen=True)
class Reach:
    """One kind of thing: the names of those that are hit, sorted; `unknown` is why nobody can say, else empty."""

    kind: str
    hit: tuple[str, ...]
    unknown: str = ""


def reach(facts: Facts) -> list[Reach]:
    """Users, pods and replica sets; members of the balancer, and users who may wait, where there are any."""
    topology, steps = facts.topology, facts.planned.steps
    author = BY_AUTHOR if any(step.target.kind == "command" for step in steps) else ""
    cluster = author or ("" if topology.cluster is not None else NO_ANSWER)
    storage = author or ("" if topology.volumes is not None else NO_ANSWER)
    pods = [f"{pod.namespace}/{pod.name}" for pod in _pods(steps, topology.cluster)] if topology.cluster else []
    found = [
        _reach("users", blast.people(steps, topology), cluster),
        _reach("pods", pods, cluster),
        _reach("replica sets", [radius.set.name for radius in facts.radii if radius.touched], storage),
    ]
    others = [_reach("balancer members", blast.members(steps, topology)), _reach(BEHIND, _behind(facts))]
    return [*found, *(each for each in others if each.hit)]


def recorded(facts: Facts) -> tuple[Reached, ...]:
    """The same for the journal: of people and of their pods, which bear their names, only how many they are."""
    cluster = facts.topology.cluster
    private = {f"{pod.namespace}/{pod.name}" for pod in (cluster.pods if cluster else ()) if _private(pod)}
    return tuple(
        Reached(
            kind=each.kind,
            count=len(each.hit),
            names=() if each.kind in PEOPLE else tuple(name for name in each.hit if name not in private)[:NAMED],
            unknown=each.unknown,
        )
        for each in reach(facts)
    )


def _behind(facts: Facts) -> Iterable[str]:
    """Who has a server, where a brick with homes is taken down: nobody loses his, and whoever writes may wait."""
    touched = {radius.volume.name for radius in facts.radii if radius.touched}
    hub, cluster = facts.site.hub if facts.site else None, facts.topology.cluster
    return cluster.users if hub and cluster and hub.homes in touched else ()


def _private(pod: Pod) -> bool:
    return pod.component == USER_PODS and not pod.user.startswith(CANARY)


def _reach(kind: str, hit: Iterable[str], unknown: str = "") -> Reach:
    return Reach(kind, tuple(sorted(hit)), unknown)


def _pods(steps: Sequence[StepPlan], cluster: ClusterView) -> list[Pod]:
    """Those on a VM that is broken, those that are a target, and those that a Deployment or StatefulSet keeps."""
    felt = [step for step in steps if step.fault != "lb.member"]  # connections that are there stay
    vms = {step.target.name for step in felt if step.target.kind == "vm"}
    ids = {step.target.id for step in felt if step.target.kind != "vm"}
    return [pod for pod in cluster.pods if pod.vm in vms or pod.uid in ids or (pod.owner and pod.owner.uid in ids)]
