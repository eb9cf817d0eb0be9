"""haproxy's configuration from a load balancer's description, and what its statistics say of the members.

Pure: values in, text out, and text in, words out. A frontend is called after its listener, a backend after its pool
and a server after its member, by their ids, so that haproxy's own table tells each one's state.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Mode = Literal["http", "tcp"]
State = Literal["up", "down", "draining", "unchecked", "unknown"]
_FORWARDED = {
    "X-Forwarded-For": "  option forwardfor",
    "X-Forwarded-Port": "  http-request set-header X-Forwarded-Port %[dst_port]",
    "X-Forwarded-Proto": "  http-request set-header X-Forwarded-Proto http",
}
HEADERS = tuple(_FORWARDED)  # that a listener may be asked to insert
_MAXCONN = 2000  # an unlimited listener's share of the process's memory: 256 MiB hold more than that
# How long a predecessor may serve its open connections. It takes 4 MB of the 256 and a WebSocket need not end itself:
# there is room for a change every 40 s, and what is cut is cut long after the run that made the change has judged.
_HARD_STOP = "30m"
_SECTIONS = ("FRONTEND", "BACKEND")
_PASSED = ("L4OK", "L6OK", "L7OK")


@dataclass(frozen=True)
class Member:
    """A server; `monitor` is the address and port to check instead of its own, where there is one."""

    id: str
    address: str
    port: int
    weight: int = 1
    backup: bool = False
    monitor: tuple[str | None, int | None] = (None, None)


@dataclass(frozen=True)
class Monitor:
    """How members are checked; seconds. `rise` good answers in succession make one ONLINE, `fall` bad ones ERROR.

    `codes` are statuses as Octavia writes them: `200`, `200,204` or `200-204`.
    """

    kind: Literal["HTTP", "TCP"]
    delay: int
    timeout: int
    rise: int
    fall: int
    method: str = "GET"
    path: str = "/"
    codes: str = "200"
    host: str | None = None


@dataclass(frozen=True)
class Pool:
    """Enabled members alone; `proxy` is the version of the PROXY protocol that they want, 0 for none."""

    id: str
    mode: Mode
    balance: str
    members: tuple[Member, ...] = ()
    monitor: Monitor | None = None
    proxy: int = 0


@dataclass(frozen=True)
class Listener:
    """Timeouts in milliseconds, `limit` in connections at once (None: no limit), `pool` by id."""

    id: str
    mode: Mode
    port: int
    pool: str | None
    limit: int | None = None
    client_timeout: int = 50_000
    connect_timeout: int = 5_000
    member_timeout: int = 50_000
    headers: Mapping[str, bool] = field(default_factory=dict[str, bool])


@dataclass(frozen=True)
class Description:
    """A balancer: its address, and what is enabled in it."""

    address: str
    listeners: tuple[Listener, ...] = ()
    pools: tuple[Pool, ...] = ()


def configuration(balancer: Description) -> str:
    """The whole file, the same text for the same facts in any order.

    Its own files lie in the process's working directory. What checks have found out outlives a change: haproxy takes it
    over from `state`, its predecessor's answer to `show servers state`, as it takes over the listening sockets.
    """
    timeouts = {listener.pool: listener for listener in balancer.listeners}
    parts = [
        "global\n  stats socket unix@stats.sock mode 600 level admin expose-fd listeners\n"
        f"  server-state-file state\n  user nobody\n  group nogroup\n  maxconn {2 * _MAXCONN}\n"
        f"  hard-stop-after {_HARD_STOP}",
        "defaults\n  load-server-state-from-file global\n  option redispatch\n  retries 3\n  option dontlognull",
        *(_frontend(balancer.address, listener) for listener in sorted(balancer.listeners, key=lambda each: each.id)),
        *(_backend(pool, timeouts.get(pool.id)) for pool in sorted(balancer.pools, key=lambda each: each.id)),
    ]
    return "\n".join(parts) + "\n"


def _frontend(address: str, listener: Listener) -> str:
    lines = [
        f"frontend {listener.id}",
        f"  mode {listener.mode}",
        f"  bind {address}:{listener.port}",
        f"  maxconn {listener.limit or _MAXCONN}",
        f"  timeout client {listener.client_timeout}",
    ]
    if listener.mode == "http":
        lines += [line for name, line in _FORWARDED.items() if listener.headers.get(name)]
    if listener.pool:
        lines.append(f"  default_backend {listener.pool}")
    return "\n".join(lines)


def _backend(pool: Pool, listener: Listener | None) -> str:
    patience = listener or Listener("", pool.mode, 0, pool.id)
    lines = [
        f"backend {pool.id}",
        f"  mode {pool.mode}",
        f"  balance {pool.balance}",
        f"  timeout connect {patience.connect_timeout}",
        f"  timeout server {patience.member_timeout}",
        *(_checks(pool.monitor) if pool.monitor else []),
    ]
    return "\n".join([*lines, *(_server(m, pool) for m in sorted(pool.members, key=lambda each: each.id))])


def _checks(monitor: Monitor) -> list[str]:
    lines = [f"  timeout check {monitor.timeout}s"]
    if monitor.kind == "HTTP":
        host = f" ver HTTP/1.1 hdr Host {monitor.host}" if monitor.host else ""
        lines += [
            "  option httpchk",
            f"  http-check send meth {monitor.method} uri {monitor.path}{host}",
            f"  http-check expect status {monitor.codes}",
        ]
    return lines


def _server(member: Member, pool: Pool) -> str:
    words = [f"  server {member.id} {member.address}:{member.port} weight {member.weight}"]
    if pool.monitor:
        address, port = member.monitor
        words.append(f"check inter {pool.monitor.delay}s rise {pool.monitor.rise} fall {pool.monitor.fall}")
        words += [f"addr {address}"] if address else []
        words += [f"port {port}"] if port else []
    if pool.proxy:
        words.append("send-proxy" if pool.proxy == 1 else "send-proxy-v2")
        words += ["check-send-proxy"] if pool.monitor else []
    words += ["backup"] if member.backup else []
    return " ".join(words)


def states(statistics: str) -> dict[str, State]:
    """Member's id -> its state, from the answer to `show stat`.

    `unknown` is a member that haproxy takes for alive although its last check has failed or has not ended yet: it is
    what it was, and a new one is nothing so far.
    """
    rows = csv.DictReader(statistics.removeprefix("# ").splitlines())
    return {row["svname"]: _state(row) for row in rows if row["svname"] not in _SECTIONS}


def _state(row: Mapping[str, str]) -> State:
    status = row["status"].partition(" ")[0]
    if row["status"] == "no check":
        return "unchecked"
    if status in ("DRAIN", "NOLB"):
        return "draining"
    if status != "UP":
        return "down"
    return "up" if row["check_status"].removeprefix("* ").startswith(_PASSED) else "unknown"
