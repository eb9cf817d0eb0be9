"""A JupyterCloud: deployed, used, changed by hand, and healed after the loss of any of its VMs."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from chaosjc.drivers.kubernetes import Cluster
from chaosjc.site.change import Change
from chaosjc.site.stages.cluster import Cluster as ClusterStage
from tests.lab.cloud import lab_command, measured, until
from tests.lab.jupytercloud.hub import asking, ladder_succeeded, number, up_again
from tests.lab.runs import Stage

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

KUBECTL = "sudo kubectl --kubeconfig /etc/kubernetes/admin.conf"
HOMES = "/srv/homes/users"


def kubectl(stage: Stage, words: str) -> str:
    done = stage.site.ssh("master", f"{KUBECTL} {words}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def delete_vm(stage: Stage, name: str) -> None:
    cloud = stage.site.context().cloud
    cloud.delete_server(next(each.id for each in cloud.servers() if each.name == name))


def lost(stage: Stage) -> float:
    with asking(stage) as prometheus:
        return number(prometheus, "sum(chaosjc_hub_live_lost_kernels_total)")


def live(stage: Stage, since: float = 0.0) -> bool:
    """Whether both workers' notebooks answer, by what was scraped since then."""
    with asking(stage) as prometheus:
        return number(prometheus, f"sum(chaosjc_hub_live_ok and timestamp(chaosjc_hub_live_ok) > {since:.3f})") == 2


def test_a_second_deploy_plans_nothing_and_everything_is_verified(stage: Stage) -> None:
    assert stage.site.run("deploy") == []
    found = stage.site.run("verify")
    assert [each for each in found if not each["held"]] == []
    told = {each["what"] for each in found}
    assert {"control plane master", "node worker-001", "node worker-002", "release hub"} <= told
    assert {"pods coredns", "pods cni", "pods kube-proxy", "pods hub", "pods proxy"} <= told
    assert "a canary logs in, starts a server and executes a cell" in told


def test_a_users_home_is_his_alone_on_every_worker_and_on_every_brick(stage: Stage) -> None:
    user = "canary-live-worker-001"
    until(lambda: live(stage), 60, every=1)
    write = "-n jhub exec jupyter-canary-live-worker-001 -- sh -c 'echo from one > /home/jovyan/note'"
    kubectl(stage, write)
    for worker in ("worker-001", "worker-002"):
        by_user = f"sudo setpriv --reuid 1000 --clear-groups cat {HOMES}/{user}/note"
        assert stage.site.ssh(worker, by_user).stdout == "from one\n"
        assert stage.site.ssh(worker, f"sudo stat -c '%a %u' {HOMES}/{user}").stdout == "700 1000\n"
        denied = stage.site.ssh(worker, f"sudo setpriv --reuid 1001 --clear-groups cat {HOMES}/{user}/note")
        assert "Permission denied" in denied.stderr
    other = "-n jhub exec jupyter-canary-live-worker-002 -- sh -c 'ls -A /home/jovyan; ls /home'"
    assert "note" not in kubectl(stage, other), "who has another server has none of the first one's files"
    for brick in ("brick-001", "brick-002", "brick-003"):
        assert stage.site.ssh(brick, f"sudo cat /data/homes/users/{user}/note").stdout == "from one\n"


BY_HAND = {
    "label node worker-002 --overwrite hub.jupyter.org/node-purpose=core": "update labels worker-002",
    "cordon worker-002": "update node worker-002",
    "-n kube-system set image daemonset/flannel flannel=lab.local/other:1": "update manifest flannel",
    '-n jhub patch service proxy-public -p \'{"spec":{"type":"ClusterIP"}}\'': "update release hub",
}
"""What somebody does with kubectl, and what a deploy would do about it."""


def test_what_somebody_changed_in_the_cluster_is_planned_and_mended(stage: Stage) -> None:
    for words in BY_HAND:
        kubectl(stage, words)
    stage.site.by_hand("worker-001", "sudo systemctl stop kubelet")
    assert {*BY_HAND.values(), "update unit worker-001:kubelet.service"} <= stage.site.planned()
    stage.site.run("deploy")
    assert stage.site.run("plan") == []


def test_a_changed_value_of_the_file_is_planned(stage: Stage) -> None:
    text = stage.site.file.read_text()
    raw: dict[str, Any] = yaml.safe_load(text)
    raw["hub"]["values"]["singleuser"]["memory"]["limit"] = "900M"
    stage.site.file.write_text(yaml.safe_dump(raw, sort_keys=False))
    try:
        (change,) = stage.site.run("plan")
    finally:
        stage.site.file.write_text(text)
    assert (change["kind"], change["before"]) == ("release", "other values: singleuser.memory.limit")


class TestLoss:
    @pytest.mark.long  # worker-vm-terminated does the same by a run
    def test_a_deleted_worker_joins_again(self, stage: Stage, kubernetes: Cluster) -> None:
        until(lambda: live(stage), 90, every=1)
        before = {each.name: each for each in kubernetes.nodes()}
        delete_vm(stage, "worker-002")
        with measured("site deploy after the loss of a worker"):
            stage.site.run("deploy")
        after = {each.name: each for each in kubernetes.nodes()}
        assert after["worker-002"].uid != before["worker-002"].uid
        assert after["worker-001"].uid == before["worker-001"].uid
        with measured("until its live server answers"):
            until(lambda: live(stage), 120, every=1)
        assert stage.site.run("plan") == []

    def test_a_deleted_control_plane_comes_back_with_everything_it_knew(self, stage: Stage) -> None:
        until(lambda: live(stage), 90, every=1)
        pods = json.loads(kubectl(stage, "-n jhub get pods -o json"))["items"]
        users = {each["metadata"]["uid"] for each in pods if each["metadata"]["name"].startswith("jupyter-canary-live")}
        uids = kubectl(stage, "get nodes -o jsonpath='{.items[*].metadata.uid}'")
        stage.site.by_hand("monitor", "sudo systemctl start etcd-backup.service")  # else up to half a minute later
        kernels = lost(stage)
        run = stage.run("master-vm-deleted", 0)
        assert run["verdict"] == "PASS"
        (starts,) = run["observations"]
        longest = max(each["max"] for each in starts["phases"].values())
        print(f"\nrecovered in {run['statistics']['time_to_recover_s']} s; no server started for {longest:.1f} s")
        assert kubectl(stage, "get nodes -o jsonpath='{.items[*].metadata.uid}'") == uids
        pods = json.loads(kubectl(stage, "-n jhub get pods -o json"))["items"]
        assert users <= {each["metadata"]["uid"] for each in pods}
        assert live(stage), "running notebooks did not notice"
        assert lost(stage) == kernels
        assert stage.site.run("plan") == []

    @pytest.mark.long
    def test_a_deleted_monitor_comes_back_with_the_hubs_database(self, stage: Stage) -> None:
        until(lambda: live(stage), 90, every=1)
        stage.site.by_hand("worker-001", "sudo systemctl start hub-dump.service")  # else up to half a minute later
        before, pod = known_to_the_hub(stage), hubs_pod(stage)
        assert before
        delete_vm(stage, "monitor")
        with measured("site deploy after the loss of the monitor"):
            stage.site.run("deploy")
        assert before <= known_to_the_hub(stage)
        assert hubs_pod(stage) != pod, "it has begun anew, with what the dump says"
        ladder_succeeded(stage, within=120)
        until(lambda: live(stage), 120, every=1)
        assert stage.site.run("plan") == []
        found = {each["what"]: each["held"] for each in stage.site.run("verify")}
        assert [held for what, held in found.items() if what.startswith("backup of ")] == [True, True]


def known_to_the_hub(stage: Stage) -> set[str]:
    """Users, each with the time at which it was made."""
    query = "psql --host=/run/postgresql -qAt hub -c 'select name, created from users'"
    done = stage.site.ssh("monitor", f"sudo runuser -u postgres -- {query}")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines())


def hubs_pod(stage: Stage) -> str:
    return kubectl(stage, "-n jhub get pods -l component=hub -o jsonpath='{.items[*].metadata.uid}'")


@pytest.mark.long
def test_another_patience_is_applied_to_the_cluster_that_runs(stage: Stage) -> None:
    text = stage.site.file.read_text()
    raw: dict[str, Any] = yaml.safe_load(text)
    raw["kubernetes"] |= {"grace": "16s", "eviction": "12s"}
    stage.site.file.write_text(yaml.safe_dump(raw, sort_keys=False))
    try:
        planned = stage.site.planned()
        assert {"update settings of master", "update kubelet settings worker-001"} <= planned
        stage.site.run("deploy")
        assert stage.site.run("plan") == []
    finally:
        stage.site.file.write_text(text)
    stage.site.run("deploy")
    assert stage.site.run("plan") == []


@pytest.mark.long
def test_renewed_certificates_are_everybodys(stage: Stage) -> None:
    context, cluster = stage.site.context(), ClusterStage()
    ends = cluster.facts(context, patient=True).ends
    renewal = Change("cluster", "certificates", "of master", "renew", vm="master")
    cluster.apply(context, cluster.facts(context, patient=True), [renewal])
    after = cluster.facts(context, patient=True).ends
    assert ends and after and after > ends
    stage.site.by_hand("monitor", "sudo systemctl start etcd-backup.service")
    assert stage.site.run("plan") == []


def test_a_lab_that_goes_down_comes_back_with_a_hub_that_spawns(stage: Stage) -> None:
    lab = stage.site.lab
    until(lambda: live(stage), 90, every=1)
    with measured("lab down with a JupyterCloud on it"):
        lab_command(lab, "down")
    with measured("lab up to a hub that spawns"):
        began = up_again(stage, within=120)
    with measured("and on to cells that are executed on every worker"):
        ladder_succeeded(stage, within=60, since=began)
        until(lambda: live(stage, began), 60)
    assert stage.site.run("plan") == []
