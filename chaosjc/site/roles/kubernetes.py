"""Kubernetes nodes: containerd and the kubelet on the control plane and on workers.

What turns a node into a member of the cluster crosses machines and is `stages.cluster`'s; here is what a node has
before.
"""

from __future__ import annotations

from chaosjc.site.manifests import API_PORT, RESOLV_CONF
from chaosjc.site.model import Machine, SiteFile
from chaosjc.site.roles import Contents, File, Surroundings, Unit
from chaosjc.site.roles.storage import mount_unit

NOBODY = "192.0.2.1"
"""An address of documentation (RFC 5737): a site without name servers still has a cluster with names of its own."""

SYSCTLS = "/etc/sysctl.d/50-kubernetes.conf"
"""Read at each boot; a VM whose first boot has passed reads it before it becomes a node."""

CONTAINERD, KUBELET = "containerd.service", "kubelet.service"
PATIENCE = 30  # seconds that a node's kubelet waits for the API server before it starts without


def contents(site: SiteFile, machine: Machine, around: Surroundings) -> Contents:
    """Both parts."""
    return nodes(site, machine, around) + kubelets(site, machine, around)


def nodes(site: SiteFile, machine: Machine, around: Surroundings) -> Contents:
    """All that `kubeadm` needs to find."""
    del around
    if not is_node(site, machine):
        return Contents()
    kubelet = File(f"/etc/systemd/system/{KUBELET}", _kubelet(site, machine), live=True, restarts=KUBELET)
    servers = site.network.nameservers or (NOBODY,)
    resolv = File(RESOLV_CONF, "".join(f"nameserver {each}\n" for each in servers))
    return Contents((kubelet, resolv, File(SYSCTLS, "net.ipv4.ip_forward = 1\n")), (Unit(CONTAINERD),))


def kubelets(site: SiteFile, machine: Machine, around: Surroundings) -> Contents:
    """The kubelet itself: it has nothing to do before its node was made a member."""
    del around
    return Contents((), (Unit(KUBELET),)) if is_node(site, machine) else Contents()


def is_node(site: SiteFile, machine: Machine) -> bool:
    """Whether a machine is a member of the cluster."""
    cluster = site.kubernetes
    return cluster is not None and machine.role in (cluster.control_plane, *cluster.workers)


def _kubelet(site: SiteFile, machine: Machine) -> str:
    """After the volumes: a pod whose home is not mounted yet would wait for the kubelet's next try.

    It gives a silent API server up within half of the cluster's patience. Its own 30 s and 15 s would outlast that: to
    a control plane that hung for 30 s and is back, TCP speaks again 20 s later, and by then the node's pods are
    evicted (both variables: k8s.io/apimachinery, pkg/util/net/http.go).

    A worker's waits for the API server: the longer it asked in vain, the longer its pauses. Where it hears of its pods
    before it hears of the services, their containers fail, and are tried again 10 to 15 s later (backOffPeriod in
    k8s.io/kubernetes, pkg/kubelet/kubelet.go).
    """
    storage = site.storage
    volumes = storage.volumes if storage and machine.role in storage.clients else ()
    after = " ".join([CONTAINERD, *(mount_unit(each) for each in volumes)])
    silent = round(site.kubernetes.grace / 4) if site.kubernetes else 0
    ready = f"until curl -ks -m 2 -o /dev/null https://{site.control_plane}:{API_PORT}/readyz; do sleep 0.5; done"
    wait = "" if machine.name == site.control_plane else f"ExecStartPre=-timeout {PATIENCE} sh -c '{ready}'\n"
    return f"""\
[Unit]
Description=kubelet, the node's agent
After={after}
Wants={CONTAINERD}
ConditionPathExists=/var/lib/kubelet/config.yaml
StartLimitIntervalSec=0
[Service]
Environment=HTTP2_READ_IDLE_TIMEOUT_SECONDS={silent} HTTP2_PING_TIMEOUT_SECONDS={silent}
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
{wait}ExecStart=/usr/bin/kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \\
  --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS
KillMode=process
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
"""
