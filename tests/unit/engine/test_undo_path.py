"""The ways back: cut by whom, for whom; and that no experiment of ours is refused for its own."""

from __future__ import annotations

import dataclasses
import datetime
import random
from pathlib import Path
from typing import Any

import pytest

from chaosjc.drivers.kubernetes_values import Owner
from chaosjc.drivers.openstack_values import Server
from chaosjc.engine import experiment as experiments
from chaosjc.engine import guards
from chaosjc.engine.guards import Facts
from chaosjc.engine.plan import Circumstances, plan
from chaosjc.engine.undo_path import Access
from chaosjc.faults.registry import FAULTS
from chaosjc.faults.target import TargetChoice, choose
from chaosjc.journal.events import Context, Planned, StepPlan, Target
from chaosjc.journal.live import Steady
from chaosjc.journal.store import View
from chaosjc.site import discover
from chaosjc.site import model as sites
from chaosjc.site.cluster import USER_PODS, ClusterView, Node, Pod, Workload
from chaosjc.site.credentials import Credential
from chaosjc.site.model import SiteFile
from chaosjc.site.sections import Monitoring
from chaosjc.site.topology import Brick, Front, FrontMember, ReplicaSet, Topology, Volume
from tests.unit.engine.fakes import RUN, planned, step
from tests.unit.engine.storage import other_run
from tests.unit.site.adopted_site import adopted_site
from tests.unit.site.fakes import lab_site

ROOT = Path(__file__).parents[3]
EXPERIMENTS = sorted((ROOT / "experiments").rglob("*.yaml"))
SITES = {path.stem: sites.load(path) for path in sorted((ROOT / "sites").glob("*.yaml"))}
CLOUD = SITES["jupytercloud"]


def servers(site: SiteFile) -> Topology:
    found = (
        Server(each.name, each.name, "ACTIVE", metadata={discover.SITE: site.name, discover.ROLE: each.role})
        for each in site.machines
    )
    return discover.from_servers(site, tuple(found))


def whole(site: SiteFile) -> Topology:
    """The site as its file says, with a hub, what Kubernetes has, and the canary's servers."""
    topology = servers(site)
    volumes = tuple(
        Volume(name, tuple(_set(site, name, n, vms) for n, vms in enumerate(site.replica_sets(name))))
        for name in (site.storage.volumes if site.storage else ())
    )
    nodes = tuple(Node(name, f"uid of {name}", name) for name in (site.control_plane, *site.workers) if name)
    pods = tuple(_pods(site))
    workloads = tuple(
        Workload("Deployment", "jhub", name, f"uid of {name}", name, 1, opted_in=True) for name in ("hub", "proxy")
    )
    members = tuple(FrontMember(n, n, "lb", "pool", "", 80, True, "ONLINE", True) for n in site.workers)
    view = ClusterView(nodes, pods, workloads) if site.kubernetes else topology.cluster
    front = Front("lb", "", 80, "ONLINE", members) if site.lbaas else topology.front
    return dataclasses.replace(topology, volumes=volumes, cluster=view, front=front)


def _set(site: SiteFile, volume: str, number: int, vms: tuple[str, ...]) -> ReplicaSet:
    bricks = tuple(Brick(volume, vm, site.brick_path(volume), online=True) for vm in vms)
    return ReplicaSet(f"{volume}/{number}", bricks, 2)


def _pods(site: SiteFile) -> list[Pod]:
    owner = Owner("Deployment", "x", "uid of x")
    kinds = [("jhub", "hub"), ("jhub", "proxy"), ("kube-system", "coredns")] if site.workers else []
    at = next(iter(site.workers), "")
    found = [Pod(ns, f"{name}-1", f"uid of {name}", name, at, at, owner=owner, opted_in=True) for ns, name in kinds]
    for worker in site.workers:
        for name in ("cni", "kube-proxy"):
            uid, labels = f"uid of {name} on {worker}", {"k8s-app": name}
            found.append(Pod("kube-system", uid, uid, name, worker, worker, owner=owner, labels=labels, opted_in=True))
        user = f"canary-live-{worker}"
        found.append(Pod("jhub", f"jupyter-{user}", user, USER_PODS, worker, worker, user, opted_in=True))
    return found


def facts(site: SiteFile, *steps: StepPlan, **more: Any) -> Facts:
    plain = Facts(RUN, planned(*steps), View(None, ()), site=site, topology=whole(site), steady=Steady(True), now=0.0)
    return dataclasses.replace(plain, **more)


def refusal(*steps: StepPlan, site: SiteFile = CLOUD, **more: Any) -> tuple[str, str]:
    found = guards.undo_path(facts(site, *steps, **more))
    return (found.code, found.reason) if found else ("", "")


def vm(fault: str, name: str, **options: Any) -> StepPlan:
    target = Target(id=f"uuid of {name}", name=name, role=name.rstrip("0123456789").rstrip("-"))
    return step(name, id=f"{fault}.{name}", fault=fault, target=target, inject=f"{fault} {name}", options=options)


def scale() -> StepPlan:
    target = Target(id="u", name="hub", kind="deployment")
    return step("hub", fault="service.scale", target=target, options={"kind": "Deployment", "namespace": "jhub"})


def command(host: str) -> StepPlan:
    return vm("command", host, host=host)


TIMER = {"deadline": 60.0}


# ------------------------------------------------------------------ what we have is not refused


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_no_experiment_of_ours_is_in_its_own_way(path: Path) -> None:
    """On every site of ours that has what it breaks; and on one at least it has."""
    tried = 0
    for site in SITES.values():
        (loaded,) = experiments.load([path], site=site.vars, overrides={})
        found = plan(loaded, Circumstances(1, Context(), site.name, whole(site)))
        steps = found.planned.steps
        tried += bool(steps)
        assert refusal(*steps, site=site) == ("", "")
    assert tried


def test_every_fault_says_what_its_undo_goes_through() -> None:
    assert [name for name, fault in FAULTS.items() if fault.way is None] == []


# ------------------------------------------------------------------ who is in whose way


@pytest.mark.parametrize(
    ("steps", "through"),
    [
        ([vm("brick.kill", "brick-001"), vm("vm.pause", "bastion")], "bastion"),
        ([vm("vm.pause", "bastion"), vm("brick.freeze", "brick-001", **TIMER)], "bastion"),
        ([scale(), vm("vm.stop", "master")], "master"),
        ([scale(), vm("vm.pause", "bastion")], "bastion"),
        ([vm("vm.delete", "worker-001"), vm("vm.pause", "master")], "master"),
        ([vm("vm.delete", "master"), vm("vm.pause", "monitor")], "monitor"),
        ([vm("brick.kill", "brick-001"), vm("vm.pause", "brick-001")], "brick-001"),
        ([command("monitor"), vm("vm.pause", "monitor")], "monitor"),
        ([vm("net.partition", "worker-001")], "worker-001"),  # without the timer that it always has
        ([command("bastion")], "bastion"),
        ([command("monitor"), command("bastion")], "bastion"),
        ([scale(), command("master")], "master"),
    ],
)
def test_a_way_through_what_no_timer_ends_is_refused(steps: list[StepPlan], through: str) -> None:
    code, why = refusal(*steps)
    assert code == "undo-path"
    assert f"leads through {through}, and" in why


@pytest.mark.parametrize(
    "steps",
    [
        [vm("vm.pause", "bastion")],  # the cloud's API wakes it
        [vm("vm.delete", "bastion")],  # and makes it anew
        [vm("vm.pause", "master")],
        [vm("vm.delete", "master")],
        [vm("vm.pause", "worker-001"), vm("vm.pause", "master")],
        [vm("net.partition", "bastion", **TIMER), vm("brick.kill", "brick-001")],
        [vm("disk.fill", "brick-001", **TIMER), vm("brick.freeze", "brick-001", **TIMER)],
        [vm("vm.pause", "brick-002"), vm("brick.kill", "brick-001")],
        [command("monitor")],
        [command("brick-001"), vm("brick.kill", "brick-001")],
        [command("monitor"), vm("vm.pause", "worker-001")],
        [step("here", fault="command", target=Target(id="local", name="this machine", kind="command"))],
        [vm("lb.member", "worker-001"), vm("vm.pause", "bastion")],
        [scale(), vm("node.drain", "worker-001")],
    ],
)
def test_a_way_that_stays_open_is_not(steps: list[StepPlan]) -> None:
    assert refusal(*steps) == ("", "")


def test_the_ways_of_other_runs_count_in_both_directions() -> None:
    kill, pause = vm("brick.kill", "brick-001"), vm("vm.pause", "bastion")
    assert refusal(kill, view=View(None, (other_run(pause),)))[0] == "undo-path"
    assert refusal(pause, view=View(None, (other_run(kill),)))[0] == "undo-path"
    assert refusal(kill, view=View(None, (other_run(pause, whole=True),)))[0] == ""
    assert refusal(kill, view=View(None, (other_run(pause, admitted=False),)))[0] == ""
    lost = other_run(vm("brick.kill", "brick-001"), vm("vm.pause", "bastion"))
    assert refusal(vm("vm.pause", "worker-001"), view=View(None, (lost,)))[0] == "", (
        "theirs among themselves are theirs"
    )


def test_of_an_adopted_site_its_bastion_is_in_the_way_by_its_role() -> None:
    servers = {"brick": "gluster0*", "worker": "k8s-node-*", "bastion": "jump"}
    site = adopted_site(adopted={"bastion": "gate", "servers": servers})
    jump = Server("1", "jump", "ACTIVE")
    topology = discover.from_servers(site, (jump, Server("2", "gluster01", "ACTIVE")))
    kill, pause = vm("brick.kill", "gluster01"), vm("vm.pause", "jump")
    assert refusal(kill, pause, site=site, topology=topology)[0] == "undo-path"


def test_without_a_site_there_is_no_way_to_be_cut() -> None:
    bare = dataclasses.replace(facts(CLOUD, command("bastion")), site=None)
    assert guards.undo_path(bare) is None


# ------------------------------------------------------------------ what opens them


def needed(site: SiteFile = CLOUD) -> float:
    about: Planned = planned(vm("vm.pause", "worker-001"))
    return about.deadline + about.recovery.within


@pytest.mark.parametrize(("spare", "code"), [(-1.0, "credentials-end"), (0.0, "")])
def test_credentials_outlive_deadline_and_recovery(spare: float, code: str) -> None:
    access = Access((Credential("the operator's SSH certificate", needed() + spare, "renew it"),))
    found = refusal(vm("vm.pause", "worker-001"), access=access)
    assert found[0] == code


def test_it_says_which_ends_first_and_what_renews_it() -> None:
    access = Access((Credential("a token", 60.0, "make another"), Credential("a key", 30.0, "sign it")))
    until = datetime.datetime.fromtimestamp(needed(), datetime.UTC)
    assert refusal(vm("vm.pause", "worker-001"), access=access)[1] == (
        f"a key ends at 1970-01-01 00:00 UTC, and may be needed until {until:%Y-%m-%d %H:%M} UTC: sign it"
    )


def test_before_the_baseline_that_counts_too() -> None:
    access = Access((Credential("a key", needed()),))
    assert refusal(vm("vm.pause", "worker-001"), access=access, steady=None)[0] == "credentials-end"


def test_what_the_role_may_not_do_is_refused() -> None:
    access = Access(lacking=("the kubeconfig's user may not patch nodes",))
    code, why = refusal(vm("node.drain", "worker-001"), access=access)
    assert (code, why) == ("undo-forbidden", "the kubeconfig's user may not patch nodes")


# ------------------------------------------------------------------ who is broken only by name


def drawn(site: SiteFile, **choice: Any) -> tuple[list[str], list[str]]:
    """Targets, and why others are none."""
    found = choose(TargetChoice(**choice), servers(site), random.Random(1))
    return [each.name for each in found.targets], [each.why for each in found.refused]


def test_the_only_control_plane_is_never_drawn() -> None:
    assert drawn(CLOUD, role="master", count=1) == (
        [],
        ["it is the only control plane: name it to break it all the same"],
    )
    assert drawn(CLOUD, name="master") == (["master"], [])


def test_nor_is_what_the_controller_runs_on() -> None:
    by_role: dict[str, Any] = {"role": "worker", "percent": 100}
    on_second = lab_site(controller="https://worker-002.example.org:9830")
    assert drawn(on_second, **by_role)[0] == ["worker-001"]
    assert "controller runs on it" in drawn(on_second, **by_role)[1][0]
    assert drawn(on_second, name="worker-002") == (["worker-002"], [])
    scraped = lab_site(monitoring=Monitoring(also={"controller": ("worker-001:9830",)}))
    assert drawn(scraped, **by_role)[0] == ["worker-002"]
