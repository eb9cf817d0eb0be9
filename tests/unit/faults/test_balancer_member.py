"""`lb.member` on an Octavia in memory: what it disables it enables again, and nothing that others disabled."""

from __future__ import annotations

import random
from dataclasses import replace
from types import SimpleNamespace

import pytest
from openstack import exceptions

from chaosjc.drivers.balancer_values import Balancer, Member, Pool
from chaosjc.drivers.openstack import TIMEOUT as REQUEST
from chaosjc.drivers.openstack import Cloud
from chaosjc.errors import FaultError, RemoteError
from chaosjc.faults.registry import FAULTS
from chaosjc.faults.world import World
from chaosjc.journal.events import Context, StepPlan
from chaosjc.site.topology import Front, FrontMember, Topology, Vm
from tests.unit.drivers.octavia import FakeOctavia
from tests.unit.fakes import FakeClock

FAULT = FAULTS["lb.member"]
WORKERS = ("worker-001", "worker-002")


class Balanced(World):
    """A balancer with two members."""

    def __init__(self, run: str = "run") -> None:
        super().__init__(Context(), run, FakeClock())
        self.octavia = FakeOctavia()
        self.made = Cloud(SimpleNamespace(load_balancer=self.octavia), "fake", self.clock)
        octavia = self.made.balancers
        self.balancer = octavia.create(Balancer("", "lab-front", "", "", "port"))
        self.pool = octavia.save_pool(self.balancer.id, Pool("", "front", "TCP", "ROUND_ROBIN"))
        for name in WORKERS:
            octavia.save_member(self.balancer.id, self.pool.id, Member("", name, "10.0.0.1", 30080))

    @property
    def cloud(self) -> Cloud:
        return self.made

    def step(self, name: str) -> StepPlan:
        ids = {each.name: each.id for each in self.made.balancers.members(self.pool.id)}
        places = (self.balancer.id, self.pool.id)
        members = tuple(FrontMember(each, ids[each], *places, "", 80, True, "ONLINE", True) for each in WORKERS)
        vms = tuple(Vm(each, each, "worker", "", True, False, "ACTIVE") for each in WORKERS)
        around = Topology(vms, front=Front(self.balancer.id, "", 80, "ONLINE", members))
        entry = FAULT.entry.model_validate({"target": {"name": name}})
        assert entry.choice
        (step,) = FAULT.plan(entry, entry.choice.draw(around, random.Random(1), entry.wants), "f1")
        return step

    def member(self, name: str) -> Member:
        return next(each for each in self.made.balancers.members(self.pool.id) if each.name == name)


@pytest.fixture
def world() -> Balanced:
    return Balanced()


def test_its_life(world: Balanced) -> None:
    step = world.step("worker-002")
    FAULT.prepare(step, world)
    assert FAULT.verify(step, world).outcome == "whole"
    FAULT.inject(step, world)
    assert world.member("worker-002").enabled is False
    assert world.member("worker-001").enabled
    answer = FAULT.verify(step, world)
    assert (answer.outcome, answer.why) == ("broken", "member worker-002 is still disabled")
    FAULT.undo(step, world)
    assert FAULT.verify(step, world).outcome == "whole"
    assert world.member("worker-002").tags == frozenset()


def test_undo_is_idempotent_and_right_before_the_inject(world: Balanced) -> None:
    step = world.step("worker-002")
    changes = len(world.octavia.changes)
    FAULT.undo(step, world)
    assert len(world.octavia.changes) == changes
    FAULT.inject(step, world)
    FAULT.undo(step, world)
    FAULT.undo(step, world)
    assert len(world.octavia.changes) == changes + 2


@pytest.mark.parametrize("rivals", [110, 380])
def test_no_inject_strikes_once_it_is_taken_for_over(world: Balanced, rivals: int) -> None:
    """An undo beside it finds nothing to do, and looks no longer than `strikes_within`."""
    step, start = world.step("worker-002"), world.clock.monotonic()
    assert step.strikes_within is not None
    world.octavia.rivals, sent = rivals, len(world.octavia.changes)
    with pytest.raises(RemoteError, match="immutable"):
        FAULT.inject(step, world)
    assert len(world.octavia.changes) == sent
    assert world.clock.monotonic() - start + REQUEST <= step.strikes_within


def test_looks_that_take_long_leave_less_time_for_the_inject(world: Balanced, monkeypatch: pytest.MonkeyPatch) -> None:
    step, octavia, start = world.step("worker-002"), world.octavia, world.clock.monotonic()
    pools = octavia.pools

    def slowly(loadbalancer_id: str) -> list[SimpleNamespace]:
        world.clock.sleep(25)
        return pools(loadbalancer_id)

    monkeypatch.setattr(octavia, "pools", slowly)
    octavia.rivals = 90
    with pytest.raises(RemoteError, match="immutable"):
        FAULT.inject(step, world)
    assert step.strikes_within and world.clock.monotonic() - start + REQUEST <= step.strikes_within


def test_an_undo_has_more_patience(world: Balanced) -> None:
    step = world.step("worker-002")
    FAULT.inject(step, world)
    world.octavia.rivals = 380
    FAULT.undo(step, world)
    assert world.member("worker-002").enabled


def test_what_somebody_else_disabled_stays_so(world: Balanced) -> None:
    step = world.step("worker-002")
    world.octavia.named("member", "worker-002").is_admin_state_up = False
    with pytest.raises(FaultError, match="worker-002 is disabled already, by somebody else"):
        FAULT.inject(step, world)
    FAULT.undo(step, world)
    assert not world.member("worker-002").enabled
    assert FAULT.verify(step, world).why == "member worker-002 is disabled by somebody else"


def test_two_runs_do_not_undo_each_other(world: Balanced) -> None:
    step = world.step("worker-002")
    FAULT.inject(step, world)
    other = Balanced("other")
    other.octavia, other.made = world.octavia, world.made
    with pytest.raises(FaultError, match=r"disabled already, by run/f1\.worker-002"):
        FAULT.inject(step, other)
    FAULT.undo(step, other)
    assert not world.member("worker-002").enabled


def test_a_member_is_whole_once_users_are_handed_to_it(world: Balanced) -> None:
    step = world.step("worker-002")
    world.octavia.statuses["worker-002"] = "ERROR"
    answer = FAULT.verify(step, world)
    assert (answer.outcome, answer.why) == ("broken", "member worker-002 is ERROR")
    world.octavia.statuses["worker-002"] = "NO_MONITOR"
    assert FAULT.verify(step, world).outcome == "whole"


@pytest.mark.parametrize("gone", ["member", "pool", "balancer"])
def test_what_is_gone_is_told(world: Balanced, gone: str) -> None:
    step = world.step("worker-002")
    octavia = world.made.balancers
    if gone == "member":
        octavia.delete_member(world.balancer.id, world.pool.id, world.member("worker-002"))
    elif gone == "pool":
        octavia.delete_part(world.balancer.id, "pool", world.pool.id)
    else:
        octavia.delete(world.balancer)
    with pytest.raises(FaultError, match="is gone"):
        FAULT.prepare(step, world)
    with pytest.raises(FaultError, match="is gone"):
        FAULT.inject(step, world)
    FAULT.undo(step, world)
    assert FAULT.verify(step, world).outcome == "gone"


def test_a_successor_of_the_same_name_is_another(world: Balanced) -> None:
    step = world.step("worker-002")
    octavia, old = world.made.balancers, world.member("worker-002")
    octavia.delete_member(world.balancer.id, world.pool.id, old)
    octavia.save_member(world.balancer.id, world.pool.id, replace(old, id="", enabled=False))
    FAULT.undo(step, world)
    assert not world.member("worker-002").enabled
    assert FAULT.verify(step, world).outcome == "gone"


def test_an_octavia_that_does_not_answer_is_no_verdict(world: Balanced, monkeypatch: pytest.MonkeyPatch) -> None:
    step = world.step("worker-002")

    def down() -> None:
        raise exceptions.HttpException("503 Service Unavailable")

    monkeypatch.setattr(world.octavia, "load_balancers", down)
    answer = FAULT.verify(step, world)
    assert (answer.outcome, "503" in answer.why) == ("unknown", True)
