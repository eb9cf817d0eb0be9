"""The ledger: what is down, whoever broke it, and what a run would leave of each replica set."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosjc.engine import blast
from chaosjc.engine.blast import Radius
from chaosjc.engine.guards import Facts, first_refusal
from chaosjc.journal.events import StepPlan, Target
from chaosjc.journal.live import Steady
from chaosjc.journal.state import RunState
from chaosjc.journal.store import View
from chaosjc.site.cluster import Pod
from chaosjc.site.topology import Brick, ReplicaSet, Topology, Volume
from tests.unit.engine.fakes import RUN, planned, step
from tests.unit.engine.storage import breaks, clustered, other_run, site, user_pod, vm, volume


def radius(topology: Topology, *steps: StepPlan, others: tuple[RunState, ...] = ()) -> Radius:
    (found,) = blast.ledger(topology, steps, others)
    return found


def test_nothing_down_nothing_said() -> None:
    found = radius(site(volume()))
    assert (found.touched, found.writable, found.told) == (False, True, "would keep 3 of 3 bricks, 2 are needed")


def test_what_this_run_and_what_others_took_down_are_told_with_their_reasons() -> None:
    topology = site(volume(), statuses={"brick-002": "PAUSED"})
    found = radius(topology, breaks("brick-001"))
    assert not found.writable
    assert found.told == "would keep 1 of 3 bricks, 2 are needed: brick-001 (this run), brick-002 (VM is PAUSED)"


@pytest.mark.parametrize(
    ("topology", "why"),
    [
        (site(volume(offline="brick-002")), "offline"),
        (site(volume(unknown="brick-002")), "not known to be online"),
        (site(volume(), statuses={"brick-002": "SHUTOFF"}), "VM is SHUTOFF"),
        (dataclasses.replace(site(volume()), vms=(vm("brick-001"), vm("brick-003"))), "VM is gone"),
    ],
)
def test_a_brick_is_down_through_its_process_or_its_vm(topology: Topology, why: str) -> None:
    assert list(radius(topology).down.values()) == [why]


def test_a_brick_that_no_vm_of_the_site_carries_is_judged_by_itself() -> None:
    assert radius(site(volume(vms=("", "brick-002", "brick-003")))).down == {}


class TestReserved:
    def test_until_it_is_seen_whole(self) -> None:
        other = other_run(breaks("brick-002"))
        assert not radius(site(volume()), breaks("brick-001"), others=(other,)).writable
        assert "brick-002 (run other)" in radius(site(volume()), others=(other,)).told

    def test_not_longer(self) -> None:
        assert radius(site(volume()), others=(other_run(breaks("brick-002"), whole=True),)).down == {}

    def test_from_admission_on(self) -> None:
        """Of two that watch their baseline at the same time, the first that is admitted goes on."""
        assert radius(site(volume()), others=(other_run(breaks("brick-002"), admitted=False),)).down == {}


def test_all_steps_count_at_once_also_one_after_the_other() -> None:
    later = breaks("brick-002").model_copy(update={"start": 3600.0})
    assert not radius(site(volume()), breaks("brick-001"), later).writable


def test_a_step_may_be_limited_to_one_volume() -> None:
    topology = site(volume("homes"), volume("scratch", sacrificial=True))
    homes, scratch = blast.ledger(topology, [breaks("brick-001", "brick.kill", volume="scratch")], ())
    assert (homes.touched, scratch.touched) == (False, True)


class TestDiskFill:
    """It fills the disk, whoever else's bricks lie there."""

    fills = breaks("brick-001", "disk.fill", volume="scratch").model_copy(
        update={"options": {"volume": "scratch", "path": "/data/scratch"}}
    )

    def test_bricks_of_other_volumes_on_the_same_disk_count(self) -> None:
        topology = site(volume("homes"), volume("scratch", sacrificial=True))
        assert [each.touched for each in blast.ledger(topology, [self.fills], ())] == [True, True]

    def test_those_on_other_disks_do_not(self) -> None:
        (homes,) = volume("homes").sets
        moved = tuple(dataclasses.replace(each, path="/other/homes") for each in homes.bricks)
        elsewhere = dataclasses.replace(volume("homes"), sets=(dataclasses.replace(homes, bricks=moved),))
        topology = site(elsewhere, volume("scratch", sacrificial=True))
        assert [each.touched for each in blast.ledger(topology, [self.fills], ())] == [False, True]


def cuts(name: str, fault: str = "net.partition", **options: Any) -> StepPlan:
    return breaks(name, fault, role=name[:-4]).model_copy(update={"options": options})


BRICKS = dict.fromkeys(["brick-001", "brick-002", "monitor"], "10.0.0.1")


class TestLinks:
    """They have two ends."""

    topology = site(volume(mounts=("worker-001",)))

    @pytest.mark.parametrize(
        ("step", "down"),
        [
            (cuts("worker-001", peers=BRICKS), ["brick-001", "brick-002"]),
            (cuts("worker-001", "net.delay", peers=BRICKS), ["brick-001", "brick-002"]),
            (cuts("worker-001", peers={}, everyone=True), ["brick-001", "brick-002", "brick-003"]),
            (cuts("worker-001", peers={"monitor": "10.0.0.9"}, everyone=False), []),
            (cuts("monitor-01", peers=BRICKS), []),
            (cuts("brick-003", peers=BRICKS), ["brick-003"]),
            (breaks("worker-001", role="worker"), []),
        ],
    )
    def test_a_client_that_is_cut_off_has_so_many_bricks_less(self, step: StepPlan, down: list[str]) -> None:
        assert [each.vm for each in radius(self.topology, step).down] == down

    @pytest.mark.parametrize(("count", "writable"), [(1, True), (2, False)])
    def test_it_may_lose_one_of_three(self, count: int, writable: bool) -> None:
        assert radius(self.topology, cuts("worker-001", peers=dict(list(BRICKS.items())[:count]))).writable is writable


def test_of_just_half_the_first_must_be_among_them() -> None:
    two = volume(vms=("brick-001", "brick-002"), needed=1, first_decides=True)
    assert radius(site(two), breaks("brick-002")).writable
    found = radius(site(two), breaks("brick-001"))
    assert not found.writable
    assert found.told == (
        "would keep 1 of 2 bricks, 1 is needed, the first among them (brick-001): brick-001 (this run)"
    )


def test_what_a_dry_run_tells() -> None:
    topology = site(volume("homes", backlog=("homes/0: 3 entries to heal",)), volume("scratch", sacrificial=True))
    steps = [breaks("brick-001"), breaks("brick-002", volume="scratch")]
    assert blast.told(topology, blast.ledger(topology, steps, ())) == [
        ("homes/0", "would keep 2 of 3 bricks, 2 are needed: brick-001 (this run)", True),
        ("scratch/0", "would keep 1 of 3 bricks, 2 are needed: brick-001 (this run), brick-002 (this run)", False),
        ("homes", "homes/0: 3 entries to heal", False),
        ("scratch", "nothing to heal; may lose its quorum: it is sacrificial", True),
    ]
    unknown = dataclasses.replace(topology, volumes=None)
    assert blast.told(unknown, blast.ledger(unknown, steps, ())) == [("volumes", "their layout is not known", False)]


# ------------------------------------------------------------------ any layout, any state, any plan

VMS = [f"brick-{n:03}" for n in range(1, 7)]
names = st.sampled_from(VMS)


@st.composite
def volumes(draw: st.DrawFn) -> tuple[Volume, ...]:
    return tuple(_volume(draw, name) for name in ["homes", "scratch", "exams"][: draw(st.integers(1, 3))])


def _volume(draw: st.DrawFn, name: str) -> Volume:
    replica = draw(st.integers(1, 3))
    distribute = draw(st.integers(1, 6 // replica))
    where = draw(st.permutations(VMS))
    sets: list[ReplicaSet] = []
    for n in range(distribute):
        mine = where[n * replica : (n + 1) * replica]
        online = st.sampled_from([True, True, True, True, False, None])
        bricks = tuple(Brick(name, each, f"/data/{name}", online=draw(online)) for each in mine)
        sets.append(ReplicaSet(f"{name}/{n}", bricks, draw(st.integers(1, replica)), draw(st.booleans())))
    return Volume(name, tuple(sets), sacrificial=draw(st.booleans()))


steps_of = st.lists(st.builds(breaks, names, volume=st.sampled_from(["", "", "homes", "scratch"])), max_size=2)


@given(volumes(), st.sets(names, max_size=2), steps_of, steps_of)
def test_an_admitted_plan_leaves_every_set_that_it_touches_writable(
    layout: tuple[Volume, ...], paused: set[str], mine: list[StepPlan], theirs: list[StepPlan]
) -> None:
    """Counted by hand: VM by VM and brick by brick, each with all that stops it."""
    topology = site(*layout, statuses=dict.fromkeys(paused, "PAUSED"))
    view = View(None, (other_run(*theirs),))
    facts = Facts(RUN, planned(*mine), view, topology=topology, steady=Steady(True), alive={"other"})
    admitted = first_refusal(facts) is None

    def hits(steps: list[StepPlan], brick: Brick) -> bool:
        return any(s.target.name == brick.vm and s.options.get("volume", brick.volume) == brick.volume for s in steps)

    for each in layout:
        for replica_set in each.sets:
            up = [
                brick
                for brick in replica_set.bricks
                if brick.online and brick.vm not in paused and not hits(mine, brick) and not hits(theirs, brick)
            ]
            enough = len(up) > replica_set.needed or (
                len(up) == replica_set.needed and (not replica_set.first_decides or replica_set.bricks[0] in up)
            )
            if admitted and not each.sacrificial and any(hits(mine, brick) for brick in replica_set.bricks):
                assert enough, replica_set.name


PROXY = Pod("jhub", "proxy-1", "uid of proxy", "proxy", "worker-002", "worker-002")
USERS = clustered(
    user_pod("ada"),
    user_pod("bob", "worker-003"),
    user_pod("canary-1"),
    user_pod("eve", "worker-003", namespace="staging"),
    PROXY,
    Pod("jhub", "hub-1", "uid of hub", "hub", "worker-002", "worker-002"),
)


def about(kind: str, id: str, role: str = "") -> StepPlan:
    return step("x", fault="any", target=Target(id=id, name="x", kind=kind, role=role), options={"namespace": "jhub"})


@pytest.mark.parametrize(
    ("breaking", "reached"),
    [
        ([breaks("worker-001", role="worker")], {"ada"}),
        ([breaks("worker-001", role="worker"), breaks("worker-003", role="worker")], {"ada", "bob", "eve"}),
        ([breaks("worker-002", role="worker")], {"ada", "bob"}),  # the proxy of all in its namespace is there
        ([breaks("monitor", role="monitor")], set[str]()),
        ([about("pod", "uid of ada")], {"ada"}),
        ([about("pod", "uid of canary-1")], set[str]()),
        ([about("pod", "uid of hub", "hub")], set[str]()),  # who has a server keeps it
        ([about("pod", "uid of proxy", "proxy")], {"ada", "bob"}),
        ([about("deployment", "uid of deployment", "proxy")], {"ada", "bob"}),
        ([about("deployment", "uid of deployment", "hub")], set[str]()),
    ],
)
def test_whom_it_reaches(breaking: list[StepPlan], reached: set[str]) -> None:
    assert blast.people(breaking, USERS) == reached
