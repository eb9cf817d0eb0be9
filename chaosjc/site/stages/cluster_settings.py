"""Settings of a cluster that kubeadm has made: how those that it keeps differ from the site file, and their change.

Those of the control plane are flags of its static pods; those of kubelets lie on each node. Networks, version and where
images come from are a cluster's for ever, as far as this goes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from chaosjc.errors import StageError
from chaosjc.site.context import Context, in_parallel
from chaosjc.site.manifests import cluster_configuration, kubelet_configuration
from chaosjc.site.roles.kubernetes import KUBELET
from chaosjc.site.sections import Kubernetes
from chaosjc.site.stages.base import KUBECTL, run_on

STEP = 180.0  # seconds for one
BACK = 120.0  # seconds in which the control plane must run as it was told, and answer
_PROGRAMS = {
    "apiServer": "kube-apiserver",
    "controllerManager": "kube-controller-manager",
    "scheduler": "kube-scheduler",
}
_PROCESSES = "etcd|kube-apiserver|kube-controller|kube-scheduler"  # as the kernel has them: 15 characters
_RESTART = f"""\
pids=$(pgrep -x '{_PROCESSES}')
kill $pids
for pid in $pids; do while test -e /proc/$pid; do sleep 0.2; done; done
"""


def refuse(stage: str, cluster: Kubernetes, text: str, kubelet: str) -> None:
    """Raise StageError for a setting that no deploy changes; `text` is what kubeadm keeps, `kubelet` the master's."""
    found, settings = _read(text), _read(kubelet)
    network: dict[str, Any] = found.get("networking") or {}
    pairs = {
        "version": (found.get("kubernetesVersion"), cluster.version),
        "images": (found.get("imageRepository"), cluster.images),
        "pods": (network.get("podSubnet"), cluster.pods),
        "services": (network.get("serviceSubnet"), cluster.services),
        "cgroup_driver": (settings.get("cgroupDriver"), cluster.cgroup_driver),
    }
    wrong = [f"{name} is {a}, the site file says {b}" for name, (a, b) in pairs.items() if a and a != b]
    if wrong:
        raise StageError(
            f"{stage}: kubernetes: {'; '.join(wrong)}",
            hint="a deploy does not change that of a cluster: let the file say what is; change it by hand first "
            "(kubeadm upgrade); or destroy the site and deploy another",
        )


def control_plane(cluster: Kubernetes, master: str, text: str) -> tuple[str, str] | None:
    """How its flags differ, before and after."""
    found, wanted = _flags(_read(text)), _flags(cluster_configuration(cluster, master))
    return _differences(found, wanted)


def kubelet(cluster: Kubernetes, text: str) -> tuple[str, str] | None:
    """How a kubelet's settings differ, before and after: those that follow from the site file."""
    found, wanted = _read(text), kubelet_configuration(cluster)
    key = "nodeStatusUpdateFrequency"
    return _differences({key: found[key]} if key in found else {}, {key: wanted[key]})


class Settings:
    """Of one site's cluster. Raises Unreachable, or StageError with what a VM said."""

    def __init__(self, context: Context, stage: str) -> None:
        self._context, self._stage = context, stage
        self._master = context.site.control_plane

    def apply(self, cluster: Kubernetes, config: str) -> None:
        """To the static pods; kubeadm keeps it once they run with it, so that an attempt that was killed is seen."""
        self._kubeadm("control-plane", "all", config=config)
        wanted = cluster_configuration(cluster, self._master)
        self._until("runs as it was told", lambda: _running(self._processes(), wanted))
        self._until("answers", self._answers)
        self._kubeadm("upload-config", "all", config=config)

    def apply_to_kubelets(self, names: Sequence[str], config: str) -> None:
        """Each reads what kubeadm keeps, and begins anew; its pods run on."""
        self._kubeadm("upload-config", "kubelet", config=config)
        in_parallel(self._kubelet, names)

    def renew_certificates(self) -> None:
        """All of kubeadm's; whoever uses them reads them at its start."""
        self._run(self._master, "kubeadm", "certs", "renew", "all")
        self._run(self._master, "sh", "-ec", _RESTART)
        self._until("answers", self._answers)

    def _kubelet(self, name: str) -> None:
        self._run(name, "kubeadm", "upgrade", "node", "phase", "kubelet-config")
        self._run(name, "systemctl", "restart", KUBELET)

    def _kubeadm(self, *phase: str, config: str) -> None:
        self._run(self._master, "kubeadm", "init", "phase", *phase, "--config", "/dev/stdin", stdin=config)

    def _processes(self) -> str:
        return self._run(self._master, "sh", "-c", f"pgrep -a -x '{_PROCESSES}' || true")

    def _answers(self) -> bool:
        try:
            return self._run(self._master, *KUBECTL, "get", "--raw", "/readyz", "--request-timeout=5s") == "ok"
        except StageError:
            return False

    def _until(self, what: str, holds: Callable[[], bool]) -> None:
        end = self._context.clock.monotonic() + BACK
        while not holds():
            if self._context.clock.monotonic() > end:
                raise StageError(
                    f"{self._stage}: {self._master}: no control plane that {what} after {BACK:.0f} s",
                    hint=f"ssh -F {self._context.state.ssh_config} {self._master} sudo ctr -n k8s.io tasks list",
                )
            self._context.clock.sleep(0.5)

    def _run(self, vm: str, *argv: str, stdin: str | None = None) -> str:
        return run_on(self._context, self._stage, vm, argv, stdin=stdin, timeout=STEP)


def _running(processes: str, wanted: Mapping[str, Any]) -> bool:
    """Whether each program of the control plane runs with its flags; a line each, as pgrep has them."""
    lines = [line.split()[1:] for line in processes.splitlines()]
    for part, program in _PROGRAMS.items():
        flags = {f"--{each['name']}={each['value']}" for each in wanted[part]["extraArgs"]}
        if not any(words[0].endswith(program) and flags <= set(words) for words in lines if words):
            return False
    return True


def _read(text: str) -> dict[str, Any]:
    return yaml.safe_load(text) or {}


def _flags(configuration: Mapping[str, Any]) -> dict[str, str]:
    flags: dict[str, str] = {}
    for part, program in _PROGRAMS.items():
        told: dict[str, Any] = configuration.get(part) or {}
        listed: list[dict[str, Any]] = told.get("extraArgs") or []
        flags |= {f"{program} {each['name']}": str(each["value"]) for each in listed}
    return flags


def _differences(found: Mapping[str, str], wanted: Mapping[str, str]) -> tuple[str, str] | None:
    names = [each for each in {**wanted, **found} if found.get(each) != wanted.get(each)]
    if not names:
        return None
    before, after = (", ".join(f"{name}={side.get(name, '(none)')}" for name in names) for side in (found, wanted))
    return before, after
