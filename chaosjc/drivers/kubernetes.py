"""A thin typed client of a Kubernetes cluster.

Every call is bounded in time, answers frozen values and raises a RemoteError that says what was asked of which cluster:
Silent (nobody answered), Refused, and below it NotFound, Conflict and Blocked. No policy and no waiting.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any, Self, cast
from urllib.parse import unquote, urlsplit

from chaosjc.drivers import kubernetes_api, kubernetes_values
from chaosjc.drivers.kubernetes_api import Api, Client, NotFound, Request, Silent
from chaosjc.drivers.kubernetes_values import Applied, Json, Node, Owner, Pod, Right, Workload

TIMEOUT = 10.0  # seconds for one request
MANAGER = "chaosjc"
"""The name under which the API server notes which fields are ours."""

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
APPS = {
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "ReplicaSet": "replicasets",
}
FIRST = ("Namespace", "CustomResourceDefinition")
"""Kinds without which the others cannot be."""


class Cluster:
    """One cluster, as one user sees it. Safe to share between threads."""

    def __init__(self, api: Api, name: str, timeout: float = TIMEOUT) -> None:
        self._api = api
        self._timeout = timeout
        self._resources: dict[str, dict[str, tuple[str, bool]]] = {}
        self.name = name

    @classmethod
    def connect(cls, kubeconfig_text: str, server: str | None = None, *, timeout: float = TIMEOUT) -> Self:
        """By a kubeconfig's current context; `timeout` in seconds bounds each later request, and one that proves it.

        `server` (`https://127.0.0.1:PORT`) is asked instead of the file's own URL, as over a tunnel; its certificate is
        checked for the name that the file says.
        """
        host, _ = kubernetes_api.address(kubeconfig_text)
        cluster = cls(Client.connect(kubeconfig_text, server or ""), host, timeout)
        cluster._ask("log in", Request("GET", "/api/v1/nodes", {"limit": "1"}))
        return cluster

    def asking(self, timeout: float) -> Cluster:
        """The same cluster, with another limit for each request, in seconds."""
        return Cluster(self._api, self.name, timeout)

    def may(self, right: Right) -> bool:
        """Whether the kubeconfig's user has a right; every user may ask that (`kubectl auth can-i`)."""
        version = "authorization.k8s.io/v1"
        review = {"apiVersion": version, "kind": "SelfSubjectAccessReview"}
        body = {**review, "spec": {"resourceAttributes": right.attributes}}
        request = Request("POST", f"/apis/{version}/selfsubjectaccessreviews", body=body)
        return bool(self._ask(f"whether its user may {right}", request)["status"]["allowed"])

    # -- nodes

    def nodes(self) -> tuple[Node, ...]:
        """All of them."""
        return tuple(map(kubernetes_values.node, self._list("list nodes", "/api/v1/nodes", {})))

    def node(self, name: str) -> Node:
        """One; NotFound where it is gone."""
        return kubernetes_values.node(self._ask(f"node {name}", Request("GET", f"/api/v1/nodes/{name}")))

    def cordon(self, node: Node, annotations: Mapping[str, str | None] | None = None) -> Node:
        """Let no new pod come, and annotate the node in the same act (None takes one away).

        Conflict where it was changed since it was read, or is another one of that name.
        """
        return self._schedule(node, {"unschedulable": True}, annotations, "cordon")

    def uncordon(self, node: Node, annotations: Mapping[str, str | None] | None = None) -> Node:
        """The opposite, under the same conditions."""
        return self._schedule(node, {"unschedulable": None}, annotations, "uncordon")

    def delete_node(self, name: str, *, uid: str = "") -> None:
        """Also right when it is gone already; with `uid`, Conflict where another has its name."""
        with contextlib.suppress(NotFound):
            self._ask(f"delete node {name}", Request("DELETE", f"/api/v1/nodes/{name}", body=_options(uid)))

    # -- pods

    def pods(self, namespace: str = "", *, labels: Mapping[str, str] | None = None, node: str = "") -> tuple[Pod, ...]:
        """Those of a namespace, or of all; that carry all of these labels; that were given to this node."""
        query = {"labelSelector": _selector(labels or {})} if labels else {}
        if node:
            query["fieldSelector"] = f"spec.nodeName={node}"
        where = f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"
        return tuple(map(kubernetes_values.pod, self._list("list pods", where, query)))

    def pod(self, namespace: str, name: str) -> Pod:
        """One; NotFound where it is gone."""
        return kubernetes_values.pod(self._ask(f"pod {namespace}/{name}", Request("GET", _pod(namespace, name))))

    def delete_pod(self, namespace: str, name: str, *, uid: str, grace: float | None = None) -> None:
        """Ask for its end. `grace` in whole seconds; 0 takes it out of the API at once, None is the pod's own.

        NotFound where it is gone, Conflict where another pod has its name.
        """
        request = Request("DELETE", _pod(namespace, name), body=_options(uid, grace))
        self._ask(f"delete pod {namespace}/{name}", request)

    def evict(self, pod: Pod, *, grace: float | None = None) -> None:
        """The same where PodDisruptionBudgets allow it; Blocked where they do not now."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": pod.namespace},
            "deleteOptions": _options(pod.uid, grace),
        }
        request = Request("POST", f"{_pod(pod.namespace, pod.name)}/eviction", body=body)
        self._ask(f"evict pod {pod.namespace}/{pod.name}", request)

    # -- what controls pods

    def workloads(self, kind: str, namespace: str = "") -> tuple[Workload, ...]:
        """All of a kind (Deployment, StatefulSet, DaemonSet, ReplicaSet) in a namespace, or in all."""
        found = self._list(f"list {APPS[kind]}", _apps(kind, namespace), {})
        return tuple(kubernetes_values.workload(each, kind) for each in found)

    def workload(self, kind: str, namespace: str, name: str) -> Workload:
        """One; NotFound where it is gone."""
        found = self._ask(f"{kind} {namespace}/{name}", Request("GET", _apps(kind, namespace, name)))
        return kubernetes_values.workload(found, kind)

    def scale(self, workload: Workload, replicas: int, annotations: Mapping[str, str | None] | None = None) -> Workload:
        """Set how many pods there should be, and annotate in the same act (None takes one away).

        Conflict where it was changed since it was read: its own controller does so too, to tell how it stands.
        """
        body = {"metadata": _meta(workload, annotations), "spec": {"replicas": replicas}}
        path = _apps(workload.kind, workload.namespace, workload.name)
        what = f"scale {workload.kind} {workload.namespace}/{workload.name} to {replicas}"
        return kubernetes_values.workload(self._patch(what, path, body), workload.kind)

    def top_owner(self, pod: Pod) -> Owner | None:
        """Who would make it again in the end: a ReplicaSet's Deployment rather than the ReplicaSet; None: nobody."""
        if pod.owner is None or pod.owner.kind != "ReplicaSet":
            return pod.owner
        try:
            return self.workload("ReplicaSet", pod.namespace, pod.owner.name).owner or pod.owner
        except NotFound:
            return pod.owner

    # -- services

    def ask_service(self, namespace: str, name: str, port: str, path: str) -> tuple[int, str]:
        """HTTP status of a GET of a service, through the API server, and the path of the redirect that it may be.

        Redirects are not followed; where one leads is told as the service knows it. Refused where the API server itself
        has no way to the service.
        """
        root = f"/api/v1/namespaces/{namespace}/services/{name}:{port}/proxy"
        response = self._send(f"service {namespace}/{name}", Request("GET", root + path))
        if b'"kind":"Status"' in response.body.replace(b" ", b"")[:200]:  # it is the API server that speaks
            kubernetes_api.answer(self.name, f"service {namespace}/{name}", response)
        leads = unquote(urlsplit(response.location).path)
        return response.status, leads.removeprefix(root)  # the API server puts its own way before

    # -- manifests

    def apply(self, manifests: Iterable[Mapping[str, Any]], *, dry_run: bool = False) -> tuple[Applied, ...]:
        """Server-side apply of objects with apiVersion, kind and metadata, namespaces first; whose fields they are now.

        With `dry_run` nothing is changed, and told what would be.
        """
        ordered = sorted(manifests, key=lambda each: each["kind"] not in FIRST)
        return tuple(self._apply(each, dry_run=dry_run) for each in ordered)

    def _apply(self, manifest: Mapping[str, Any], *, dry_run: bool) -> Applied:
        meta = manifest["metadata"]
        what = f"apply {manifest['kind']} {meta['name']}"
        path, namespace = self._place(manifest, what)
        try:
            before = self._ask(what, Request("GET", path))
        except NotFound:
            before = None
        query = {"fieldManager": MANAGER, "force": "true"} | ({"dryRun": "All"} if dry_run else {})
        try:
            after = self._ask(what, Request("PATCH", path, query, dict(manifest), APPLY))
        except NotFound:
            if not dry_run:
                raise
            after = None  # its namespace is not there yet
        changed = before is None or _content(before) != _content(after)
        return Applied(manifest["kind"], namespace, meta["name"], changed)

    def _place(self, manifest: Mapping[str, Any], what: str) -> tuple[str, str]:
        """Path of an object, and its namespace; empty where its kind has none."""
        version, kind, meta = manifest["apiVersion"], manifest["kind"], manifest["metadata"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if kind not in self._resources.get(version, {}):  # a kind may have been defined since
            told = self._ask(what, Request("GET", root))["resources"]
            named = {each["kind"]: (each["name"], each["namespaced"]) for each in told if "/" not in each["name"]}
            self._resources[version] = named
        if kind not in self._resources[version]:
            raise NotFound(f"cluster {self.name}: {what}: it knows no {kind} of {version}", 404)
        plural, namespaced = self._resources[version][kind]
        namespace = str(meta.get("namespace") or "default") if namespaced else ""
        return (
            f"{root}/namespaces/{namespace}/{plural}/{meta['name']}"
            if namespaced
            else f"{root}/{plural}/{meta['name']}",
            namespace,
        )

    # -- helpers

    def _schedule(
        self, node: Node, spec: Mapping[str, Any], annotations: Mapping[str, str | None] | None, what: str
    ) -> Node:
        body = {"metadata": _meta(node, annotations), "spec": dict(spec)}
        return kubernetes_values.node(self._patch(f"{what} node {node.name}", f"/api/v1/nodes/{node.name}", body))

    def _list(self, what: str, path: str, query: Mapping[str, str]) -> list[Json]:
        """Without `resourceVersion` it is the newest; in one piece: a site has hundreds of pods, not more."""
        return cast("list[Json]", self._ask(what, Request("GET", path, query)).get("items") or [])

    def _patch(self, what: str, path: str, body: Json) -> Json:
        return self._ask(what, Request("PATCH", path, {"fieldManager": MANAGER}, body, MERGE))

    def _ask(self, what: str, request: Request) -> Json:
        return kubernetes_api.answer(self.name, what, self._send(what, request))

    def _send(self, what: str, request: Request) -> kubernetes_api.Response:
        try:
            return self._api.send(request, self._timeout)
        except Silent as error:
            raise Silent(f"cluster {self.name}: {what}: {error.message}", hint="is its control plane up?") from error


def _meta(found: Node | Workload, annotations: Mapping[str, str | None] | None) -> Json:
    """The API server compares the version; none is ever that of another object of the same name."""
    meta: Json = {"resourceVersion": found.version}
    return meta | ({"annotations": dict(annotations)} if annotations else {})


def _options(uid: str = "", grace: float | None = None) -> Json:
    options: Json = {"apiVersion": "v1", "kind": "DeleteOptions"}
    if uid:
        options["preconditions"] = {"uid": uid}
    return options if grace is None else options | {"gracePeriodSeconds": round(grace)}


def _content(found: Json | None) -> Any:
    """What a person would say that it is; not by whom, which edition, or how it stands."""
    if found is None:
        return None
    told = ("managedFields", "resourceVersion", "generation")
    meta = {key: value for key, value in found["metadata"].items() if key not in told}
    return {**{key: value for key, value in found.items() if key != "status"}, "metadata": meta}


def _selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _pod(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods/{name}"


def _apps(kind: str, namespace: str, name: str = "") -> str:
    where = f"/apis/apps/v1/namespaces/{namespace}/{APPS[kind]}" if namespace else f"/apis/apps/v1/{APPS[kind]}"
    return f"{where}/{name}" if name else where
