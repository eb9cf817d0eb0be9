"""What a site's Kubernetes cluster is: pure values, and what its objects are called in site and experiment files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from chaosjc.drivers.kubernetes_values import Owner

USER, SERVER = "hub.jupyter.org/username", "hub.jupyter.org/servername"
"""Annotations and labels of a user's pod; a label's value is escaped."""

USER_PODS = "singleuser-server"
"""The component of users' pods, as zero-to-jupyterhub calls it."""

CANARY = "canary-"
"""How the names of chaosjc's own users begin: their pods are there to be broken."""


@dataclass(frozen=True)
class Node:
    """A node, and the VM that it is; empty where that is none of the site."""

    name: str
    uid: str
    vm: str
    ready: bool = True
    schedulable: bool = True


@dataclass(frozen=True)
class Pod:
    """A pod that has not ended; `opted_in` and `protected` by the policy, `user` empty where it is no user's.

    `vm` is the VM that its node is, `owner` who would make another in the end (a Deployment, not its ReplicaSet), and
    `server` a user's name for it where he has several. A `static` one is run by its kubelet from a file; `uid_on_node`
    is how that names it.
    """

    namespace: str
    name: str
    uid: str
    component: str
    node: str = ""
    vm: str = ""
    user: str = ""
    server: str = ""
    owner: Owner | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    static: bool = False
    opted_in: bool = False
    protected: bool = False
    uid_on_node: str = ""

    @property
    def real_user(self) -> str:
        """The person whose work is in it; empty for canaries, and where it is no user's pod."""
        return "" if self.user.startswith(CANARY) else self.user


@dataclass(frozen=True)
class Workload:
    """A Deployment or StatefulSet, how many pods it ought to have, and how many of them are ready."""

    kind: str
    namespace: str
    name: str
    uid: str
    component: str
    replicas: int
    opted_in: bool = False
    protected: bool = False
    ready: int = 0


@dataclass(frozen=True)
class ClusterView:
    """Everything that was found, sorted by namespace and name; of a cluster that was not looked at, nothing."""

    nodes: tuple[Node, ...] = ()
    pods: tuple[Pod, ...] = ()
    workloads: tuple[Workload, ...] = ()

    def node_of(self, vm: str) -> Node | None:
        """The node that a VM is."""
        return self._nodes.get(vm)

    def pods_on(self, vm: str) -> tuple[Pod, ...]:
        """Those that run on a VM."""
        return self._pods.get(vm, ())

    def pod(self, uid: str) -> Pod | None:
        """The pod with this UID."""
        return self._by_uid.get(uid)

    @property
    def users(self) -> frozenset[str]:
        """People who have a server; no canaries."""
        return frozenset(each.real_user for each in self.pods if each.real_user)

    @cached_property
    def _nodes(self) -> Mapping[str, Node]:
        return {each.vm: each for each in reversed(self.nodes)}  # of two, the first

    @cached_property
    def _pods(self) -> Mapping[str, tuple[Pod, ...]]:
        found: dict[str, list[Pod]] = {}
        for each in self.pods:
            found.setdefault(each.vm, []).append(each)
        return {vm: tuple(pods) for vm, pods in found.items()}

    @cached_property
    def _by_uid(self) -> Mapping[str, Pod]:
        return {each.uid: each for each in self.pods}


NOT_LOOKED_AT = ClusterView()
