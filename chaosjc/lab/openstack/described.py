"""A load balancer of Octavia's database as haproxy is to have it, and haproxy's words as Octavia's statuses.

Pure: objects in, values out; the objects need only look like Octavia's data models.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from chaosjc.lab.machine.haproxy import Description, Listener, Member, Mode, Monitor, Pool, State

LISTENERS: dict[str, Mode] = {"HTTP": "http", "TCP": "tcp", "HTTPS": "tcp"}
POOLS: dict[str, tuple[Mode, int]] = {  # and the version of the PROXY protocol
    "HTTP": ("http", 0),
    "TCP": ("tcp", 0),
    "HTTPS": ("tcp", 0),
    "PROXY": ("tcp", 1),
    "PROXYV2": ("tcp", 2),
}
BALANCE = {"ROUND_ROBIN": "roundrobin", "LEAST_CONNECTIONS": "leastconn", "SOURCE_IP": "source"}
MONITORS = ("HTTP", "TCP")
_STATUS = {"up": "ONLINE", "down": "ERROR", "draining": "DRAINING", "unchecked": "NO_MONITOR"}
_GOING = "PENDING_DELETE"
_KNOWN = ("ONLINE", "ERROR")


def description(balancer: Any) -> Description:
    """What is enabled and stays."""
    if not balancer.enabled:
        return Description(balancer.vip.ip_address)
    pools = tuple(_pool(each) for each in balancer.pools if _live(each))
    listeners = tuple(_listener(each, pools) for each in balancer.listeners if _live(each))
    return Description(balancer.vip.ip_address, listeners, pools)


def _live(each: Any) -> bool:
    return each is not None and each.enabled and each.provisioning_status != _GOING


def _listener(listener: Any, pools: Iterable[Pool]) -> Listener:
    pool = next((each for each in pools if each.id == listener.default_pool_id), None)
    limit = listener.connection_limit
    return Listener(
        id=listener.id,
        mode=LISTENERS[listener.protocol],
        port=listener.protocol_port,
        pool=pool.id if pool else None,
        limit=limit if limit and limit > 0 else None,
        client_timeout=listener.timeout_client_data or Listener.client_timeout,
        connect_timeout=listener.timeout_member_connect or Listener.connect_timeout,
        member_timeout=listener.timeout_member_data or Listener.member_timeout,
        headers={name: str(value).lower() == "true" for name, value in (listener.insert_headers or {}).items()},
    )


def _pool(pool: Any) -> Pool:
    mode, proxy = POOLS[pool.protocol]
    return Pool(
        id=pool.id,
        mode=mode,
        balance=BALANCE[pool.lb_algorithm],
        members=tuple(_member(each) for each in pool.members if _live(each)),
        monitor=_monitor(pool.health_monitor) if _live(pool.health_monitor) else None,
        proxy=proxy,
    )


def _member(member: Any) -> Member:
    return Member(
        id=member.id,
        address=member.ip_address,
        port=member.protocol_port,
        weight=1 if member.weight is None else member.weight,
        backup=bool(member.backup),
        monitor=(member.monitor_address, member.monitor_port),
    )


def _monitor(monitor: Any) -> Monitor:
    return Monitor(
        kind=monitor.type,
        delay=monitor.delay,
        timeout=monitor.timeout,
        rise=monitor.rise_threshold,
        fall=monitor.fall_threshold,
        method=monitor.http_method or "GET",
        path=monitor.url_path or "/",
        codes=(monitor.expected_codes or "200").replace(" ", ""),
        host=getattr(monitor, "domain_name", None),
    )


def tree(balancer: Any) -> Iterator[tuple[str, Any]]:
    """Each thing with its model's name, leaves first: none refers to one before it.

    What goes with its pool is left out: Octavia marks the pool alone, and its deletion is theirs.
    """
    for pool in (each for each in balancer.pools if each.provisioning_status != _GOING):
        yield from (("Member", member) for member in pool.members)
        if pool.health_monitor:
            yield "HealthMonitor", pool.health_monitor
    yield from (("Listener", listener) for listener in balancer.listeners)
    yield from (("Pool", pool) for pool in balancer.pools)
    yield "LoadBalancer", balancer


def statuses(balancer: Any, states: Mapping[str, State] | None, fault: bool = False) -> dict[str, str]:
    """Id -> operating status of all that stays, from the members' states (haproxy.states) up to the balancer.

    `states`: None where haproxy runs and does not answer; each member is what it was then.
    `fault`: what the database wants could not be made true.
    """
    found: dict[str, str] = {}
    pools: list[str] = []
    for pool in (each for each in balancer.pools if each.provisioning_status != _GOING):
        members = {m.id: _member_status(m, states) for m in pool.members if m.provisioning_status != _GOING}
        status = _pool_status(members.values()) if pool.enabled else "OFFLINE"
        found |= {**members, pool.id: status}
        pools.append(status)
        if pool.health_monitor:
            found[pool.health_monitor.id] = "ONLINE" if pool.health_monitor.enabled else "OFFLINE"
    for listener in balancer.listeners:
        found[listener.id] = "ONLINE" if listener.enabled else "OFFLINE"
    worst = next((word for word in ("ERROR", "DEGRADED") if word in pools), "ONLINE")
    found[balancer.id] = "ERROR" if fault else worst if balancer.enabled else "OFFLINE"
    return found


def _member_status(member: Any, states: Mapping[str, State] | None) -> str:
    """Before the first check of a new process has ended, it is what it was."""
    if not member.enabled:
        return "OFFLINE"
    if states is None:
        return member.operating_status
    state = states.get(member.id)
    if state is None:
        return "OFFLINE"
    return _STATUS.get(state) or (member.operating_status if member.operating_status in _KNOWN else "OFFLINE")


def _pool_status(members: Iterable[str]) -> str:
    words = list(members)
    if "ERROR" not in words:
        return "ONLINE"
    return "ERROR" if not set(words) - {"ERROR", "OFFLINE"} else "DEGRADED"
