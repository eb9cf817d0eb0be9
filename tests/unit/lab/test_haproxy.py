"""A balancer's description -> haproxy's configuration; its statistics -> the members' states."""

from __future__ import annotations

import dataclasses

import pytest

from chaosjc.lab.machine import haproxy
from chaosjc.lab.machine.haproxy import Description, Listener, Member, Monitor, Pool, State

MONITOR = Monitor("HTTP", delay=2, timeout=1, rise=1, fall=3, path="/hub/health", codes="200,204")
POOL = Pool(
    "pool",
    "http",
    "roundrobin",
    (Member("m2", "10.0.0.12", 8000, weight=5, backup=True), Member("m1", "10.0.0.11", 8000, monitor=(None, 9000))),
    MONITOR,
)
LISTENER = Listener("listener", "http", 80, "pool", limit=100, member_timeout=90_000, headers={"X-Forwarded-For": True})
WHOLE = Description("10.0.0.100", (LISTENER,), (POOL,))

TEXT = """\
frontend listener
  mode http
  bind 10.0.0.100:80
  maxconn 100
  timeout client 50000
  option forwardfor
  default_backend pool
backend pool
  mode http
  balance roundrobin
  timeout connect 5000
  timeout server 90000
  timeout check 1s
  option httpchk
  http-check send meth GET uri /hub/health
  http-check expect status 200,204
  server m1 10.0.0.11:8000 weight 1 check inter 2s rise 1 fall 3 port 9000
  server m2 10.0.0.12:8000 weight 5 check inter 2s rise 1 fall 3 backup
"""


def lines(description: Description) -> list[str]:
    return haproxy.configuration(description).splitlines()


def test_a_whole_balancer() -> None:
    assert haproxy.configuration(WHOLE).endswith(f"\n{TEXT}")


def test_the_same_facts_in_any_order_are_the_same_text() -> None:
    other = dataclasses.replace(POOL, id="other")
    turned = dataclasses.replace(POOL, members=POOL.members[::-1])
    one, two = Description("10.0.0.100", (), (POOL, other)), Description("10.0.0.100", (), (other, turned))
    assert haproxy.configuration(one) == haproxy.configuration(two)


def test_what_checks_have_found_out_outlives_a_change() -> None:
    assert "  server-state-file state" in lines(WHOLE)
    assert "  load-server-state-from-file global" in lines(WHOLE)
    assert any("expose-fd listeners" in line for line in lines(WHOLE))


def test_a_predecessor_ends_some_day() -> None:
    assert [line for line in lines(WHOLE) if "hard-stop-after" in line] == ["  hard-stop-after 30m"]


def test_without_a_monitor_nobody_is_checked() -> None:
    pool = dataclasses.replace(POOL, monitor=None)
    assert not [line for line in lines(Description("10.0.0.100", (LISTENER,), (pool,))) if "check" in line]


def test_a_tcp_check_asks_nothing() -> None:
    pool = Pool("pool", "tcp", "leastconn", POOL.members, Monitor("TCP", delay=1, timeout=1, rise=1, fall=1))
    text = haproxy.configuration(Description("10.0.0.100", (), (pool,)))
    assert "check inter 1s" in text
    assert "httpchk" not in text


def test_headers_are_of_http_alone() -> None:
    listener = dataclasses.replace(LISTENER, mode="tcp")
    assert "  option forwardfor" not in lines(Description("10.0.0.100", (listener,), ()))


@pytest.mark.parametrize(("version", "word"), [(1, "send-proxy "), (2, "send-proxy-v2 ")])
def test_the_proxy_protocol_is_spoken_by_checks_too(version: int, word: str) -> None:
    pool = dataclasses.replace(POOL, mode="tcp", proxy=version)
    server = next(line for line in lines(Description("10.0.0.100", (), (pool,))) if " m1 " in line)
    assert word in server
    assert "check-send-proxy" in server


def statistics(status: str, check: str) -> str:
    return (
        "# pxname,svname,status,check_status,\n"
        "front,FRONTEND,OPEN,,\n"
        f"pool,m1,{status},{check},\n"
        "pool,BACKEND,UP,,\n\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "check", "state"),
    [
        ("UP", "L7OK", "up"),
        ("UP", "* L4OK", "up"),
        ("UP", "INI", "unknown"),
        ("UP", "* INI", "unknown"),
        ("UP 1/2", "L4TOUT", "unknown"),
        ("DOWN", "L4TOUT", "down"),
        ("DOWN", "* L7STS", "down"),
        ("DOWN 1/2", "L7OK", "down"),
        ("DRAIN", "L7OK", "draining"),
        ("no check", "", "unchecked"),
    ],
)
def test_states(status: str, check: str, state: State) -> None:
    assert haproxy.states(statistics(status, check)) == {"m1": state}
