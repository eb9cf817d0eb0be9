"""`check: node.ready` and `check: pod.ready`: what the cluster says of its nodes, and of pods of a kind."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from chaosjc.checks.entry import CheckEntry, Names, mapping, text, texts
from chaosjc.checks.sources import Deadline, Sources, need
from chaosjc.drivers.kubernetes import Cluster
from chaosjc.drivers.kubernetes_values import Node, Pod
from chaosjc.journal.events import CheckPlan, Reading
from chaosjc.spec import expect
from chaosjc.spec.expect import Expectation


class ClusterCheck(CheckEntry, ABC):
    """A question to the API server."""


class NodeCheck(ClusterCheck):
    """For each node asked about, by its name: `whole` when it is Ready and takes pods, `broken`, or `gone`."""

    check: Literal["node.ready"]
    target: str = Field(min_length=1)
    """The name of a node, or `$targets` or `$others`."""
    expect: Expectation = expect.parse("== whole")

    @property
    def kind(self) -> str:
        """See CheckEntry."""
        return self.check

    def title(self, names: Names) -> str:
        """See CheckEntry."""
        return f"node {', '.join(self._nodes(names))}"

    def options(self, names: Names) -> dict[str, JsonValue]:
        """See CheckEntry."""
        return {"names": list(self._nodes(names))}

    def _nodes(self, names: Names) -> Sequence[str]:
        chosen = {"$targets": names.targets, "$others": names.others}
        return chosen.get(self.target.strip().replace("{", "").replace("}", ""), (self.target,))


class PodCheck(ClusterCheck):
    """How many pods are Ready, of those that are all that is said: one number, whatever their names are then."""

    check: Literal["pod.ready"]
    component: str | None = Field(default=None, min_length=1)
    """hub, proxy, singleuser-server, coredns, cni, kube-proxy, or what their own labels say."""
    labels: Annotated[dict[str, str], Field(min_length=1)] | None = None
    namespace: str | None = Field(default=None, min_length=1)
    expect: Expectation = expect.parse(">= 1")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.component is None and self.labels is None:
            raise ValueError("expected `component` or `labels`, or both")
        return self

    @property
    def kind(self) -> str:
        """See CheckEntry."""
        return self.check

    def title(self, names: Names) -> str:
        """See CheckEntry."""
        return f"Ready pods of {_told(self.component or '', self.labels or {})}"

    def options(self, names: Names) -> dict[str, JsonValue]:
        """See CheckEntry."""
        labels: dict[str, JsonValue] = {**(self.labels or {})}
        return {"component": self.component or "", "labels": labels, "namespace": self.namespace or ""}


def ask_nodes(plan: CheckPlan, sources: Sources) -> tuple[Reading, ...]:
    """One reading a name, all from one answer."""
    found = {node.name: node for node in _cluster(plan, sources).nodes()}
    now = sources.clock.time()

    def one(name: str) -> Reading:
        why = _wrong(found[name]) if name in found else f"the cluster has no node {name}"
        value = "gone" if name not in found else "broken" if why else "whole"
        return Reading(series=name, time=now, value=value, why=why)

    return tuple(map(one, texts(plan, "names")))


def ask_pods(plan: CheckPlan, sources: Sources) -> tuple[Reading, ...]:
    """One reading."""
    component, labels = text(plan, "component"), mapping(plan, "labels")
    found = _cluster(plan, sources).pods(text(plan, "namespace"), labels=labels)
    meant = [pod for pod in found if component in ("", pod.component)]
    serving = [pod for pod in meant if pod.ready and not pod.deleting]
    why = ", ".join(f"{pod.name} {_state(pod)}" for pod in meant if pod not in serving)
    series = _told(component, labels)
    return (Reading(series=series, time=sources.clock.time(), value=float(len(serving)), why=why),)


def _cluster(plan: CheckPlan, sources: Sources) -> Cluster:
    limit = Deadline(sources.clock, plan.timeout)
    cluster = need(sources.kubernetes, "Kubernetes")()
    return cluster.asking(timeout=limit.left())


def _wrong(node: Node) -> str:
    if not node.ready:
        ready = node.conditions.get("Ready")
        return f"not Ready: {ready.message or ready.reason or ready.status}" if ready else "not Ready"
    return "" if node.schedulable else "it is cordoned"


def _state(pod: Pod) -> str:
    return "is being deleted" if pod.deleting else f"is {pod.phase}, not Ready"


def _told(component: str, labels: dict[str, str]) -> str:
    return ", ".join([*([component] if component else []), *(f"{key}={value}" for key, value in labels.items())])
