"""One change after the other, waiting with a limit, and what is said when it goes wrong."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from keystoneauth1.exceptions import EndpointNotFound
from openstack import exceptions

from chaosjc.drivers.balancer import BUILD, CHANGE, EVERY, Balancers, NoBalancers
from chaosjc.drivers.balancer_values import Balancer, Listener, Member, Monitor, Pool
from chaosjc.drivers.openstack import Cloud
from chaosjc.errors import RemoteError
from tests.unit.drivers.octavia import FakeOctavia
from tests.unit.fakes import FakeClock

SPEC = Balancer("", "lab-front", "chaosjc site lab", "", "port-1")
POOL = Pool("", "front", "TCP", "ROUND_ROBIN")
LISTENER = Listener("", "front-80", "TCP", 80, "", 300.0, 300.0, 1.0)
MONITOR = Monitor("", "HTTP", "/_chp_healthz", "200", 2, 1, 2, 1)
MEMBER = Member("", "worker-001", "10.66.0.21", 30080, "subnet-1")


@pytest.fixture
def octavia() -> FakeOctavia:
    return FakeOctavia()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def balancers(octavia: FakeOctavia, clock: FakeClock) -> Balancers:
    return Cloud(SimpleNamespace(load_balancer=octavia), "academic", clock).balancers


def test_nothing_is_asked_before_it_is_needed(octavia: FakeOctavia) -> None:
    cloud = Cloud(SimpleNamespace(load_balancer=octavia), "academic")
    assert cloud.balancers
    assert octavia.requests == 0


def test_what_is_made_is_read_as_it_was_meant(balancers: Balancers) -> None:
    made = balancers.create(SPEC)
    assert (made.provisioning, made.port_id, made.description) == ("ACTIVE", "port-1", "chaosjc site lab")
    pool = balancers.save_pool(made.id, POOL)
    monitor = balancers.save_monitor(made.id, pool.id, MONITOR)
    member = balancers.save_member(made.id, pool.id, MEMBER)
    listener = balancers.save_listener(made.id, replace(LISTENER, pool_id=pool.id))
    assert balancers.marked("chaosjc site lab") == (made,)
    assert balancers.marked("chaosjc site other") == ()
    (found,) = balancers.pools(made.id)
    assert found == replace(POOL, id=pool.id, monitor_id=monitor.id)
    assert balancers.monitor(found) == replace(MONITOR, id=monitor.id)
    assert balancers.listeners(made.id) == (replace(LISTENER, id=listener.id, pool_id=pool.id),)
    assert balancers.members(pool.id) == (replace(MEMBER, id=member.id, operating="ONLINE"),)


def test_every_change_begins_and_ends_with_a_settled_balancer(balancers: Balancers, octavia: FakeOctavia) -> None:
    octavia.slow = 5  # the fake refuses whoever does not wait
    made = balancers.create(SPEC)
    for name in ("worker-001", "worker-002"):
        pool = balancers.save_pool(made.id, replace(POOL, name=name))
        assert balancers.all()[0].provisioning == "ACTIVE"
        balancers.save_pool(made.id, replace(pool, method="SOURCE_IP"))
    assert octavia.changes.count("create pool worker-002") == 1


def test_where_another_client_was_quicker_it_is_tried_again(balancers: Balancers, octavia: FakeOctavia) -> None:
    made = balancers.create(SPEC)
    octavia.rivals = 3
    balancers.save_pool(made.id, POOL)
    assert octavia.changes[-1] == "create pool front"
    octavia.rivals = 10**6
    with pytest.raises(RemoteError, match=r"cloud academic: load balancer \S+: create pool: .* immutable"):
        balancers.save_pool(made.id, POOL)


def test_so_is_a_change_of_the_balancer_itself_which_octavia_refuses_in_other_words(
    balancers: Balancers, octavia: FakeOctavia
) -> None:
    made = balancers.create(SPEC)
    octavia.rivals = 3
    balancers.enable(made.id)
    octavia.rivals = 3
    balancers.delete(made)
    assert octavia.changes[-2:] == ["update balancer", "delete balancer"]


@pytest.mark.parametrize(("rivals", "theirs", "first"), [(380, 0, 0), (0, 0, 380), (20, 25, 0)])
def test_what_may_not_be_late_is_sent_in_time_or_never(
    balancers: Balancers, octavia: FakeOctavia, clock: FakeClock, rivals: int, theirs: int, first: int
) -> None:
    made = balancers.create(SPEC)
    pool = balancers.save_pool(made.id, POOL)
    member = balancers.save_member(made.id, pool.id, MEMBER)
    octavia.rivals, octavia.theirs = rivals, theirs
    octavia.occupy("lab-front", first)
    before, sent = clock.now, len(octavia.changes)
    with pytest.raises(RemoteError, match=r"immutable|still PENDING_UPDATE"):
        balancers.switch_member(made.id, pool.id, replace(member, enabled=False), {"held"}, within=10.0)
    assert clock.now - before <= 10.0 + EVERY
    assert len(octavia.changes) == sent


class Taken:
    """A lock that another thread holds for 11 s."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def __enter__(self) -> None:
        self._clock.sleep(11)

    def __exit__(self, *_: object) -> None:
        return


def test_a_change_of_ours_before_it_counts_too(
    balancers: Balancers, octavia: FakeOctavia, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = balancers.create(SPEC)
    pool = balancers.save_pool(made.id, POOL)
    member = balancers.save_member(made.id, pool.id, MEMBER)
    sent = len(octavia.changes)
    monkeypatch.setattr(balancers, "_changing", Taken(clock))
    with pytest.raises(RemoteError, match="not sent, it was not free in time"):
        balancers.switch_member(made.id, pool.id, replace(member, enabled=False), {"held"}, within=10.0)
    assert len(octavia.changes) == sent


def test_all_waiting_for_one_change_has_one_end(balancers: Balancers, octavia: FakeOctavia, clock: FakeClock) -> None:
    made = balancers.create(SPEC)
    octavia.rivals, octavia.theirs = 10**6, 150  # they take 45 s each
    before = clock.now
    with pytest.raises(RemoteError):
        balancers.save_pool(made.id, POOL)
    assert clock.now - before <= CHANGE + EVERY


def test_another_conflict_is_an_answer(balancers: Balancers, clock: FakeClock) -> None:
    made = balancers.create(SPEC)
    balancers.save_listener(made.id, LISTENER)
    before = clock.now
    with pytest.raises(RemoteError, match="already using protocol_port"):
        balancers.save_listener(made.id, LISTENER)
    assert clock.now - before < CHANGE / 10


def test_waiting_is_bounded_and_says_what_it_saw(balancers: Balancers, octavia: FakeOctavia) -> None:
    octavia.slow = 10**6
    with pytest.raises(RemoteError, match=f"lab-front: still PENDING_CREATE after {BUILD:g} s"):
        balancers.create(SPEC)


def test_a_change_that_octavia_gave_up_is_told_and_the_balancer_can_be_deleted(
    balancers: Balancers, octavia: FakeOctavia
) -> None:
    made = balancers.create(SPEC)
    octavia.error = "create pool"
    with pytest.raises(RemoteError, match="load balancer lab-front is in ERROR") as caught:
        balancers.save_pool(made.id, POOL)
    assert "failover" in caught.value.hint
    with pytest.raises(RemoteError, match="is in ERROR"):
        balancers.save_pool(made.id, POOL)
    balancers.delete(made)
    assert octavia.count() == 0
    balancers.delete(made)


def test_a_balancer_that_went_away_is_not_waited_for(balancers: Balancers) -> None:
    made = balancers.create(SPEC)
    balancers.delete(made)
    with pytest.raises(RemoteError, match="is gone"):
        balancers.save_pool(made.id, POOL)


def test_a_disabled_member_gets_nobody(balancers: Balancers) -> None:
    made = balancers.create(SPEC)
    pool = balancers.save_pool(made.id, POOL)
    member = balancers.save_member(made.id, pool.id, MEMBER)
    balancers.switch_member(made.id, pool.id, replace(member, enabled=False), {"held"})
    (found,) = balancers.members(pool.id)
    assert (found.enabled, found.answers, found.tags) == (False, False, frozenset({"held"}))


class Missing:
    """What openstacksdk hands out for a service that the catalogue does not name."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        raise self._error


@pytest.mark.parametrize("error", [exceptions.ServiceDisabledException("disabled"), EndpointNotFound("no endpoint")])
def test_a_cloud_without_the_service_says_so(error: Exception) -> None:
    cloud = Cloud(SimpleNamespace(load_balancer=Missing(error)), "academic", FakeClock())
    with pytest.raises(NoBalancers, match="cloud academic has no load balancers") as caught:
        cloud.balancers.all()
    assert "lbaas" in caught.value.hint
