"""`check: lb.members`: each member's status, and no data where nobody knows it."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from openstack import exceptions
from pydantic import TypeAdapter

from chaosjc.checks.entry import CheckEntry, Names
from chaosjc.checks.registry import Check, ask, check_plan, needs
from chaosjc.checks.sources import Sources, need
from chaosjc.drivers.balancer_values import Balancer, Listener, Member, Pool
from chaosjc.drivers.openstack import Cloud
from chaosjc.journal.events import Reading
from tests.unit.drivers.octavia import FakeOctavia
from tests.unit.fakes import FakeClock

NAMES = Names(("worker-002",), ("worker-001",))
MARK = "chaosjc site lab"


@pytest.fixture
def octavia() -> FakeOctavia:
    return FakeOctavia()


@pytest.fixture
def sources(octavia: FakeOctavia) -> Sources:
    cloud = Cloud(SimpleNamespace(load_balancer=octavia), "fake", FakeClock())
    balancer = cloud.balancers.create(Balancer("", "lab-front", MARK, "", "port"))
    pool = cloud.balancers.save_pool(balancer.id, Pool("", "front", "TCP", "ROUND_ROBIN"))
    cloud.balancers.save_listener(balancer.id, Listener("", "front-80", "TCP", 80, pool.id, 300.0, 300.0, 1.0))
    for name in ("worker-001", "worker-002"):
        cloud.balancers.save_member(balancer.id, pool.id, Member("", name, "10.0.0.1", 30080))
    return Sources(cloud=cloud, balancer=MARK, listen=80, clock=FakeClock())


def answers(sources: Sources, **entry: Any) -> tuple[Reading, ...]:
    adapter: TypeAdapter[CheckEntry] = TypeAdapter(Check)
    made = adapter.validate_json(json.dumps({"check": "lb.members", **entry}))
    return ask(check_plan(made, "h1", NAMES), sources)


def values(found: tuple[Reading, ...]) -> dict[str, object]:
    return {each.series: each.value for each in found}


def test_all_of_them_by_default(sources: Sources, octavia: FakeOctavia) -> None:
    octavia.statuses["worker-002"] = "ERROR"
    assert values(answers(sources)) == {"worker-001": "ONLINE", "worker-002": "ERROR"}


def test_only_the_pool_is_asked_by_which_users_come_in(sources: Sources, octavia: FakeOctavia) -> None:
    balancers = need(sources.cloud, "cloud").balancers
    (balancer,) = balancers.all()
    other = balancers.save_pool(balancer.id, Pool("", "other", "TCP", "ROUND_ROBIN"))
    balancers.save_listener(balancer.id, Listener("", "other-81", "TCP", 81, other.id, 300.0, 300.0, 1.0))
    for name in ("worker-001", "worker-003"):
        member = balancers.save_member(balancer.id, other.id, Member("", name, "10.0.0.1", 30081))
        balancers.switch_member(balancer.id, other.id, replace(member, enabled=False), ())
    assert values(answers(sources)) == {"worker-001": "ONLINE", "worker-002": "ONLINE"}
    octavia.forget("listener", "front-80")
    (found,) = answers(sources, target="worker-001")
    assert (found.value, found.why) == (None, "load balancer lab-front has nothing behind port 80")


def test_those_that_are_named(sources: Sources) -> None:
    assert values(answers(sources, target="$targets")) == {"worker-002": "ONLINE"}
    assert values(answers(sources, target="$others")) == {"worker-001": "ONLINE"}
    (gone,) = answers(sources, target="worker-009")
    assert (gone.value, gone.why) == ("gone", "the balancer has no member worker-009")


def test_a_disabled_one_is_offline_before_its_status_follows(sources: Sources, octavia: FakeOctavia) -> None:
    octavia.named("member", "worker-002").is_admin_state_up = False
    (found,) = answers(sources, target="worker-002")
    assert (found.value, found.why) == ("OFFLINE", "it is disabled")


def test_no_data_where_octavia_does_not_answer(
    sources: Sources, octavia: FakeOctavia, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down() -> None:
        raise exceptions.HttpException("503 Service Unavailable")

    monkeypatch.setattr(octavia, "load_balancers", down)
    (found,) = answers(sources)
    assert found.value is None
    assert "503" in found.why


@pytest.mark.parametrize(("mark", "why"), [("", "has no section `lbaas`"), ("other", "no load balancer with the")])
def test_no_data_where_there_is_no_balancer(sources: Sources, mark: str, why: str) -> None:
    (found,) = answers(Sources(cloud=sources.cloud, balancer=mark, listen=80))
    assert found.value is None
    assert why in found.why


def test_it_is_asked_through_the_cloud_alone() -> None:
    adapter: TypeAdapter[CheckEntry] = TypeAdapter(Check)
    entry = adapter.validate_json('{"check": "lb.members"}')
    assert needs([check_plan(entry, "h1", NAMES)]) == {"cloud"}
