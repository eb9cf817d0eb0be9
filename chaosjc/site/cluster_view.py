"""A cluster's API → what the topology has of it, with what the site's policy says."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from chaosjc.drivers import kubernetes_values as api
from chaosjc.drivers.kubernetes import Cluster
from chaosjc.site.cluster import CANARY, SERVER, USER, USER_PODS, ClusterView, Node, Pod, Workload
from chaosjc.site.model import SiteFile
from chaosjc.site.topology import Vm

SCALABLE = ("Deployment", "StatefulSet")


def look(site: SiteFile, asked: Cluster, vms: Collection[Vm]) -> ClusterView:
    """Five requests. Raises RemoteError."""
    workloads = [each for kind in (*SCALABLE, "ReplicaSet") for each in asked.workloads(kind)]
    return view(site, Found(asked.nodes(), asked.pods(), workloads), vms)


@dataclass(frozen=True)
class Found:
    """What the API has; `workloads` with the ReplicaSets of Deployments."""

    nodes: Collection[api.Node] = ()
    pods: Collection[api.Pod] = ()
    workloads: Collection[api.Workload] = ()


def view(site: SiteFile, found: Found, vms: Collection[Vm]) -> ClusterView:
    """Pure."""
    nodes = {each.name: vm for each in found.nodes if (vm := _vm_of(each, vms))}
    judge = _Judge(site, nodes, {each.uid: each.owner for each in found.workloads if each.owner})
    pods = [judge.pod(each) for each in found.pods if not each.over]
    workloads = [judge.workload(each) for each in found.workloads if each.kind in SCALABLE]
    return ClusterView(
        tuple(sorted(map(judge.node, found.nodes), key=lambda each: each.name)),
        tuple(sorted(pods, key=lambda each: (each.namespace, each.name))),
        tuple(sorted(workloads, key=lambda each: (each.namespace, each.name, each.kind))),
    )


@dataclass(frozen=True)
class _Judge:
    """What the site's policy says; `vms` by the name of their node, `owners` by the UID of what they own."""

    site: SiteFile
    vms: dict[str, Vm]
    owners: dict[str, api.Owner]

    def node(self, found: api.Node) -> Node:
        vm = self.vms.get(found.name)
        return Node(found.name, found.uid, vm.name if vm else "", found.ready, found.schedulable)

    def pod(self, found: api.Pod) -> Pod:
        vm = self.vms.get(found.node)
        what = found.component
        user = _said(found, USER) if what == USER_PODS else ""
        return Pod(
            namespace=found.namespace,
            name=found.name,
            uid=found.uid,
            component=what,
            node=found.node,
            vm=vm.name if vm else "",
            user=user,
            server=_said(found, SERVER) if user else "",
            owner=self.owners.get(found.owner.uid, found.owner) if found.owner else None,
            labels=found.labels,
            static=found.static,
            opted_in=user.startswith(CANARY) or self.site.pods_opted_in(found.namespace, what),
            protected=self.site.pods_protected(found.namespace, what) or (vm is not None and vm.protected),
            uid_on_node=found.uid_on_node,
        )

    def workload(self, found: api.Workload) -> Workload:
        what = found.component
        return Workload(
            found.kind,
            found.namespace,
            found.name,
            found.uid,
            what,
            found.replicas,
            self.site.pods_opted_in(found.namespace, what),
            self.site.pods_protected(found.namespace, what),
            found.ready,
        )


def _said(pod: api.Pod, key: str) -> str:
    return pod.annotations.get(key) or pod.labels.get(key, "")


def _vm_of(node: api.Node, vms: Collection[Vm]) -> Vm | None:
    """By name as chaosjc deploys it, else by address; of two, the one that runs."""
    found = [vm for vm in vms if vm.called(node.name) or set(vm.addresses) & set(node.addresses)]
    return next((vm for vm in found if vm.status == "ACTIVE"), found[0] if found else None)
