"""The program that a node runs for stage cluster: it tells what it is. Standard library only.

It is sent over SSH (`python3 -c`) with a request as JSON on stdin, and answers with JSON on stdout:

    {"look": {}}                        what this node is
    {"cluster": {"manifests": {name: text}, "namespace": where those are that name none}}
                                        on the control plane: what the cluster is
"""

from __future__ import annotations

import json
import os
import subprocess  # noqa: TID251 - this file runs on the VM, where chaosjc is not
import sys
from typing import Any

ADMIN = "/etc/kubernetes/admin.conf"
KUBELET = "/etc/kubernetes/kubelet.conf"
MADE = "/etc/kubernetes/made"  # by kubeadm, to the end
SILENT = "--request-timeout=5s"
DIFFERS = 1  # kubectl diff's exit code


def look() -> dict[str, Any]:
    """Whether it was made a member, and whether an earlier attempt left something."""
    begun = any(os.path.exists(f"/etc/kubernetes/{each}") for each in ("pki", "bootstrap-kubelet.conf", "kubelet.conf"))
    return {"member": os.path.exists(KUBELET), "begun": begun}


def cluster(manifests: dict[str, str], namespace: str) -> dict[str, Any]:
    """The control plane: absent, partial (kubeadm did not end), silent or ready; nodes, add-ons, what differs."""
    if not os.path.exists(MADE):
        return {"state": "partial" if look()["begun"] else "absent"}
    said = kubectl("get", "nodes,daemonsets,deployments", "--all-namespaces", "-o", "json", SILENT)
    if said.returncode:
        return {"state": "silent", "why": said.stderr.strip().splitlines()[-1:]}
    items = json.loads(said.stdout)["items"]
    names = {(each["kind"], each["metadata"]["name"]) for each in items}
    return {
        "state": "ready",
        "nodes": {each["metadata"]["name"]: node(each) for each in items if each["kind"] == "Node"},
        "coredns": ("Deployment", "coredns") in names,
        "unavailable": sorted(each["metadata"]["name"] for each in items if unavailable(each)),
        "differ": {name: differs(text, namespace) for name, text in manifests.items()},
        "kubeconfig": read(ADMIN),
    }


def node(found: dict[str, Any]) -> dict[str, Any]:
    """What is compared of a Node."""
    ready = [each["status"] for each in found["status"].get("conditions", []) if each["type"] == "Ready"]
    return {
        "ready": ready == ["True"],
        "schedulable": not found["spec"].get("unschedulable", False),
        "labels": found["metadata"]["labels"],
    }


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
