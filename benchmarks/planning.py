"""Planning over 100,000 targets: VMs, bricks and pods, with selectors, percent, and every guard's answer.

Each round is a process of its own, since the peak of its memory is that of the process, with its interpreter and all
imports. Timed is what a dry run does once the site is known: draw targets, lay out the steps, ask all guards.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Promises, busy, say
from chaosjc.drivers import command
from chaosjc.drivers.kubernetes_values import Owner
from chaosjc.engine import blast, experiment, guards
from chaosjc.engine.guards import Facts
from chaosjc.engine.plan import Circumstances, Plan, plan
from chaosjc.journal.events import Context
from chaosjc.journal.store import View
from chaosjc.site.cluster import USER_PODS, ClusterView, Node, Pod
from chaosjc.site.model import SiteFile
from chaosjc.site.topology import Brick, Front, FrontMember, ReplicaSet, Topology, Vm, Volume

TARGETS = 100_000
SECONDS, MEGABYTES = 2.0, 300.0
ROUNDS = 5
COPIES = 3
LABELS = 20
"""Values of the pods' label `course`: a selector that means one of them means a twentieth."""

EXPERIMENT = f"""\
apiVersion: chaosjc/v1
kind: Experiment
name: planning
hypotheses:
  - http: http://hub.example/hub/health
faults:
  - fault: brick.kill
    target: {{role: brick, percent: 5%}}
    volume: homes
  - fault: vm.pause
    target: {{role: worker, percent: 10%}}
  - fault: net.delay
    target: {{role: worker, percent: 1%}}
    from: master
    delay: 100ms
  - fault: pod.delete
    target: {{component: {USER_PODS}, labels: {{course: c1}}, percent: 50%}}
  - fault: pod.delete
    target: {{component: {USER_PODS}, percent: 10%}}
  - fault: pod.freeze
    target: {{node: worker-000007, percent: 20%}}
"""
"""Most of a site in one file: thousands of steps, of every family that is drawn from many."""


@dataclass(frozen=True)
class Size:
    """So many of each; with the VMs of bricks, workers and a master they are the site's targets."""

    sets: int
    workers: int
    pods: int

    @classmethod
    def of(cls, targets: int) -> Size:
        """A quarter of all are bricks with their VMs, a tenth are workers, the rest are pods."""
        sets, workers = max(targets // 8 // COPIES, 1), max(targets // 10, 8)
        return cls(sets, workers, max(targets - sets * COPIES * 2 - workers - 1, 1))

    @property
    def targets(self) -> int:
        """All together."""
        return self.sets * COPIES * 2 + self.workers + 1 + self.pods


def topology(size: Size) -> Topology:
    """A site of that size: every worker is a node and a member of the balancer; pods are people's."""
    bricks = [_vm("brick", number) for number in range(size.sets * COPIES)]
    workers = [_vm("worker", number) for number in range(size.workers)]
    vms = (*bricks, _vm("master", 0), *workers)
    nodes = tuple(Node(each.name, f"node of {each.name}", each.name) for each in workers)
    members = tuple(
        FrontMember(each.name, f"member {each.name}", "lb", "pool", each.address, 30080, True, "ONLINE", True)
        for each in workers
    )
    front = Front("lb", "10.0.0.1", 80, "ONLINE", members)
    return Topology(vms, (_homes(bricks, workers),), ClusterView(nodes, tuple(_pods(size))), front)


def _vm(role: str, number: int) -> Vm:
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return Vm(f"{role}-{number:06}", f"uuid-{role}-{number}", role, address, True, False, "ACTIVE")


def _homes(bricks: list[Vm], workers: list[Vm]) -> Volume:
    carried = [Brick("homes", each.name, "/data/homes", online=True) for each in bricks]
    sets = (tuple(carried[first : first + COPIES]) for first in range(0, len(carried), COPIES))
    replicas = tuple(ReplicaSet(f"homes/{number}", each, 2) for number, each in enumerate(sets))
    return Volume("homes", replicas, tuple(each.name for each in workers))


def _pods(size: Size) -> Iterator[Pod]:
    hub = Owner("Deployment", "hub", "uid of hub")
    courses = [{"course": f"c{number}"} for number in range(LABELS)]  # as many pods share a mapping as have its labels
    for number in range(size.pods):
        node = f"worker-{number % size.workers:06}"
        yield Pod(
            "jhub",
            f"jupyter-{number:06}",
            f"uid-{number}",
            USER_PODS,
            node,
            node,
            f"user-{number}",
            owner=hub,
            labels=courses[number % LABELS],
            opted_in=True,
        )


def site() -> SiteFile:
    """One that lets everything be broken, so that each guard looks at all there is."""
    role: dict[str, object] = {"image": "i", "flavor": "f", "groups": []}
    return SiteFile.model_validate_json(
        json.dumps(
            {
                "apiVersion": "chaosjc/v1",
                "kind": "Site",
                "name": "large",
                "environment": "test",
                "cloud": "c",
                "network": {"cidr": "10.0.0.0/8"},
                "security_groups": {},
                "roles": {
                    **{name: role for name in ("bastion", "monitor", "master", "worker")},
                    "brick": {**role, "count": COPIES, "disposable": False, "disks": {"/data": 1}},
                },
                "storage": {"volumes": {"homes": {"mount": "/srv/homes"}}},
                "kubernetes": {},
                "hub": {},
                "lbaas": {},
                "policy": {"targets": ["brick", "worker", f"pods/{USER_PODS}"], "users": TARGETS},
            }
        )
    )


def planned(file: Path, around: Topology, policy: SiteFile) -> tuple[Plan, list[tuple[str, str]]]:
    """What a dry run works out: the plan, and each guard that refuses with its code."""
    (loaded,) = experiment.load([file])
    made = plan(loaded, Circumstances(7, Context(), policy.name, around))
    facts = Facts("run", made.planned, View(None, ()), made.chosen, policy, around)
    refusals = [(name, refused.code) for name, refused in guards.answers(facts) if refused]
    blast.told(around, facts.radii)
    return made, refusals


def measured(targets: int) -> dict[str, float | str]:
    """One round, in this process: `seconds`, those of the `processor`, `megabytes` at its peak; what was planned."""
    size, policy = Size.of(targets), site()
    around = topology(size)
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "experiment.yaml"
        file.write_text(EXPERIMENT, encoding="utf-8")
        began, worked = time.monotonic(), time.process_time()
        made, refusals = planned(file, around, policy)
        seconds, processor = time.monotonic() - began, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    refused = ", ".join(code for _, code in refusals) or "none"
    return {
        "targets": size.targets,
        "steps": len(made.planned.steps),
        "seconds": seconds,
        "processor": processor,
        "megabytes": peak,
        "refused": refused,
    }


def main() -> int:
    """Rounds in processes of their own; the median counts. The exit code."""
    argv = [sys.executable, "-m", "benchmarks.planning", "--once"]
    rounds = [json.loads(command.run(argv, timeout=600).stdout) for _ in range(ROUNDS)]
    first, promises = rounds[0], Promises()
    say(f"planning over {first['targets']:,} targets, {first['steps']:,} steps; {busy()}")
    say(f"guards that refuse: {first['refused']}")
    for what, key in (("planning, median of 5 rounds", "seconds"), ("of that, time of the processor", "processor")):
        promises.measured(what, statistics.median(each[key] for each in rounds), SECONDS, "s")
    promises.measured("its peak of memory", max(each["megabytes"] for each in rounds), MEGABYTES, "MB")
    return promises.exit_code()


if __name__ == "__main__":
    if "--once" in sys.argv:
        say(json.dumps(measured(TARGETS)))
    else:
        sys.exit(main())
