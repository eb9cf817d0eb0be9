"""The same topology, file and seed give the same plan, byte for byte, in any process."""

from __future__ import annotations

import sys
from pathlib import Path

from chaosjc.drivers import command
from chaosjc.drivers.kubernetes_values import Owner
from chaosjc.engine import experiment
from chaosjc.engine.experiment import Loaded
from chaosjc.engine.plan import Circumstances, Plan, plan
from chaosjc.journal.events import Context
from chaosjc.site import model
from chaosjc.site.cluster import USER_PODS, ClusterView, Node, Pod, Workload
from chaosjc.site.topology import Front, FrontMember, Topology, Vm
from tests.unit.engine.storage import volume

ROOT = Path(__file__).parents[3]
WORKERS = tuple(f"worker-{n:03}" for n in range(1, 10))
BRICKS = tuple(f"brick-{n:03}" for n in range(1, 4))


def vm(name: str) -> Vm:
    return Vm(name, f"uuid of {name}", name.partition("-")[0], "", opted_in=True, protected=False, status="ACTIVE")


def pod(component: str, number: int) -> Pod:
    name, host = f"{component}-{number}", WORKERS[number % len(WORKERS)]
    owner = Owner("Deployment", component, f"uid of {component}")
    user = f"canary-live-{host}" if component == USER_PODS else ""
    labels = {"k8s-app": component}
    return Pod("jhub", name, f"uid of {name}", component, host, host, user, owner=owner, labels=labels, opted_in=True)


def whole_stack() -> Topology:
    """Enough of everything that there is something to draw from."""
    vms = tuple(vm(name) for name in ("bastion", *BRICKS, "master", "monitor", *WORKERS))
    components = ("cni", "coredns", "hub", "kube-proxy", "proxy", USER_PODS)
    pods = tuple(pod(component, number) for component in components for number in range(9))
    nodes = tuple(Node(each, f"uid of {each}", each) for each in ("master", *WORKERS))
    kept = tuple(Workload("Deployment", "jhub", each, f"uid of {each}", each, 9, opted_in=True) for each in components)
    members = tuple(FrontMember(each, f"id of {each}", "lb", "p", "", 80, True, "ONLINE", True) for each in WORKERS)
    volumes = (volume("homes", BRICKS), volume("scratch", BRICKS))
    return Topology(vms, volumes, ClusterView(nodes, pods, kept), Front("lb", "", 80, "ONLINE", members))


def ours() -> list[Loaded]:
    """Every experiment of ours, with the variables of the whole stack's site."""
    site = model.load(ROOT / "sites" / "jupytercloud.yaml")
    return experiment.load(sorted((ROOT / "experiments").glob("*.yaml")), site=site.vars)


def planned(seed: int) -> list[Plan]:
    around = Circumstances(seed, Context(), "s", whole_stack())
    return [plan(each, around) for each in ours()]


def as_text(seed: int) -> str:
    return "\n".join(f"{each.planned.model_dump_json()} {each.chosen}" for each in planned(seed))


def test_in_processes_that_order_their_sets_otherwise() -> None:
    argv = [sys.executable, "-m", "tests.unit.engine.test_same_plan"]
    told = {command.run(argv, env={"PYTHONHASHSEED": seed}, cwd=ROOT).stdout for seed in ("0", "1", "4711")}
    assert len(told) == 1
    assert len(next(iter(told)).splitlines()) == len(ours())


def test_something_is_chosen_in_each_and_another_seed_chooses_otherwise() -> None:
    assert [each.planned.experiment for each in planned(7) if not each.planned.steps] == []
    assert as_text(7) == as_text(7) != as_text(8)


if __name__ == "__main__":
    sys.stdout.write(as_text(7))
