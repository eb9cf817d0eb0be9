"""A Kubernetes API server in memory, with what its controllers and kubelets do: as strict as the real one.

It speaks HTTP paths and JSON, so that all of the driver is tried with it; tests/contract has what both keep.
"""

from __future__ import annotations

import copy
import itertools
import json
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from chaosjc.drivers.kubernetes import APPLY, MERGE, Cluster
from chaosjc.drivers.kubernetes_api import Request, Response, Silent
from chaosjc.drivers.kubernetes_values import Right

Json = dict[str, Any]
NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:00:30Z"
RESOURCES = {
    "v1": {
        "Namespace": ("namespaces", False),
        "Node": ("nodes", False),
        "Pod": ("pods", True),
        "ConfigMap": ("configmaps", True),
        "Service": ("services", True),
    },
    "apps/v1": {
        "Deployment": ("deployments", True),
        "ReplicaSet": ("replicasets", True),
        "StatefulSet": ("statefulsets", True),
        "DaemonSet": ("daemonsets", True),
    },
    "policy/v1": {"PodDisruptionBudget": ("poddisruptionbudgets", True)},
    "batch/v1": {"Job": ("jobs", True)},
}
KINDS = {plural: kind for kinds in RESOURCES.values() for kind, (plural, _) in kinds.items()}
PATH = re.compile(
    r"/(?:api/v1|apis/[a-z.]+/v1)(?:/namespaces/([^/]+))?/([a-z]+)(?:/([^/]+))?(?:/(status|eviction|binding))?"
)
PROXY = re.compile(r"/api/v1/namespaces/([^/]+)/services/([^/:]+):([^/]+)/proxy(/.*)")


def only(node: str) -> Json:
    """The affinity of a daemon's pod."""
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


class No(Exception):
    """An answer that is not what was asked for."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class FakeApi:
    """`kubelets`: pods come to a node that takes some, and are Ready; those that are deleted end, unless `stuck`.

    `denied` are rights that its user lacks, as text.
    `front_door` tells the HTTP status of a path of any service, and where it leads; `silent` lets nobody answer.
    """

    kubelets: bool = False
    stuck: bool = False
    denied: frozenset[str] = frozenset()
    silent: bool = False
    front_door: Callable[[str], tuple[int, str]] = lambda path: (302, f"/hub{path}")
    before: Callable[[Request], None] = lambda _: None
    objects: dict[tuple[str, str, str], Json] = field(default_factory=dict[tuple[str, str, str], Json])
    applied: dict[tuple[str, str, str], Json] = field(default_factory=dict[tuple[str, str, str], Json])
    requests: list[Request] = field(default_factory=list[Request])
    versions: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    settling: bool = False

    @property
    def cluster(self) -> Cluster:
        return Cluster(self, "fake")

    def send(self, request: Request, timeout: float) -> Response:
        assert timeout > 0
        self.before(request)
        if self.silent:
            raise Silent("connection refused")
        self.requests.append(request)
        try:
            body = self._answer(request)
        except No as no:
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": str(no)}
            return Response(no.status, json.dumps(status).encode())
        return body if isinstance(body, Response) else Response(200, json.dumps(body).encode())

    # -- for tests

    def add(self, kind: str, name: str, namespace: str = "", **more: Any) -> Json:
        """An object with these parts; `metadata` is completed."""
        meta = {
            "name": name,
            "uid": str(uuid.uuid4()),
            "resourceVersion": str(next(self.versions)),
            "creationTimestamp": NOW,
            **({"namespace": namespace} if namespace else {}),
            **more.pop("metadata", {}),
        }
        made: Json = {"kind": kind, "metadata": meta, **more}
        if kind in ("Deployment", "StatefulSet", "ReplicaSet"):
            made["spec"].setdefault("replicas", 1)
        self.objects[kind, namespace, name] = made
        self.settle()
        return made

    def node(self, name: str, *, ready: bool = True) -> Json:
        """One with an address of its name's number."""
        conditions = [{"type": "Ready", "status": "True" if ready else "Unknown", "lastTransitionTime": NOW}]
        addresses = [{"type": "InternalIP", "address": f"10.0.0.{int(name[-3:])}"}]
        return self.add("Node", name, spec={}, status={"conditions": conditions, "addresses": addresses})

    def workload(
        self, kind: str, name: str, namespace: str = "jhub", replicas: int = 1, labels: dict[str, str] | None = None
    ) -> Json:
        """A Deployment, StatefulSet or DaemonSet whose pods carry these labels, by default its name as component."""
        labels = labels or {"app": "jupyterhub", "component": name}
        template = {"metadata": {"labels": labels}, "spec": {}}
        spec: Json = {"selector": {"matchLabels": labels}, "template": template}
        return self.add(kind, name, namespace, spec=spec | ({} if kind == "DaemonSet" else {"replicas": replicas}))

    def user(self, name: str, node: str, namespace: str = "jhub") -> Json:
        """A user's pod, as KubeSpawner makes it."""
        labels = {"app": "jupyterhub", "component": "singleuser-server", "hub.jupyter.org/username": name}
        meta = {"labels": labels, "annotations": {"hub.jupyter.org/username": name}}
        return self.add("Pod", f"jupyter-{name}", namespace, metadata=meta, spec={"nodeName": node}, status=running())

    def pods(self, namespace: str = "jhub") -> list[str]:
        return sorted(name for kind, where, name in self.objects if (kind, where) == ("Pod", namespace))

    # -- requests

    def _answer(self, request: Request) -> Json | Response:
        if at := PROXY.fullmatch(request.path):
            self._get("Service", at[1], at[2])
            status, leads = self.front_door(at[4])
            own = request.path.removesuffix(at[4]) if leads.startswith("/") else ""  # as the API server rewrites it
            return Response(status, b"<html>", own + leads)
        if request.path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
            return self._review(request.body)
        version = request.path.removeprefix("/apis/").removeprefix("/api/")
        if version in RESOURCES:
            kinds = RESOURCES[version].items()
            return {"resources": [{"kind": kind, "name": name, "namespaced": own} for kind, (name, own) in kinds]}
        at = PATH.fullmatch(request.path)
        if at is None or at[2] not in KINDS:
            raise No(404, "the server could not find the requested resource")
        namespace, kind, name, part = at[1] or "", KINDS[at[2]], at[3] or "", at[4] or ""
        if not name:
            return self._list(kind, namespace, request)
        post = self._bind if part == "binding" else self._evict
        verbs = {"GET": self._read, "DELETE": self._delete, "PATCH": self._patch, "POST": post}
        assert part in ("", "status") or request.method == "POST", request
        return verbs[request.method](kind, namespace, name, request)

    def _review(self, body: Json) -> Json:
        asked = body["spec"]["resourceAttributes"]
        resource = ".".join(filter(None, [asked["resource"], asked.get("group")]))
        kind = "/".join(filter(None, [resource, asked.get("subresource")]))
        allowed = str(Right(asked["verb"], kind, asked.get("namespace", ""))) not in self.denied
        return body | {"status": {"allowed": allowed}}

    def _list(self, kind: str, namespace: str, request: Request) -> Json:
        assert request.method == "GET"
        labels = dict(each.split("=") for each in request.query.get("labelSelector", "").split(",") if each)
        node = request.query.get("fieldSelector", "").removeprefix("spec.nodeName=")
        items = [
            each
            for (its, where, _), each in sorted(self.objects.items())
            if its == kind
            and namespace in ("", where)
            and labels.items() <= each["metadata"].get("labels", {}).items()
            and node in ("", each.get("spec", {}).get("nodeName"))
        ]
        return {"items": items}

    def _get(self, kind: str, namespace: str, name: str) -> Json:
        found = self.objects.get((kind, namespace, name))
        if found is None:
            raise No(404, f'{kind.lower()}s "{name}" not found')
        return found

    def _read(self, kind: str, namespace: str, name: str, _: Request) -> Json:
        return self._get(kind, namespace, name)

    def _delete(self, kind: str, namespace: str, name: str, request: Request) -> Json:
        options: Json = request.body or {}
        found = self._get(kind, namespace, name)
        wanted = options.get("preconditions", {}).get("uid", found["metadata"]["uid"])
        if wanted != found["metadata"]["uid"]:
            raise No(409, f"the UID in the precondition ({wanted}) does not match the UID in record")
        grace = options.get("gracePeriodSeconds", 30) if kind == "Pod" else 0
        placed = found.get("spec", {}).get("nodeName")
        if grace and placed and (self.stuck or not self.kubelets):
            found["metadata"]["deletionTimestamp"] = LATER
        else:
            del self.objects[kind, namespace, name]
        self.settle()
        return found

    def _evict(self, kind: str, namespace: str, name: str, request: Request) -> Json:
        assert request.path.endswith("/eviction") and request.body["kind"] == "Eviction"
        pod = self._get(kind, namespace, name)
        for (its, where, budget), each in self.objects.items():
            if (its, where) != ("PodDisruptionBudget", namespace):
                continue
            labels: Json = each["spec"]["selector"]["matchLabels"]
            healthy = [p for p in self._pods(namespace, labels) if is_ready(p)]
            if labels.items() <= pod["metadata"]["labels"].items() and len(healthy) <= each["spec"]["minAvailable"]:
                why = f"The disruption budget {budget} needs {each['spec']['minAvailable']} healthy pods"
                raise No(429, f"Cannot evict pod as it would violate the pod's disruption budget. {why}")
        return self._delete(kind, namespace, name, Request("DELETE", "", body=request.body["deleteOptions"]))

    def _bind(self, kind: str, namespace: str, name: str, request: Request) -> Json:
        """As a scheduler does."""
        spec = self._get(kind, namespace, name)["spec"]
        if spec.get("nodeName"):
            raise No(409, f"pod {name} is already assigned to node {spec['nodeName']}")
        spec["nodeName"] = request.body["target"]["name"]
        return {}

    def _patch(self, kind: str, namespace: str, name: str, request: Request) -> Json:
        assert request.query.get("fieldManager") == "chaosjc" or request.path.endswith("/status")
        key, body = (kind, namespace, name), copy.deepcopy(request.body)
        if request.kind == APPLY:
            return self._apply(key, body, dry_run=request.query.get("dryRun") == "All")
        assert request.kind == MERGE
        found = self._get(*key)
        version = found["metadata"]["resourceVersion"]
        if body.get("metadata", {}).get("resourceVersion", version) != version:
            raise No(409, "the object has been modified; please apply your changes to the latest version")
        assert "uid" not in body.get("metadata", {}), "the real one calls another UID an attempt to change it"
        return self._store(key, merged(found, body))

    def _apply(self, key: tuple[str, str, str], body: Json, *, dry_run: bool) -> Json:
        if key[1] and ("Namespace", "", key[1]) not in self.objects:
            raise No(404, f'namespaces "{key[1]}" not found')
        found = self.objects.get(key)
        gone = without(self.applied.get(key, {}), body)
        after = merged(merged(found or {"status": {}}, gone), body)
        if dry_run:
            return after if found else after | {"metadata": after["metadata"] | {"uid": "none"}}
        self.applied[key] = body
        if found is None:
            parts = {name: value for name, value in after.items() if name not in ("kind",)}
            return self.add(key[0], key[2], key[1], **parts)
        return self._store(key, after)

    def _store(self, key: tuple[str, str, str], after: Json) -> Json:
        if after != self.objects[key]:
            after["metadata"]["resourceVersion"] = str(next(self.versions))
            self.objects[key] = after
            self.settle()
        return self.objects[key]

    # -- controllers

    def settle(self) -> None:
        """What controllers, and with `kubelets` also these, would have done soon."""
        if self.settling:
            return  # it is a controller that has changed something
        self.settling = True
        for _ in range(2):
            self._settle()
        self.settling = False

    def _settle(self) -> None:
        for (kind, namespace, name), each in list(self.objects.items()):
            if kind == "Deployment":
                self._replica_set(namespace, name, each)
            elif kind == "DaemonSet":
                self._daemons(namespace, name, each)
            elif kind == "StatefulSet":
                names = [f"{name}-{number}" for number in range(each["spec"]["replicas"])]
                self._keep(namespace, each, names)
        for (kind, namespace, name), each in list(self.objects.items()):
            if kind == "ReplicaSet":
                self._scale(namespace, name, each)
        if self.kubelets:
            for kind, namespace, name in list(self.objects):
                if kind == "Pod":
                    self._run(self.objects[kind, namespace, name])

    def _replica_set(self, namespace: str, name: str, owner: Json) -> None:
        key = ("ReplicaSet", namespace, f"{name}-5d8f")
        if key not in self.objects:
            meta = {"uid": str(uuid.uuid4()), "name": key[2], "namespace": namespace, "ownerReferences": [ref(owner)]}
            self.objects[key] = {"kind": "ReplicaSet", "metadata": meta, "spec": dict(owner["spec"])}
        self.objects[key]["spec"]["replicas"] = owner["spec"]["replicas"]
        serving = [pod for pod in self._pods(namespace, owner["spec"]["selector"]["matchLabels"]) if is_ready(pod)]
        owner["status"] = {"readyReplicas": len(serving)}

    def _scale(self, namespace: str, name: str, owner: Json) -> None:
        mine = [pod for pod in self._owned(namespace, owner) if "deletionTimestamp" not in pod["metadata"]]
        for pod in mine[owner["spec"]["replicas"] :]:
            self._delete("Pod", namespace, pod["metadata"]["name"], Request("DELETE", ""))
        for _ in range(owner["spec"]["replicas"] - len(mine)):
            self._make(namespace, f"{name}-{uuid.uuid4().hex[:5]}", owner)

    def _keep(self, namespace: str, owner: Json, names: list[str]) -> None:
        for pod in self._owned(namespace, owner):
            if pod["metadata"]["name"] not in names:
                self._delete("Pod", namespace, pod["metadata"]["name"], Request("DELETE", ""))
        for name in names:
            if ("Pod", namespace, name) not in self.objects:
                self._make(namespace, name, owner)

    def _daemons(self, namespace: str, name: str, owner: Json) -> None:
        """Without kubelets there is no scheduler either."""
        wanted: Json = owner["spec"]["template"].get("spec", {}).get("nodeSelector", {})
        found = [each["metadata"] for (kind, _, _), each in self.objects.items() if kind == "Node"]
        nodes = [each["name"] for each in found if wanted.items() <= each.get("labels", {}).items()]
        there = [pod["spec"]["affinity"] for pod in self._owned(namespace, owner)]
        for node in nodes:
            if only(node) not in there:
                placed = {"nodeName": node} if self.kubelets else {}
                self._make(namespace, f"{name}-{uuid.uuid4().hex[:5]}", owner, affinity=only(node), **placed)
        owner["status"] = {"desiredNumberScheduled": len(nodes), "numberReady": len(nodes)}

    def _make(self, namespace: str, name: str, owner: Json, **spec: Any) -> None:
        meta = {
            "name": name,
            "namespace": namespace,
            "uid": str(uuid.uuid4()),
            "resourceVersion": str(next(self.versions)),
            "labels": owner["spec"]["template"]["metadata"]["labels"],
            "ownerReferences": [ref(owner)],
            "creationTimestamp": NOW,
        }
        pod = {"kind": "Pod", "metadata": meta, "spec": {**spec}, "status": {"phase": "Pending"}}
        self.objects["Pod", namespace, name] = pod

    def _run(self, pod: Json) -> None:
        if pod["metadata"].get("deletionTimestamp") or pod["status"].get("phase") != "Pending":
            return
        nodes = [
            name
            for (kind, _, name), each in self.objects.items()
            if kind == "Node" and not each["spec"].get("unschedulable")
        ]
        if nodes or pod["spec"].get("nodeName"):
            pod["spec"].setdefault("nodeName", nodes[0] if nodes else "")
            pod["status"] = running()

    def _owned(self, namespace: str, owner: Json) -> list[Json]:
        return [pod for pod in self._pods(namespace, {}) if pod["metadata"].get("ownerReferences") == [ref(owner)]]

    def _pods(self, namespace: str, labels: Json) -> list[Json]:
        return [
            each
            for (kind, where, _), each in self.objects.items()
            if (kind, where) == ("Pod", namespace) and labels.items() <= each["metadata"].get("labels", {}).items()
        ]


def running(*, ready: bool = True) -> Json:
    """The status of a pod that runs."""
    condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": NOW}
    return {"phase": "Running", "conditions": [condition]}


def is_ready(pod: Json) -> bool:
    conditions = {each["type"]: each["status"] for each in pod.get("status", {}).get("conditions", ())}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def ref(owner: Json) -> Json:
    return {
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }


def merged(base: Json, patch: Json) -> Json:
    """RFC 7396."""
    after = copy.deepcopy(base)
    for key, value in patch.items():
        if value is None:
            after.pop(key, None)
        elif isinstance(value, dict):
            there = after.get(key)
            after[key] = merged(there if isinstance(there, dict) else {}, value)  # type: ignore[arg-type]
        else:
            after[key] = value
    return after


def without(before: Json, after: Json) -> Json:
    """A patch that takes away what `before` says and `after` no longer does."""
    gone: Json = {}
    for key, value in before.items():
        if key not in after:
            gone[key] = None
        elif isinstance(value, dict):
            gone[key] = without(value, after[key])  # type: ignore[arg-type]
    return gone
