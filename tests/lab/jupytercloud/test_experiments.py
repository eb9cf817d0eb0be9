"""The experiments on the hub, on the real thing."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from chaosjc.cli.demo.calm import calm
from chaosjc.drivers.kubernetes import Cluster
from chaosjc.site.state import SiteState
from tests.lab.jupytercloud.hub import asking, number
from tests.lab.runs import Stage, hypothesis
from tests.lab.site import ROOT

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.fixture(autouse=True)
def _calm(stage: Stage) -> None:
    settle(stage)


def settle(stage: Stage) -> None:
    """Return once nothing is left to see of what was broken before."""
    assert calm(SiteState.of("", str(stage.site.state))), stage.site.told()


def worst(run: dict[str, Any], name: str, phase: str = "during") -> float:
    return hypothesis(run, name)["phases"][phase]["worst"]


def test_a_killed_hub_pod_costs_logins_and_no_notebook(stage: Stage) -> None:
    run = stage.run("hub-pod-killed", 0)
    assert run["verdict"] == "PASS"
    away = worst(run, "logins are away no longer than promised")
    print(f"\nlogins away for {away:.1f} s")
    assert 0.5 < away < 20, "killed, it must have been away"
    assert hypothesis(run, "running notebooks never miss a cell")["phases"]["during"]["violated_s"] == 0


def test_a_hub_that_was_scaled_to_nothing_passes_for_moments_and_fails_for_long(stage: Stage) -> None:
    logins = "logins are away no longer than promised"
    run = stage.run("hub-scaled-to-zero", 0)
    assert run["verdict"] == "PASS"
    settle(stage)
    run = stage.run("hub-scaled-to-zero", 1, "--set", "away=10s", "--set", "longest_outage=5s")
    assert (run["verdict"], run["code"]) == ("FAIL", "violated")
    assert worst(run, logins) > 9
    assert hypothesis(run, "running notebooks never miss a cell")["phases"]["during"]["violated_s"] == 0


def test_a_killed_proxy_pod_leads_back_within_the_hubs_interval(stage: Stage) -> None:
    lost = "sum(chaosjc_hub_live_lost_connections_total)"
    with asking(stage) as prometheus:
        before = number(prometheus, lost)
    run = stage.run("proxy-pod-killed", 0)
    assert run["verdict"] == "PASS"
    with asking(stage) as prometheus:
        assert number(prometheus, lost) - before >= 2, "all connections ended"
        assert number(prometheus, "chaosjc_hub_last_activity_interval_seconds") == 30, "as the site's file says"
    away = worst(run, "running notebooks are away no longer than promised")
    print(f"\nrunning notebooks away for {away:.1f} s, of the hub's 30")


def test_a_killed_users_pod_is_made_up_for(stage: Stage) -> None:
    run = stage.run("user-pod-killed", 0)
    assert run["verdict"] == "PASS"
    assert run["faults"][0]["targets"][0]["outcome"] == "whole"


def test_a_terminated_worker_costs_its_own_users_alone(stage: Stage, kubernetes: Cluster) -> None:
    before = {each.name: each.uid for each in kubernetes.nodes()}
    run = stage.run("worker-vm-terminated", 0)
    assert run["verdict"] == "PASS"
    assert hypothesis(run, "users of other workers are answered all the time")["phases"]["during"]["samples"] >= 25
    assert hypothesis(run, "users of other workers never miss a cell")["phases"]["during"]["violated_s"] == 0
    moved = worst(run, "its own user can start again elsewhere within the promised time", "after")
    assert moved > 0, "it was not lost with its worker"
    after = {each.name: each.uid for each in kubernetes.nodes()}
    assert [name for name in before if before[name] != after[name]] == ["worker-002"], "it has joined again"
    print(f"\nits own user could start again elsewhere after {moved:.1f} s")


def test_a_frozen_worker_within_the_clusters_patience_loses_nothing(stage: Stage) -> None:
    assert stage.run("notebook-worker-frozen", 0)["verdict"] == "PASS"


def test_a_frozen_control_plane_is_not_noticed_by_notebooks(stage: Stage) -> None:
    run = stage.run("master-vm-frozen", 0)
    assert run["verdict"] == "PASS"


@pytest.mark.long
def test_a_control_plane_that_was_away_for_long_is_seen_again_without_a_restart_of_the_hub(stage: Stage) -> None:
    """After so long the hub's watches may have given up: a start or two fail then, and the hub must not."""
    run = stage.run("master-vm-frozen", 0, "--set", "freeze=90s", "--set", "longest_blindness=4m")
    assert run["verdict"] == "PASS"
    assert hypothesis(run, "the hub is not restarted")["phases"]["after"]["samples"] >= 1
    (starts,) = [each for each in run["observations"] if each["name"] == "seconds without a start of a server"]
    print(f"\nno server could be started for {max(each['max'] for each in starts['phases'].values()):.1f} s")


@pytest.mark.long
def test_a_control_plane_that_was_shut_down_is_started_again(stage: Stage) -> None:
    """It promises what one does that was lost."""
    raw = yaml.safe_load((ROOT / "experiments/master-vm-deleted.yaml").read_text())
    raw |= {
        "name": "master-vm-stopped",
        "faults": [{"fault": "vm.stop", "target": {"name": "master"}, "duration": "10s"}],
    }
    file = stage.site.state / "master-vm-stopped.yaml"
    file.write_text(yaml.safe_dump(raw, sort_keys=False))
    assert stage.run(str(file), 0)["verdict"] == "PASS"


@pytest.mark.long
def test_the_network_pods_of_a_worker_are_killed_and_nobody_notices(stage: Stage, kubernetes: Cluster) -> None:
    def pods() -> set[tuple[str, str, str]]:
        found = [pod for pod in kubernetes.pods("kube-system") if pod.component in ("cni", "kube-proxy")]
        return {(pod.component, pod.node, pod.uid) for pod in found}

    before = pods()
    run = stage.run("node-network-killed", 0)
    assert run["verdict"] == "PASS"
    assert [each["targets"][0]["outcome"] for each in run["faults"]] == ["whole", "whole"]
    assert {(what, node) for what, node, _ in before - pods()} == {("cni", "worker-002"), ("kube-proxy", "worker-002")}
    assert {each[:2] for each in before} == {each[:2] for each in pods()}


@pytest.mark.long
def test_a_frozen_hub_is_away_until_it_is_thawed(stage: Stage) -> None:
    run = stage.run("hub-pod-frozen", 0)
    assert run["verdict"] == "PASS"
    away = worst(run, "logins are away no longer than promised")
    assert 7 < away < 15, f"frozen for 10 s, it was away for {away}"


@pytest.mark.long
def test_a_drained_worker_has_its_users_back(stage: Stage) -> None:
    run = stage.run("worker-drained", 0)
    assert run["verdict"] == "PASS"
    assert run["faults"][0]["targets"][0]["outcome"] == "whole"


@pytest.mark.long
def test_a_worker_is_taken_out_of_the_balancer_and_nobody_notices(stage: Stage) -> None:
    run = stage.run("lb-member-disabled", 0)
    assert run["verdict"] == "PASS"
    assert run["faults"][0]["targets"][0]["outcome"] == "whole"


def test_a_frozen_member_is_taken_out_by_the_health_monitor(stage: Stage) -> None:
    run = stage.run("lb-member-frozen", 0)
    assert run["verdict"] == "PASS"
    print(f"\nby the balancer nobody came in for {worst(run, 'users come in by the balancer, at last'):.1f} s")


def test_all_of_them_left_a_whole_site(stage: Stage) -> None:
    stage.assert_whole()
