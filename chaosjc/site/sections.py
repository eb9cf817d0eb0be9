"""Sections of the site file: monitoring, storage, Kubernetes on the VMs, JupyterHub on that, its front, the policy."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from chaosjc.site.calendar import Calendar
from chaosjc.site.hub_secrets import ValuePath
from chaosjc.spec.model import Model
from chaosjc.spec.problems import Problems
from chaosjc.spec.reader import Document
from chaosjc.spec.scalars import Duration
from chaosjc.spec.secret import SecretSource

Name = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")]
"""A name that is also a host name: lower case, digits, dashes."""

Directory = Annotated[str, StringConstraints(pattern=r"^(/[a-z0-9][a-z0-9_-]*)+$")]
"""An absolute path of plain words."""

Label = Annotated[str, StringConstraints(pattern=r"^([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$")]
"""The key of a Kubernetes label."""


JOBS = frozenset({"node", "gluster", "storage", "hub", "jupyterhub", "kubelet", "prometheus"})
"""What the site's Prometheus scrapes by itself, by what it calls it."""

Endpoint = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):[1-9]\d{0,4}$")]
"""HOST:PORT."""


class Monitoring(Model):
    """Prometheus on the monitor VM.

    `also` are further exporters that it scrapes, HOST:PORT by job, as it can reach them from there: above all the
    site's controller, which listens elsewhere (`chaosjc serve --listen`): `also: {controller: [10.0.0.9:9830]}`.
    """

    scrape_interval: Duration = 15.0
    retention: Duration = 15 * 86400.0
    also: dict[Name, Annotated[tuple[Endpoint, ...], Field(min_length=1)]] = Field(
        default_factory=dict[str, tuple[str, ...]]
    )

    @field_validator("also")
    @classmethod
    def _also(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if taken := sorted(value.keys() & JOBS):
            raise ValueError(f"{', '.join(taken)}: the site's own job has this name")
        return value


class StorageCanary(Model):
    """The synthetic user of each mount: one write every `every`, kept for `keep` and compared every `audit`."""

    every: Annotated[Duration, Field(ge=0.02)] = 0.1
    keep: Annotated[Duration, Field(ge=10)] = 600.0
    audit: Annotated[Duration, Field(ge=1)] = 10.0


class Volume(Model):
    """A GlusterFS volume: `distribute` sets of `replica` bricks, of which `arbiter` (0 or 1) hold names only.

    `options` are set explicitly, over those that every volume gets (`stages.volumes_plan`). A `sacrificial` volume may
    lose its quorum: experiments of that kind have one of their own, on a disk that no other volume needs.
    """

    replica: int = Field(3, ge=1, le=9)
    arbiter: int = Field(0, ge=0, le=1)
    distribute: int = Field(1, ge=1, le=99)
    mount: Directory
    disk: Directory | None = None
    """Which data disk of the brick VMs carries it; by default their first."""
    sacrificial: bool = False
    options: dict[str, str | int | bool] = Field(default_factory=dict[str, str | int | bool])
    canary: StorageCanary | None = None
    """Its synthetic users' own pace, all of it; by default the one of the storage."""

    @model_validator(mode="after")
    def _layout(self) -> Self:
        if self.arbiter and self.replica != 3:
            raise ValueError("an arbiter is the third of three: replica 3, arbiter 1")
        return self


class Storage(Model):
    """Homes and other shared volumes: the VMs of `role` carry one brick of each, those of `clients` mount them."""

    role: Name = "brick"
    clients: tuple[Name, ...] = ("worker",)
    volumes: dict[Name, Volume] = Field(default_factory=dict[str, Volume])
    canary: StorageCanary = StorageCanary()

    def canary_of(self, volume: str) -> StorageCanary:
        """The pace of a volume's synthetic users."""
        return self.volumes[volume].canary or self.canary


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
    """How often the monitor VM takes a snapshot of etcd, and a worker a dump of the hub's database; 0 for never."""
    cgroup_driver: Literal["systemd", "cgroupfs"] = "systemd"
    labels: dict[Name, dict[Label, str]] = Field(default_factory=dict[str, dict[str, str]])
    """Of the nodes of a role, or of one by its VM's name, over those of its role."""

    @field_validator("pods", "services")
    @classmethod
    def _networks(cls, value: str) -> str:
        return str(ipaddress.IPv4Network(value))


class HubCanary(Model):
    """The hub's synthetic users: from spawn to stop every `ladder`, and live servers.

    They enter by `front`: the name of a worker, or `front` for the balancer, which it is by default where there is one;
    else the first worker: name one that no experiment breaks. Where the authenticator takes passwords, `password` is
    that of canary-login, or where it lies; else its login page is enough.
    """

    ladder: Annotated[Duration, Field(ge=5)] = 30.0
    front: str = ""
    password: str | SecretSource = ""

    def beside(self, directory: Path) -> HubCanary:
        """With the password's file as it is seen from anywhere."""
        if isinstance(self.password, str):
            return self
        return self.model_copy(update={"password": self.password.beside(directory)})


class Hub(Model):
    """JupyterHub by Helm. `chart` is a directory or an archive, found from the site file; by default chaosjc's own.

    `values` go to the chart as they are, over what the site itself knows (homes, database, tokens); `secrets` name
    where others lie, by their way among the values. `homes` is the volume of the users' homes; `port` the front door's
    NodePort on every worker. A deploy waits up to `timeout` until all is ready, the chart's hooks too, such as one that
    pulls large images on every node.
    """

    namespace: Name = "jhub"
    release: Name = "hub"
    chart: str = ""
    homes: Name = "homes"
    port: int = Field(30080, ge=30000, le=32767)
    values: dict[str, Any] = Field(default_factory=dict[str, Any])
    secrets: dict[ValuePath, SecretSource] = Field(default_factory=dict[str, SecretSource])
    timeout: Annotated[Duration, Field(ge=1)] = 300.0
    canary: HubCanary = HubCanary()

    @field_validator("secrets")
    @classmethod
    def _apart(cls, secrets: dict[str, SecretSource]) -> dict[str, SecretSource]:
        for path in secrets:
            if within := next((each for each in secrets if path.startswith(f"{each}.")), ""):
                raise ValueError(f"{path} is within {within}, which is a secret itself")
        return secrets

    @property
    def base_path(self) -> str:
        """Where the hub begins on its front door, as the hub itself completes it: `/`, or `/jupyter/`."""
        values = cast("dict[str, Any]", self.values.get("hub") or {})
        said = str(values.get("baseUrl") or "").strip("/")
        return f"/{said}/" if said else "/"

    def beside(self, directory: Path) -> Hub:
        """With its paths as they are seen from anywhere: a relative one begins at the site file."""
        chart = str((directory / self.chart).resolve()) if self.chart else ""
        secrets = {path: each.beside(directory) for path, each in self.secrets.items()}
        return self.model_copy(update={"chart": chart, "secrets": secrets, "canary": self.canary.beside(directory)})


FRONT = "front"
"""What the VIP is called on the site's VMs, and by the canary."""
PROXY_HEALTH = "/_chp_healthz"
"""The proxy answers it by itself. `/hub/health` goes through it to the hub: a hub that restarts would take every member
out at once, and the way to all running notebooks with them."""


def _whole_seconds(value: float) -> float:
    if value % 1:
        raise ValueError("Octavia counts in whole seconds")
    return value


WholeSeconds = Annotated[Duration, Field(ge=1, le=3600), AfterValidator(_whole_seconds)]
Retries = Annotated[int, Field(ge=1, le=10)]


class HealthMonitor(Model):
    """How the balancer learns that a member does not answer: asked every `every`, it may miss `failures` in a row."""

    type: Literal["http", "tcp"] = "http"
    path: Annotated[str, StringConstraints(pattern=r"^/[^\s]*$")] = PROXY_HEALTH
    every: WholeSeconds = 5.0
    timeout: WholeSeconds = 3.0
    failures: Retries = 3
    successes: Retries = 1

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.timeout > self.every:
            raise ValueError("`timeout` is longer than `every`: the next question would come before the answer")
        return self


class Lbaas(Model):
    """An Octavia load balancer in front of the hub's proxy: its members are all workers, at `hub.port`.

    It hands on TCP as it is: what comes through may be WebSockets, and TLS if the proxy ends it. There always is a
    health monitor: Octavia makes none by itself, and hands users to dead members without it. A `sacrificial` one may
    lose its last member.
    """

    vip: str = ""
    floating: bool = False
    """Whether it is reached from outside: by an address of `network.external` that leads to the VIP."""
    listen: Annotated[int, Field(ge=1, le=65535)] = 80
    method: Literal["round-robin", "least-connections", "source-ip"] = "round-robin"
    provider: str = ""
    monitor: HealthMonitor = HealthMonitor()
    idle: Annotated[Duration, Field(ge=60, le=86400)] = 300.0
    """How long a connection may say nothing before it is cut. Octavia's own 50 s are little more than the 30 s at which
    Jupyter pings the WebSocket of a kernel: one that stalls would lose it; and other applications never ping."""
    connect: Annotated[Duration, Field(ge=0.1, le=60)] = 1.0
    """How long a member may take to accept a connection before another is tried; Octavia's own is 5 s."""
    sacrificial: bool = False

    @field_validator("vip")
    @classmethod
    def _vip(cls, value: str) -> str:
        return value and str(ipaddress.IPv4Address(value))

    def check(self, hub: Hub | None, network: str, machines: Mapping[str, str]) -> None:
        """Raise ValueError unless it fits the rest of the file; `machines` are addresses by name."""
        if hub is None:
            raise ValueError("lbaas: it stands in front of a `hub`, which the file does not have")
        if FRONT in machines:
            raise ValueError(f"lbaas: the VIP is called {FRONT}, and so is a VM")
        if self.vip and ipaddress.IPv4Address(self.vip) not in ipaddress.IPv4Network(network):
            raise ValueError(f"lbaas: vip {self.vip} is outside {network}")
        if self.vip and self.vip in machines.values():
            raise ValueError(f"lbaas: vip {self.vip} is the address of a VM")


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
    calendar: Calendar | None = None
    """When a run may begin, by hand or by schedule; without one, whenever anybody likes."""

    def read(self, document: Document, problems: Problems) -> Policy:
        """With what its calendar refers to at hand; what is wrong with that is added, at its place in the file."""
        if self.calendar is None:
            return self
        return self.model_copy(update={"calendar": self.calendar.read(document, ("policy", "calendar"), problems)})
