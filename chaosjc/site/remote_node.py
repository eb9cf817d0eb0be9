"""The program that a node runs for stage cluster: it tells what it is. Standard library only.

It is sent over SSH (`python3 -c`) with a request as JSON on stdin, and answers with JSON on stdout:

    {"look": {}}                        what this node is
    {"cluster": {"manifests": {name: text}, "namespace": where those are that name none}}
                                        on the control plane: what the cluster is
"""

from __future__ import annotations

import base64
import glob
import json
import os
import ssl
import subprocess  # noqa: TID251 - this file runs on the VM, where chaosjc is not
import sys
from typing import Any

ADMIN = "/etc/kubernetes/admin.conf"
KUBELET = "/etc/kubernetes/kubelet.conf"
MADE = "/etc/kubernetes/made"  # by kubeadm, to the end
OWNED = "chaosjc/labels"  # a node's annotation: keys of its labels that the site file asked for
SILENT = "--request-timeout=5s"
SETTINGS = ("get", "configmap", "kubeadm-config", "--ignore-not-found", "-o", "jsonpath={.data.ClusterConfiguration}")
DIFFERS = 1  # kubectl diff's exit code


def look() -> dict[str, Any]:
    """Whether it was made a member, and whether an earlier attempt left something."""
    begun = any(os.path.exists(f"/etc/kubernetes/{each}") for each in ("pki", "bootstrap-kubelet.conf", "kubelet.conf"))
    settings = "/var/lib/kubelet/config.yaml"
    return {
        "member": os.path.exists(KUBELET),
        "begun": begun,
        "kubelet": read(settings) if os.path.exists(settings) else "",
    }


def cluster(manifests: dict[str, str], namespace: str) -> dict[str, Any]:
    """The control plane: absent, partial (kubeadm did not end), silent or ready; nodes, add-ons, what differs."""
    if not os.path.exists(MADE):
        return {"state": "partial" if look()["begun"] else "absent"}
    said = kubectl("get", "nodes,daemonsets,deployments", "--all-namespaces", "-o", "json", SILENT)
    settings = kubectl("--namespace", "kube-system", *SETTINGS, SILENT)
    if said.returncode or settings.returncode:
        return {"state": "silent", "why": (said.stderr or settings.stderr).strip().splitlines()[-1:], "ends": ends()}
    items = json.loads(said.stdout)["items"]
    names = {(each["kind"], each["metadata"]["name"]) for each in items}
    return {
        "state": "ready",
        "nodes": {each["metadata"]["name"]: node(each) for each in items if each["kind"] == "Node"},
        "coredns": ("Deployment", "coredns") in names,
        "unavailable": sorted(each["metadata"]["name"] for each in items if unavailable(each)),
        "differ": {name: differs(text, namespace) for name, text in manifests.items()},
        "kubeconfig": read(ADMIN),
        "settings": settings.stdout,
        "ends": ends(),
    }


def node(found: dict[str, Any]) -> dict[str, Any]:
    """What is compared of a Node."""
    ready = [each["status"] for each in found["status"].get("conditions", []) if each["type"] == "Ready"]
    return {
        "ready": ready == ["True"],
        "schedulable": not found["spec"].get("unschedulable", False),
        "labels": found["metadata"]["labels"],
        "owned": found["metadata"].get("annotations", {}).get(OWNED, "").split(),
    }


def ends(root: str = "/etc/kubernetes") -> float:
    """When the first of the certificates that kubeadm can renew ends, in seconds since 1970 UTC."""
    paths = [*glob.glob(f"{root}/pki/*.crt"), *glob.glob(f"{root}/pki/etcd/*.crt")]
    found = [read(each) for each in paths if os.path.basename(each) not in ("ca.crt", "front-proxy-ca.crt")]
    for path in glob.glob(f"{root}/*.conf"):
        if os.path.basename(path) == "kubelet.conf":
            continue  # its kubelet renews it
        for line in read(path).splitlines():
            key, _, value = line.strip().partition(": ")
            if key == "client-certificate-data":
                found.append(base64.b64decode(value).decode())
    return min(map(end, found))


def end(certificate: str) -> float:
    """Of one, in PEM."""
    argv = ["openssl", "x509", "-noout", "-enddate"]
    said = subprocess.run(argv, input=certificate, capture_output=True, text=True, check=True).stdout
    return ssl.cert_time_to_seconds(said.strip().partition("=")[2])


def unavailable(found: dict[str, Any]) -> bool:
    """Whether one of the system's own workloads lacks pods that should serve."""
    status = found.get("status", {})
    if found["metadata"].get("namespace") != "kube-system":
        return False
    if found["kind"] == "DaemonSet":
        return status.get("numberReady", 0) < status.get("desiredNumberScheduled", 1)
    return status.get("readyReplicas", 0) < found["spec"]["replicas"]


def differs(manifest: str, namespace: str) -> str:
    """The first lines that a server-side apply would change; empty where there are none."""
    said = kubectl("--namespace", namespace, "diff", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest)
    if said.returncode not in (0, DIFFERS):
        return said.stderr.strip()[-300:]
    if said.returncode == 0:
        return ""
    changed = [each for each in said.stdout.splitlines() if each[:1] in "+-" and each[:3] not in ("+++", "---")]
    told = [each for each in changed if "generation:" not in each]
    return "; ".join(told[:4])[:300] if told else ""


def kubectl(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """As the cluster's administrator."""
    argv = ["kubectl", "--kubeconfig", ADMIN, *words]
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)


def read(path: str) -> str:
    """A file's text."""
    with open(path) as file:
        return file.read()


def main() -> None:
    """One request, one answer."""
    request = json.load(sys.stdin)
    answer = cluster(**request["cluster"]) if "cluster" in request else look()
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
