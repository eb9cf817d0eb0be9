"""What a Kubernetes API server says, as frozen values; made from its JSON in one place."""

from __future__ import annotations

import calendar
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
MIRROR, STATIC_UID = "kubernetes.io/config.mirror", "kubernetes.io/config.hash"
"""Annotations of the API's image of a static pod; the second is the UID by which its kubelet knows it."""

NAMED_BY = ("component", "k8s-app", "app.kubernetes.io/component", "app.kubernetes.io/name", "app")
"""Labels that say what a pod is for, the first that is there."""
ALIASES = {"kube-dns": "coredns"}
NETWORKS = ("flannel", "calico", "cilium", "canal", "weave", "antrea", "kube-router", "kindnet")


@dataclass(frozen=True)
class Right:
    """To do something with objects of a kind, of one namespace or of all: `patch`, `deployments.apps`, `jhub`.

    `resource` is PLURAL.GROUP, without the group for those of the core, and PLURAL/PART for a part: `pods/eviction`.
    """

    verb: str
    resource: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f" in {self.namespace}" if self.namespace else "")

    @property
    def attributes(self) -> Json:
        """As a SelfSubjectAccessReview asks for it."""
        resource, _, part = self.resource.partition("/")
        plural, _, group = resource.partition(".")
        found = {"verb": self.verb, "resource": plural, "group": group, "subresource": part}
        return {key: value for key, value in {**found, "namespace": self.namespace}.items() if value}


@dataclass(frozen=True)
class Condition:
    """`status` is True, False or Unknown, as text; `since` seconds since 1970, 0 where it is not told."""

    status: str
    reason: str = ""
    message: str = ""
    since: float = 0.0


@dataclass(frozen=True)
class Taint:
    """What keeps pods from a node; `effect` NoSchedule, PreferNoSchedule or NoExecute."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True)
class Node:
    """A node; `addresses` are its internal ones, `version` changes with every change of it."""

    name: str
    uid: str
    ready: bool
    schedulable: bool
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    taints: tuple[Taint, ...] = ()
    addresses: tuple[str, ...] = ()
    conditions: Mapping[str, Condition] = field(default_factory=dict[str, Condition])
    version: str = ""


@dataclass(frozen=True)
class Owner:
    """The controller of an object."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True)
class Pod:
    """A pod. `ready` is its Ready condition: that of its containers stays true when its node is dead.

    `phase` Pending, Running, Succeeded, Failed or Unknown; `created` seconds since 1970; `deleting` from the request
    to delete it until it is gone.
    """

    namespace: str
    name: str
    uid: str
    node: str = ""
    phase: str = ""
    ready: bool = False
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    owner: Owner | None = None
    created: float = 0.0
    deleting: bool = False

    @property
    def component(self) -> str:
        """See `component`."""
        return component(self.labels, self.owner.name if self.owner else self.name)

    @property
    def static(self) -> bool:
        """Whether a kubelet runs it from a file: to delete it here ends nothing."""
        return MIRROR in self.annotations

    @property
    def uid_on_node(self) -> str:
        """The UID by which its kubelet knows it."""
        return self.annotations.get(STATIC_UID, self.uid) if self.static else self.uid

    @property
    def over(self) -> bool:
        """Whether all of its containers have ended for good."""
        return self.phase in ("Succeeded", "Failed")


@dataclass(frozen=True)
class Workload:
    """A controller of pods: Deployment, StatefulSet, DaemonSet, ReplicaSet.

    `replicas` is how many there should be, `ready` how many are, as its controller saw it last; `selector` and `labels`
    are those of its pods, `version` changes with every change of it.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    replicas: int
    ready: int = 0
    selector: Mapping[str, str] = field(default_factory=dict[str, str])
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    owner: Owner | None = None
    version: str = ""

    @property
    def component(self) -> str:
        """That of its pods."""
        return component(self.labels, self.name)


@dataclass(frozen=True)
class Applied:
    """What became of one manifest: whether it changed anything, or would."""

    kind: str
    namespace: str
    name: str
    changed: bool


def component(labels: Mapping[str, str], otherwise: str) -> str:
    """What a pod is for: hub, proxy, singleuser-server, coredns, cni, kube-proxy, kube-apiserver, …

    By the labels that are in use for it; `otherwise` where it has none of them.
    """
    named = next((labels[key] for key in NAMED_BY if labels.get(key)), otherwise)
    return "cni" if any(network in named for network in NETWORKS) else ALIASES.get(named, named)


def node(raw: Json) -> Node:
    """Of a v1 Node."""
    meta, spec, status = raw["metadata"], _part(raw, "spec"), _part(raw, "status")
    conditions = {each["type"]: condition(each) for each in _parts(status, "conditions")}
    return Node(
        name=meta["name"],
        uid=meta["uid"],
        ready=_true(conditions, "Ready"),
        schedulable=not spec.get("unschedulable", False),
        labels=_part(meta, "labels"),
        annotations=_part(meta, "annotations"),
        taints=tuple(Taint(each["key"], each.get("value", ""), each["effect"]) for each in _parts(spec, "taints")),
        addresses=tuple(each["address"] for each in _parts(status, "addresses") if each["type"] == "InternalIP"),
        conditions=conditions,
        version=meta.get("resourceVersion", ""),
    )


def pod(raw: Json) -> Pod:
    """Of a v1 Pod."""
    meta, status = raw["metadata"], _part(raw, "status")
    conditions = {each["type"]: condition(each) for each in _parts(status, "conditions")}
    return Pod(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        node=_part(raw, "spec").get("nodeName", ""),
        phase=status.get("phase", ""),
        ready=_true(conditions, "Ready"),
        labels=_part(meta, "labels"),
        annotations=_part(meta, "annotations"),
        owner=owner(meta),
        created=seconds(meta.get("creationTimestamp")),
        deleting=bool(meta.get("deletionTimestamp")),
    )


def workload(raw: Json, kind: str) -> Workload:
    """Of an apps/v1 object; `kind` is not told in lists."""
    meta, spec, status = raw["metadata"], _part(raw, "spec"), _part(raw, "status")
    daemons = kind == "DaemonSet"
    return Workload(
        kind=kind,
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        replicas=status.get("desiredNumberScheduled", 0) if daemons else spec.get("replicas", 1),
        ready=status.get("numberReady" if daemons else "readyReplicas", 0),
        selector=_part(_part(spec, "selector"), "matchLabels"),
        labels=_part(_part(_part(spec, "template"), "metadata"), "labels"),
        annotations=_part(meta, "annotations"),
        owner=owner(meta),
        version=meta.get("resourceVersion", ""),
    )


def owner(meta: Json) -> Owner | None:
    """The reference that says `controller`."""
    found = [each for each in _parts(meta, "ownerReferences") if each.get("controller")]
    return Owner(found[0]["kind"], found[0]["name"], found[0]["uid"]) if found else None


def condition(raw: Json) -> Condition:
    """Of a node or a pod."""
    since = seconds(raw.get("lastTransitionTime"))
    return Condition(raw["status"], raw.get("reason") or "", raw.get("message") or "", since)


def seconds(text: str | None) -> float:
    """RFC 3339 in UTC, in whole seconds, as the API writes it; 0 for nothing."""
    return float(calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))) if text else 0.0


def _true(conditions: Mapping[str, Condition], name: str) -> bool:
    return name in conditions and conditions[name].status == "True"


def _part(raw: Json, key: str) -> Json:
    """What is empty may be absent, or null."""
    return raw.get(key) or {}


def _parts(raw: Json, key: str) -> list[Json]:
    return raw.get(key) or []
