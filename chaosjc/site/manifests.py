"""What the site applies to its cluster by itself, and what kubeadm is told; as data. All pure.

Flannel's manifest follows its documentation (Documentation/kube-flannel.yml): a DaemonSet on the nodes' own network,
which writes the CNI configuration and keeps the routes. What a kubeadm file may say is in Kubernetes' reference
(kubeadm-config.v1beta4, kubelet-config.v1beta1, kube-proxy-config.v1alpha1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from chaosjc.site.model import SiteFile
from chaosjc.site.sections import Kubernetes

API_PORT = 6443
RESOLV_CONF = "/etc/kubernetes/resolv.conf"
"""What names outside the cluster are asked of; CoreDNS does not start without one."""
SYSTEM = "kube-system"
PROMETHEUS = "prometheus"
"""Account, role and secret of the site's Prometheus, which runs outside the cluster."""
_CNI = {
    "name": "cbr0",
    "cniVersion": "0.3.1",
    "plugins": [{"type": "flannel"}, {"type": "portmap", "capabilities": {"portMappings": True}}],
}
_ALONE = {"leader-elect": "false"}
"""There is one control plane. With an election its managers waited for their own lease to end, 15 to 20 s, whenever
they came back: no service had endpoints and no pod was placed meanwhile (kube-controller-manager's reference: "enable
this when running replicated components")."""

Object = dict[str, Any]


def manifests(site: SiteFile) -> dict[str, str]:
    """Text for `kubectl apply`, by name: a JSON list each, which is YAML."""
    cluster = site.kubernetes
    if cluster is None:
        return {}
    found = {"flannel": _flannel(cluster, site.control_plane), PROMETHEUS: _prometheus()}
    return {name: json.dumps({"apiVersion": "v1", "kind": "List", "items": items}) for name, items in found.items()}


def kubeadm_init(site: SiteFile, cluster: Kubernetes, address: str) -> str:
    """For `kubeadm init --config`. CoreDNS comes when there are workers: both its pods would land on the master."""
    master = site.control_plane
    init: Object = {
        **_kubeadm("InitConfiguration"),
        "bootstrapTokens": [],
        "localAPIEndpoint": {"advertiseAddress": address, "bindPort": API_PORT},
        "nodeRegistration": {"name": master, "imagePullPolicy": cluster.pull},
        "skipPhases": ["addon/coredns"],
    }
    parts = [init, cluster_configuration(cluster, master), kubelet_configuration(cluster), _kube_proxy()]
    return "\n---\n".join(map(json.dumps, parts))


def kubeadm_join(cluster: Kubernetes, node: str, endpoint: str, token: str, digest: str) -> str:
    """For `kubeadm join --config`; `digest` is that of the cluster's authority, `sha256:…`."""
    bootstrap = {"apiServerEndpoint": endpoint, "token": token, "caCertHashes": [digest]}
    join: Object = {
        **_kubeadm("JoinConfiguration"),
        "discovery": {"bootstrapToken": bootstrap},
        "nodeRegistration": {"name": node, "imagePullPolicy": cluster.pull},
    }
    return json.dumps(join)


def _kubeadm(kind: str) -> Object:
    return {"apiVersion": "kubeadm.k8s.io/v1beta4", "kind": kind}


def cluster_configuration(cluster: Kubernetes, master: str) -> Object:
    """What kubeadm keeps in `kubeadm-config`.

    By name, so that a master at another address is still the one that certificates speak of.
    """
    tolerations = {
        f"default-{each}-toleration-seconds": f"{cluster.eviction:.0f}" for each in ("not-ready", "unreachable")
    }
    manager = {
        "node-monitor-period": f"{min(5.0, cluster.grace / 6):.0f}s",
        "node-monitor-grace-period": f"{cluster.grace:.0f}s",
        "pvclaimbinder-sync-period": "2s",  # a claim that is seen before its volume waits for it; stock 15 s
    }
    return {
        **_kubeadm("ClusterConfiguration"),
        "kubernetesVersion": cluster.version,
        "imageRepository": cluster.images,
        "controlPlaneEndpoint": f"{master}:{API_PORT}",
        "networking": {"podSubnet": cluster.pods, "serviceSubnet": cluster.services},
        "apiServer": {"certSANs": [master, "localhost", "127.0.0.1"], "extraArgs": _arguments(tolerations)},
        "controllerManager": {"extraArgs": _arguments(manager | _ALONE)},
        "scheduler": {"extraArgs": _arguments(_ALONE)},
    }


def kubelet_configuration(cluster: Kubernetes) -> Object:
    """What kubeadm keeps of it in `kubelet-config`, and every kubelet reads."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": cluster.cgroup_driver,
        "failCgroupV1": False,
        "resolvConf": RESOLV_CONF,
        "nodeStatusUpdateFrequency": f"{min(10.0, cluster.grace / 4):.0f}s",
        "shutdownGracePeriod": "10s",
        "shutdownGracePeriodCriticalPods": "2s",
    }


def _kube_proxy() -> Object:
    """The connection tracker's size is the host's in a container, and cannot be set there."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "conntrack": {"maxPerCore": 0},
    }


def _arguments(values: Mapping[str, str]) -> list[Object]:
    return [{"name": name, "value": value} for name, value in values.items()]


def _flannel(cluster: Kubernetes, master: str) -> list[Object]:
    name: Object = {"name": "flannel", "namespace": SYSTEM}
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]},
    ]
    network = {"Network": cluster.pods, "EnableNFTables": False, "Backend": {"Type": "vxlan"}}
    return [
        *_account("flannel", rules),
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": name,
            "data": {"net-conf.json": json.dumps(network), "cni-conf.json": json.dumps(_CNI)},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {**name, "labels": {"app": "flannel"}},
            "spec": {
                "selector": {"matchLabels": {"app": "flannel"}},
                "template": {"metadata": {"labels": {"app": "flannel"}}, "spec": _flannel_pod(cluster, master)},
            },
        },
    ]


def _prometheus() -> list[Object]:
    """It may read metrics of kubelets and nothing else. The token does not expire: nobody is there to renew it."""
    rules = [{"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]}]
    about = {"kubernetes.io/service-account.name": PROMETHEUS}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/service-account-token",
        "metadata": {"name": PROMETHEUS, "namespace": SYSTEM, "annotations": about},
    }
    return [*_account(PROMETHEUS, rules), secret]


def _account(name: str, rules: list[Object]) -> list[Object]:
    """A service account of the system, and what it may do in the whole cluster."""
    account: Object = {"name": name, "namespace": SYSTEM}
    rbac = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account},
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", **account}],
        },
    ]


def _flannel_pod(cluster: Kubernetes, master: str) -> Object:
    """It asks the API server itself, not the service's address: kube-proxy may come up later than flannel.

    One container does all of it: pods wait for their network, and one before it would cost each boot two seconds.
    """
    start = 'cp -f /etc/kube-flannel/cni-conf.json /etc/cni/net.d/10-flannel.conflist; exec /opt/bin/flanneld "$@"'
    return {
        "hostNetwork": True,
        "priorityClassName": "system-node-critical",
        "tolerations": [{"operator": "Exists"}],
        "serviceAccountName": "flannel",
        "containers": [
            {
                **_container(cluster, "flannel"),
                "command": ["sh", "-ec", start, "flannel"],
                "args": ["--ip-masq", "--kube-subnet-mgr"],
                "env": [
                    {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
                    {"name": "KUBERNETES_SERVICE_HOST", "value": master},
                    {"name": "KUBERNETES_SERVICE_PORT", "value": str(API_PORT)},
                ],
                "securityContext": {"privileged": True},
                "volumeMounts": [
                    {"name": "cni", "mountPath": "/etc/cni/net.d"},
                    {"name": "run", "mountPath": "/run/flannel"},
                    {"name": "config", "mountPath": "/etc/kube-flannel"},
                    {"name": "lock", "mountPath": "/run/xtables.lock"},
                ],
            }
        ],
        "volumes": [
            {"name": "run", "hostPath": {"path": "/run/flannel", "type": "DirectoryOrCreate"}},
            {"name": "cni", "hostPath": {"path": "/etc/cni/net.d", "type": "DirectoryOrCreate"}},
            {"name": "config", "configMap": {"name": "flannel"}},
            {"name": "lock", "hostPath": {"path": "/run/xtables.lock", "type": "FileOrCreate"}},
        ],
    }


def _container(cluster: Kubernetes, name: str) -> Object:
    return {"name": name, "image": cluster.cni_image, "imagePullPolicy": cluster.pull}
