"""Settings of a cluster that runs, and its certificates: what kubeadm is told and when, and what is waited for."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaosjc.drivers import command
from chaosjc.drivers.ssh import Ssh
from chaosjc.errors import StageError
from chaosjc.site import remote_node
from chaosjc.site.change import Change
from chaosjc.site.context import Context
from chaosjc.site.model import SiteFile
from chaosjc.site.stages.cluster import Cluster
from chaosjc.site.stages.cluster_plan import ClusterFacts, MemberFact, NodeFact, labels
from chaosjc.site.stages.cluster_settings import BACK
from tests.sites import cloud_file
from tests.unit.site.shell import FakeShell

NODES = ("master", "worker-001", "worker-002")
SITE = SiteFile.restore(json.dumps(cloud_file()))
OLD = """\
11 kube-apiserver --default-not-ready-toleration-seconds=300 --default-unreachable-toleration-seconds=300
12 kube-controller-manager --node-monitor-period=2s --node-monitor-grace-period=12s --leader-elect=false \
--pvclaimbinder-sync-period=2s
13 kube-scheduler --leader-elect=false
"""
WELL = {"/readyz": "ok", "pgrep -a": OLD.replace("=300", "=10")}


def facts(**changed: Any) -> ClusterFacts:
    member = MemberFact(member=True, begun=True)
    nodes = {name: NodeFact(True, True, labels(SITE, name), tuple(labels(SITE, name))) for name in NODES}
    return ClusterFacts(
        "ready", dict.fromkeys(NODES, member), nodes, coredns=True, addresses={"master": "10.67.0.9"}, **changed
    )


def applied(context: Context, shell: FakeShell, *changes: Change, found: ClusterFacts | None = None) -> None:
    context = replace(context, site=SITE, ssh=Ssh(context.state.ssh_config, shell))
    Cluster().apply(context, found or facts(), changes)


class TestSettings:
    CHANGE = Change("cluster", "settings", "of master", "update", vm="master")

    def test_kubeadm_keeps_them_once_the_control_plane_runs_with_them(self, context: Context) -> None:
        shell = FakeShell(WELL)
        applied(context, shell, self.CHANGE)
        steps = ("init phase control-plane all", "pgrep -a", "/readyz", "init phase upload-config all", "wait ")
        assert [shell.position(each) for each in steps] == sorted(shell.position(each) for each in steps)
        told = shell.ran[shell.position(steps[0])]
        assert "ClusterConfiguration" in told.stdin

    def test_what_does_not_run_with_them_is_told(self, context: Context) -> None:
        shell = FakeShell({**WELL, "pgrep -a": OLD})
        with pytest.raises(StageError, match=f"no control plane that runs as it was told after {BACK:.0f} s"):
            applied(context, shell, self.CHANGE)
        assert not shell.has_run("upload-config")

    def test_what_does_not_answer_is_told(self, context: Context) -> None:
        shell = FakeShell({**WELL, "/readyz": (1, "connection refused")})
        with pytest.raises(StageError, match="no control plane that answers"):
            applied(context, shell, self.CHANGE)

    def test_kubelets_read_what_kubeadm_keeps(self, context: Context) -> None:
        shell = FakeShell(WELL)
        changes = [Change("cluster", "kubelet settings", name, "update", vm=name) for name in NODES[:2]]
        applied(context, shell, *changes)
        assert not shell.has_run("control-plane all")
        uploaded = shell.position("init phase upload-config kubelet")
        for name in NODES[:2]:
            fetched = shell.position(f"{name}: kubeadm upgrade node phase kubelet-config")
            assert uploaded < fetched < shell.position(f"{name}: systemctl restart kubelet.service")
        assert not shell.has_run("worker-002: ")


class TestCertificates:
    CHANGE = Change("cluster", "certificates", "of master", "renew", vm="master")

    def test_everybody_gets_the_new_ones(self, context: Context) -> None:
        shell = FakeShell({**WELL, "cat /etc/kubernetes/admin.conf": "a new one"})
        applied(context, shell, self.CHANGE)
        steps = ("kubeadm certs renew all", "kill $pids", "/readyz", "cat /etc/kubernetes/admin.conf")
        assert [shell.position(each) for each in steps] == sorted(shell.position(each) for each in steps)
        assert context.state.kubeconfig.read_text() == "a new one"
        assert shell.has_run("monitor: sh -ec install -d -m 0700 /etc/etcd-backup")
        assert not shell.has_run("sa.key"), "the authorities are the same"

    def test_the_first_to_end_counts(self, tmp_path: Path) -> None:
        (tmp_path / "pki" / "etcd").mkdir(parents=True)
        certify(tmp_path / "pki" / "ca.crt", days=1)
        certify(tmp_path / "pki" / "apiserver.crt", days=365)
        certify(tmp_path / "pki" / "etcd" / "server.crt", days=300)
        served = remote_node.end((tmp_path / "pki" / "etcd" / "server.crt").read_text())
        assert remote_node.ends(str(tmp_path)) == served
        for name, days in (("kubelet.conf", 2), ("admin.conf", 200)):
            certify(tmp_path / "user.crt", days=days)
            data = base64.b64encode((tmp_path / "user.crt").read_bytes()).decode()
            (tmp_path / name).write_text(f"users:\n- user:\n    client-certificate-data: {data}\n")
        assert round((served - remote_node.ends(str(tmp_path))) / 86400) == 100


class TestLabels:
    def test_a_node_notes_what_is_the_files(self, context: Context) -> None:
        shell = FakeShell(WELL)
        found = facts()
        key = "hub.jupyter.org/node-purpose"
        node = NodeFact(True, True, {key: "user", "chosen": "yes"}, (key, "chosen"))
        found = replace(found, nodes={**found.nodes, "worker-001": node})
        applied(context, shell, Change("cluster", "labels", "worker-001", "update"), found=found)
        assert shell.has_run(f"label node worker-001 --overwrite {key}=core chosen-")
        assert shell.has_run(f"annotate node worker-001 --overwrite chaosjc/labels={key}")

    def test_what_a_node_says_of_it_is_read(self) -> None:
        metadata = {"name": "x", "labels": {}, "annotations": {remote_node.OWNED: "a b/c"}}
        assert remote_node.node({"metadata": metadata, "status": {}, "spec": {}})["owned"] == ["a", "b/c"]


def certify(path: Path, *, days: int) -> None:
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command.run([*argv, "-keyout", "/dev/null", "-subj", "/CN=x", "-days", str(days), "-out", str(path)])
