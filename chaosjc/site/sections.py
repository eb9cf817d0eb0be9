"""Sections of the site file: monitoring, Kubernetes on the VMs, JupyterHub on that, and what may be broken."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator

from chaosjc.spec.model import Model
from chaosjc.spec.scalars import Duration

Name = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")]
"""A name that is also a host name: lower case, digits, dashes."""

Directory = Annotated[str, StringConstraints(pattern=r"^(/[a-z0-9][a-z0-9_-]*)+$")]
"""An absolute path of plain words."""

Label = Annotated[str, StringConstraints(pattern=r"^([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$")]
"""The key of a Kubernetes label."""


class Monitoring(Model):
    """Prometheus on the monitor VM."""

    scrape_interval: Duration = 15.0
    retention: Duration = 15 * 86400.0


class Kubernetes(Model):
    """A cluster by kubeadm: one VM of the role `control_plane`, and all VMs of the roles `workers`.

    `images` is the repository of the control plane's images, `pull` when nodes ask it for one. A node that says
    nothing for `grace` is taken for lost; its pods are given up `eviction` later.
    """

    version: Annotated[str, StringConstraints(pattern=r"^v1\.\d+\.\d+$")] = "v1.34.4"
    control_plane: Name = "master"
    workers: tuple[Name, ...] = ("worker",)
    pods: str = "10.244.0.0/16"
    services: str = "10.96.0.0/16"
    cni: Literal["flannel"] = "flannel"
    cni_image: str = "ghcr.io/flannel-io/flannel:v0.27.4"
    images: str = "registry.k8s.io"
    pull: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    grace: Annotated[Duration, Field(ge=4)] = 50.0
    eviction: Annotated[Duration, Field(ge=0)] = 300.0
    backup: Annotated[Duration, Field(ge=0)] = 30.0
    """How often the monitor VM takes a snapshot of etcd; 0 for never."""
    cgroup_driver: Literal["systemd", "cgroupfs"] = "systemd"
    labels: dict[Name, dict[Label, str]] = Field(default_factory=dict[str, dict[str, str]])
    """Of the nodes of a role, or of one by its VM's name, over those of its role."""

    @field_validator("pods", "services")
    @classmethod
    def _networks(cls, value: str) -> str:
        return str(ipaddress.IPv4Network(value))


class HubCanary(Model):
    """The hub's synthetic users: from spawn to stop every `ladder`, and live servers.

    They enter by `front`, a worker, by default the first: one that no experiment breaks. Where the authenticator takes
    passwords, `password` is that of canary-login; else its login page is enough.
    """

    ladder: Annotated[Duration, Field(ge=5)] = 30.0
    front: str = ""
    password: str = ""


class Hub(Model):
    """JupyterHub by Helm. `chart` is a directory or an archive, found from the site file; by default chaosjc's own.

    `values` go to the chart as they are, over what the site itself knows (homes, database, tokens). `homes` is the
    volume of the users' homes; `port` the front door's NodePort on every worker.
    """

    namespace: Name = "jhub"
    release: Name = "hub"
    chart: str = ""
    homes: Name = "homes"
    port: int = Field(30080, ge=30000, le=32767)
    values: dict[str, Any] = Field(default_factory=dict[str, Any])
    canary: HubCanary = HubCanary()


PODS = re.compile(r"pods/(?:[a-z0-9][a-z0-9-]*/)?[A-Za-z0-9][A-Za-z0-9._-]*")
"""How a policy names pods: `pods/hub` in the hub's namespace and in those of Kubernetes, `pods/NAMESPACE/NAME`."""


class Policy(Model):
    """What may be broken: roles or VMs by name, and pods by what they are for (`pods/hub`, `pods/kube-proxy`).

    Nothing is a target by default, and protected wins, for a VM with all pods on it. Pods of the canaries' users are
    always targets; those of people with `pods/singleuser-server`.
    """

    targets: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    users: Annotated[int, Field(ge=0)] = 0
    """How many people, besides canaries, a run may take the servers from, or cut off from them."""
