"""Who is broken in the cluster: a pure, seeded choice among pods, and among what makes them."""

from __future__ import annotations

import random
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from chaosjc.faults.target import (
    CLUSTER_UNKNOWN,
    NOT_OPTED_IN,
    PROTECTED,
    Choice,
    Chosen,
    Refusal,
    SeveralChoice,
    Wants,
    how_many,
)
from chaosjc.journal.events import Target
from chaosjc.site.cluster import Pod, Workload
from chaosjc.site.topology import Topology

Word = Annotated[str, StringConstraints(min_length=1)]


class PodChoice(SeveralChoice):
    """The `target` of a fault of pods: by name, or some of those that are all that is said.

    `component` is hub, proxy, singleuser-server, coredns, cni, kube-proxy, or what the pods' own labels say; `user` a
    user of the hub, `node` a node or VM by name.
    """

    name: Word | tuple[Word, ...] | None = None
    component: Word | None = None
    user: Word | None = None
    labels: Annotated[dict[str, str], Field(min_length=1)] | None = None
    node: Word | None = None
    namespace: Word | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if {self.name, self.component, self.user, self.node} == {None} and self.labels is None:
            raise ValueError("expected `name`, or one or more of `component`, `user`, `labels` and `node`")
        self.check_how_many("a pod")
        return self

    def draw(self, topology: Topology, rng: random.Random, wants: Wants) -> Chosen:
        """See Choice."""
        if topology.cluster is None:
            return Chosen((), (), (Refusal(self.told, "cluster-unknown", CLUSTER_UNKNOWN),), 1)
        candidates = [pod for pod in topology.cluster.pods if self.means(pod)]
        unclear = self._unclear(candidates)
        refused = {_place(pod): refusal for pod in candidates if (refusal := _refusal(pod, wants)) is not None}
        eligible = [] if unclear else [pod for pod in candidates if _place(pod) not in refused]
        wanted = len(self.names) or how_many(self.count, self.percent, len(eligible))
        drawn = eligible if self.names else sorted(rng.sample(eligible, min(wanted, len(eligible))), key=_place)
        why = "named in the file" if self.names else f"drawn from {len(eligible)} that are {self.told}"
        kinds, meant = {(pod.namespace, pod.component) for pod in drawn}, {_place(pod) for pod in candidates}
        alike = [p for p in topology.cluster.pods if (p.namespace, p.component) in kinds or _place(p) in meant]
        places = {_place(pod) for pod in drawn}
        return Chosen(
            tuple(Target(id=pod.uid, name=pod.name, kind="pod", role=pod.component, why=why) for pod in drawn),
            tuple(pod.name for pod in alike if _place(pod) not in places and _refusal(pod, wants) is None),
            (*unclear, *self._missing(candidates), *refused.values()),
            wanted,
            pods=tuple(drawn),
        )

    def means(self, pod: Pod) -> bool:
        """Whether a pod is all that is said."""
        return (
            self.component in (None, pod.component)
            and self.user in (None, pod.user)
            and self.namespace in (None, pod.namespace)
            and (not self.names or pod.name in self.names)
            and (self.node is None or self.node in (pod.node, pod.vm))
            and (self.labels or {}).items() <= pod.labels.items()
        )

    @property
    def told(self) -> str:
        """`component hub, node worker-001`."""
        said = {"component": self.component, "user": self.user, "node": self.node, "namespace": self.namespace}
        labels = [f"{key}={value}" for key, value in (self.labels or {}).items()]
        return ", ".join([*self.names, *(f"{key} {value}" for key, value in said.items() if value), *labels])

    def _unclear(self, candidates: list[Pod]) -> list[Refusal]:
        """A name is of one namespace only."""
        names = [pod.name for pod in candidates] if self.names else []
        twice = sorted({name for name in names if names.count(name) > 1})
        return [Refusal(name, "target-missing", "several namespaces have one: name it too") for name in twice]

    def _missing(self, candidates: list[Pod]) -> list[Refusal]:
        if not self.names:
            return [] if candidates else [Refusal(self.told, "target-missing", "the cluster has no such pod")]
        found = {pod.name for pod in candidates}
        return [
            Refusal(name, "target-missing", "the cluster has no such pod") for name in self.names if name not in found
        ]


class WorkloadChoice(Choice):
    """The `target` of a fault of a Deployment or StatefulSet: the one of that name, or of that component's pods."""

    name: Word | None = None
    component: Word | None = None
    namespace: Word | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.name is None) == (self.component is None):
            raise ValueError("expected `name` or `component`")
        return self

    def draw(self, topology: Topology, rng: random.Random, wants: Wants) -> Chosen:
        """See Choice; nothing is drawn by lot."""
        del rng, wants
        told = self.name or f"component {self.component}"
        if topology.cluster is None:
            return Chosen((), (), (Refusal(told, "cluster-unknown", CLUSTER_UNKNOWN),), 1)
        found = [each for each in topology.cluster.workloads if self.means(each)]
        if len(found) != 1:
            names = ", ".join(f"{each.kind} {each.namespace}/{each.name}" for each in found)
            why = f"several are meant: {names}" if found else "no Deployment or StatefulSet of the cluster is meant"
            return Chosen((), (), (Refusal(told, "target-missing", why),), 1)
        (one,) = found
        if refusal := _guarded(f"{one.kind} {one.name}", one):
            return Chosen((), (), (refusal,), 1)
        target = Target(id=one.uid, name=one.name, kind=one.kind.lower(), role=one.component, why="named in the file")
        return Chosen((target,), (), (), 1, workloads=(one,))

    def means(self, found: Workload) -> bool:
        """Whether it is the one."""
        return (
            self.name in (None, found.name)
            and self.component in (None, found.component)
            and self.namespace in (None, found.namespace)
        )


def _refusal(pod: Pod, wants: Wants) -> Refusal | None:
    if guarded := _guarded(pod.name, pod):
        return guarded
    if wants.recreated and pod.static:
        return Refusal(pod.name, "static-pod", "its kubelet runs it from a file: to delete it in the API ends nothing")
    if wants.recreated and not (pod.owner or pod.user):
        return Refusal(pod.name, "not-recreated", "it has no owner that would make another")
    if wants.reached and not pod.vm:
        return Refusal(pod.name, "target-missing", "it is on no VM of the site")
    return None


def _guarded(name: str, found: Pod | Workload) -> Refusal | None:
    if found.protected:
        return Refusal(name, "protected", PROTECTED)
    if not found.opted_in:
        return Refusal(name, "not-opted-in", f"{NOT_OPTED_IN}: pods/{found.namespace}/{found.component}")
    return None


def _place(pod: Pod) -> tuple[str, str]:
    return pod.namespace, pod.name
