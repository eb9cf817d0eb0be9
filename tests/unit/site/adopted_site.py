"""A site that others deployed, as Nova, Kubernetes and GlusterFS show it."""

from __future__ import annotations

import json
from typing import Any

from chaosjc.drivers.gluster_values import BrickInfo, VolumeInfo
from chaosjc.drivers.kubernetes_values import Node
from chaosjc.drivers.openstack_values import Server
from chaosjc.site.draft import Facts
from chaosjc.site.model import SiteFile

ADDRESSES = {
    "jump": "192.0.2.9",
    "k8s-master-1": "10.1.0.10",
    "k8s-node-a": "10.1.0.11",
    "k8s-node-b": "10.1.0.12",
    "gluster01.storage": "10.1.0.21",
    "gluster02.storage": "10.1.0.22",
    "gluster03.storage": "10.1.0.23",
    "metrics": "10.1.0.30",
    "jenkins": "10.1.0.99",
}
SERVERS = tuple(Server(f"id-{name}", name, "ACTIVE", addresses=(at,)) for name, at in ADDRESSES.items())
NODES = (
    Node("k8s-master-1", "m", True, True, labels={"node-role.kubernetes.io/control-plane": ""}),
    Node("k8s-node-a.example.org", "a", True, True, addresses=("10.1.0.11",)),
    Node("node-of-b", "b", True, True, addresses=("10.1.0.12",)),
)
BRICKS = tuple(BrickInfo(host, "/bricks/homes") for host in ("gluster01.storage", "10.1.0.22", "gluster03.storage.lan"))
HOMES = VolumeInfo("homes", "u", "Started", 3, 0, BRICKS, {})


def facts(**more: Any) -> Facts:
    known: dict[str, Any] = {
        "name": "campus",
        "cloud": "campus",
        "state": "/srv/chaosjc/campus",
        "servers": SERVERS,
        "ssh_config": "/home/ada/.ssh/config",
        "kubeconfig": "/home/ada/kubeconfig",
        "bastion": "jump",
        "prometheus": "metrics",
        "nodes": NODES,
        "hubs": (("jhub", "jupyterhub"),),
        "volumes": (HOMES,),
        "clients": {"homes": {"10.1.0.11", "10.1.0.12", "10.1.0.21"}},
        "mounts": {"homes": "/srv/homes"},
    }
    return Facts(**(known | more))


def raw(**more: Any) -> dict[str, Any]:
    """A site file; `adopted` is merged, not replaced."""
    adopted = {
        "ssh_config": "/home/ada/.ssh/config",
        "servers": {"worker": "k8s-node-*", "brick": ["gluster0*"], "bastion": "jump"},
        **more.pop("adopted", {}),
    }
    return {
        "apiVersion": "chaosjc/v1",
        "kind": "Site",
        "name": "campus",
        "environment": "test",
        "cloud": "campus",
        "managed": False,
        "adopted": adopted,
        "storage": {"volumes": {"homes": {"mount": "/srv/homes"}}},
        "policy": {"targets": ["worker", "brick"]},
        **more,
    }


def adopted_site(**more: Any) -> SiteFile:
    return SiteFile.restore(json.dumps(raw(**more)))
