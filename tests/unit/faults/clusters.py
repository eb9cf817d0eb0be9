"""A small JupyterCloud on a cluster in memory: two workers, a hub, its proxy, what Kubernetes has, and users."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from chaosjc.drivers.kubernetes import Cluster
from chaosjc.drivers.kubernetes_values import MIRROR, STATIC_UID
from chaosjc.drivers.openstack import Cloud
from chaosjc.drivers.ssh import Ssh
from chaosjc.faults.fault import Fault
from chaosjc.faults.registry import FAULTS
from chaosjc.faults.target import Chosen
from chaosjc.faults.world import World
from chaosjc.journal.events import Context, StepPlan
from chaosjc.site import cluster_view
from chaosjc.site.model import Policy, SiteFile
from chaosjc.site.sections import Hub, Kubernetes
from chaosjc.site.topology import Topology, Vm
from tests.unit.drivers.cluster import FakeApi, running
from tests.unit.fakes import FakeClock
from tests.unit.faults.test_held import Host, NoCloud
from tests.unit.site.fakes import lab_site

ALL = ("worker", "pods/hub", "pods/proxy", "pods/coredns", "pods/kube-proxy", "pods/cni", "pods/db")
WORKERS = ("worker-001", "worker-002")


def site(*targets: str, **policy: Any) -> SiteFile:
    """With this policy; without any, all but people's pods may be broken."""
    rules = Policy(targets=targets or ALL, **policy)
    return lab_site(kubernetes=Kubernetes(), hub=Hub.model_validate({}), policy=rules)


def api(**more: Any) -> FakeApi:
    """Ada and Bob have servers on worker-001, and so has a canary."""
    made = FakeApi(kubelets=True, **more)
    for name in WORKERS:
        made.node(name)
    made.add("Namespace", "jhub")
    for name in ("hub", "proxy"):
        made.workload("Deployment", name)
    made.workload("StatefulSet", "db")
    made.workload("Deployment", "coredns", "kube-system", 2, labels={"k8s-app": "kube-dns"})
    made.workload("DaemonSet", "kube-proxy", "kube-system", labels={"k8s-app": "kube-proxy"})
    made.workload("DaemonSet", "flannel", "kube-system", labels={"app": "flannel"})
    made.add("Service", "proxy-public", "jhub", spec={})
    for user in ("ada", "bob", "canary-1"):
        made.user(user, "worker-001")
    annotations = {MIRROR: "x", STATIC_UID: "hash-of-the-file"}
    meta = {"labels": {"component": "etcd"}, "annotations": annotations}
    made.add("Pod", "etcd-worker-002", "kube-system", metadata=meta, spec={"nodeName": "worker-002"}, status=running())
    return made


def topology(made: FakeApi, file: SiteFile | None = None) -> Topology:
    file = file or site()
    vms = tuple(
        Vm(name, f"uuid-{name}", "worker", "", file.opted_in(name, "worker"), file.protected(name, "worker"), "ACTIVE")
        for name in WORKERS
    )
    return Topology(vms, (), cluster_view.look(file, made.cluster, vms))


def draw(name: str, entry: dict[str, Any], around: Topology, seed: int = 1) -> Chosen:
    choice = FAULTS[name].entry.model_validate(entry)
    assert choice.choice is not None
    return choice.choice.draw(around, random.Random(seed), choice.wants)


def plan(name: str, entry: dict[str, Any], around: Topology) -> tuple[StepPlan, ...]:
    return FAULTS[name].plan(FAULTS[name].entry.model_validate(entry), draw(name, entry, around), "f1")


class Clustered(World):
    """A world with that cluster, and one host that stands for all VMs."""

    def __init__(self, made: FakeApi, host: Host | None = None, run: str = "run") -> None:
        super().__init__(Context(), run, FakeClock())
        self.made = made
        self.host = host or Host()

    @property
    def kubernetes(self) -> Cluster:
        return self.made.cluster

    @property
    def ssh(self) -> Ssh:
        return Ssh(Path("config"), self.host)  # type: ignore[arg-type]

    @property
    def cloud(self) -> Cloud:
        return NoCloud(*WORKERS)


def prepared(name: str, entry: dict[str, Any], made: FakeApi) -> tuple[Fault, StepPlan, Clustered]:
    """The fault, its only step, and the world that it breaks."""
    (step,) = plan(name, {"duration": 5.0, **entry}, topology(made))
    return FAULTS[name], step, Clustered(made)
