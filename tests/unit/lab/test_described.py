"""Octavia's database -> haproxy's description, and haproxy's words -> Octavia's statuses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from chaosjc.lab.machine.haproxy import Listener, Member, Monitor, State
from chaosjc.lab.openstack import described


def thing(**facts: Any) -> Any:
    return SimpleNamespace(**{"enabled": True, "provisioning_status": "ACTIVE", "operating_status": "ONLINE", **facts})


def member(name: str, **facts: Any) -> Any:
    common = {"ip_address": "10.0.0.11", "protocol_port": 80, "weight": 1, "backup": False}
    return thing(id=name, **{**common, "monitor_address": None, "monitor_port": None, **facts})


def monitor(**facts: Any) -> Any:
    words = {"type": "HTTP", "http_method": None, "url_path": None, "expected_codes": "200, 204"}
    return thing(id="h", delay=5, timeout=2, rise_threshold=1, fall_threshold=3, **{**words, **facts})


def balancer(*members: Any, pool: dict[str, Any] | None = None, **facts: Any) -> Any:
    facts_of_pool = {
        "protocol": "HTTP",
        "lb_algorithm": "LEAST_CONNECTIONS",
        "health_monitor": monitor(),
        **(pool or {}),
    }
    listener = thing(
        id="l",
        protocol="HTTP",
        protocol_port=80,
        default_pool_id="p",
        connection_limit=-1,
        timeout_client_data=None,
        timeout_member_connect=1000,
        timeout_member_data=None,
        insert_headers={"X-Forwarded-For": "true", "X-Forwarded-Port": "false"},
    )
    pools = [thing(id="p", members=list(members), **facts_of_pool)]
    return thing(id="b", vip=SimpleNamespace(ip_address="10.0.0.100"), listeners=[listener], pools=pools, **facts)


def test_a_balancer_as_haproxy_is_to_have_it() -> None:
    found = described.description(balancer(member("m1"), member("m2", weight=None)))
    assert found.address == "10.0.0.100"
    headers = {"X-Forwarded-For": True, "X-Forwarded-Port": False}
    assert found.listeners == (Listener("l", "http", 80, "p", None, 50_000, 1000, 50_000, headers),)
    assert found.pools[0].members == (Member("m1", "10.0.0.11", 80), Member("m2", "10.0.0.11", 80))
    assert found.pools[0].monitor == Monitor("HTTP", 5, 2, 1, 3, codes="200,204")


def test_what_is_disabled_or_going_is_left_out() -> None:
    off: dict[str, Any] = {"enabled": False}
    going = {"provisioning_status": "PENDING_DELETE"}
    members = described.description(balancer(member("m1", **off), member("m2", **going), member("m3"))).pools[0].members
    assert [each.id for each in members] == ["m3"]
    assert described.description(balancer(pool={"health_monitor": monitor(**off)})).pools[0].monitor is None
    assert described.description(balancer(pool=off)).listeners[0].pool is None
    assert described.description(balancer(enabled=False)).listeners == ()


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ({"m1": "up", "m2": "up"}, ["ONLINE", "ONLINE", "ONLINE", "ONLINE"]),
        ({"m1": "up", "m2": "down"}, ["ONLINE", "ERROR", "DEGRADED", "DEGRADED"]),
        ({"m1": "down", "m2": "down"}, ["ERROR", "ERROR", "ERROR", "ERROR"]),
        ({"m1": "unchecked", "m2": "draining"}, ["NO_MONITOR", "DRAINING", "ONLINE", "ONLINE"]),
        ({}, ["OFFLINE", "OFFLINE", "ONLINE", "ONLINE"]),
    ],
)
def test_statuses_from_the_members_up(states: dict[str, State], words: list[str]) -> None:
    found = described.statuses(balancer(member("m1"), member("m2")), states)
    assert [found[each] for each in ("m1", "m2", "p", "b")] == words
    assert found["l"] == found["h"] == "ONLINE"


def test_before_its_check_has_ended_a_member_is_what_it_was() -> None:
    members = [member(word, operating_status=word) for word in ("ONLINE", "ERROR", "NO_MONITOR")]
    found = described.statuses(balancer(*members), dict.fromkeys(("ONLINE", "ERROR", "NO_MONITOR"), "unknown"))
    assert (found["ONLINE"], found["ERROR"], found["NO_MONITOR"]) == ("ONLINE", "ERROR", "OFFLINE")


def test_a_disabled_member_is_offline_and_does_not_count() -> None:
    found = described.statuses(balancer(member("m1", enabled=False), member("m2")), {"m1": "down", "m2": "down"})
    assert (found["m1"], found["m2"], found["p"]) == ("OFFLINE", "ERROR", "ERROR")


def test_disabled_things_are_offline_and_a_fault_is_an_error() -> None:
    off = described.statuses(balancer(member("m1"), pool={"enabled": False}, enabled=False), {"m1": "up"})
    assert (off["p"], off["b"]) == ("OFFLINE", "OFFLINE")
    assert described.statuses(balancer(member("m1")), {"m1": "up"}, fault=True)["b"] == "ERROR"


def test_where_haproxy_does_not_answer_members_are_what_they_were() -> None:
    words = ("ONLINE", "ERROR", "NO_MONITOR", "DRAINING")
    members = [member(word, operating_status=word) for word in words]
    found = described.statuses(balancer(*members, member("off", enabled=False)), None)
    assert [found[word] for word in words] == list(words)
    assert (found["off"], found["p"], found["b"]) == ("OFFLINE", "DEGRADED", "DEGRADED")


GOING = {"provisioning_status": "PENDING_DELETE"}


def test_members_and_monitor_go_with_their_pool() -> None:
    """Octavia marks the pool alone."""
    whole = balancer(member("m1"), pool=GOING)
    assert [(name, each.id) for name, each in described.tree(whole)] == [
        ("Listener", "l"),
        ("Pool", "p"),
        ("LoadBalancer", "b"),
    ]


def test_leaves_come_first() -> None:
    found = [name for name, _ in described.tree(balancer(member("m1"), member("m2")))]
    assert found == ["Member", "Member", "HealthMonitor", "Listener", "Pool", "LoadBalancer"]
    assert "HealthMonitor" not in dict(described.tree(balancer(pool={"health_monitor": None})))


@pytest.mark.parametrize("going", ["member", "monitor", "pool", "listener", "nothing"])
def test_all_that_stays_has_a_status(going: str) -> None:
    whole = balancer(member("m1"), member("m2", **(GOING if going == "member" else {})))
    for name, each in (("pool", whole.pools[0]), ("listener", whole.listeners[0])):
        each.provisioning_status = GOING["provisioning_status"] if going == name else "ACTIVE"
    if going == "monitor":
        whole.pools[0].health_monitor = monitor(**GOING)
    found = described.statuses(whole, {"m1": "up"})
    stays = {each.id for _, each in described.tree(whole) if each.provisioning_status != GOING["provisioning_status"]}
    assert stays <= found.keys()
    assert "b" in stays
