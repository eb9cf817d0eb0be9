"""What stage balancer compares: the balancer on the VIP, its pool with health monitor and members, its listener."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace

from chaosjc.drivers.balancer_values import Balancer, Listener, Member, Monitor, Pool
from chaosjc.drivers.openstack_values import FloatingAddress, Port
from chaosjc.site.change import Change
from chaosjc.site.discover import in_cloud, mark
from chaosjc.site.model import SiteFile
from chaosjc.site.sections import FRONT, HealthMonitor, Lbaas
from chaosjc.site.stages import floating

STAGE = "balancer"
PROTOCOL = "TCP"
METHODS = {"round-robin": "ROUND_ROBIN", "least-connections": "LEAST_CONNECTIONS", "source-ip": "SOURCE_IP"}

_NOT_COMPARED = frozenset({"id", "operating", "tags", "monitor_id", "subnet_id"})

Part = Listener | Pool | Monitor | Member


@dataclass(frozen=True)
class BalancerFacts:
    """What Octavia has with the site's mark; `asked` is whether it was. The first of `balancers` is the one in use.

    `port` is the VIP's, `addresses` the VMs', `floating` what leads to the VIP from outside. Listeners and pools are
    all of the balancer's; monitor and members those of its right pool.
    """

    asked: bool = False
    port: Port | None = None
    addresses: Mapping[str, str] = field(default_factory=dict[str, str])
    balancers: tuple[Balancer, ...] = ()
    listeners: tuple[Listener, ...] = ()
    pools: tuple[Pool, ...] = ()
    monitor: Monitor | None = None
    members: tuple[Member, ...] = ()
    floating: tuple[FloatingAddress, ...] = ()

    @property
    def balancer(self) -> Balancer | None:
        """The one in use."""
        return self.balancers[0] if self.balancers else None

    @property
    def pool(self) -> Pool | None:
        """The one whose members are the site's."""
        return next((each for each in self.pools if right_pool(each)), None)

    def listener(self, lbaas: Lbaas) -> Listener | None:
        """The one that the file asks for."""
        return next((each for each in self.listeners if right_listener(lbaas, each)), None)

    def member(self, name: str) -> Member | None:
        """The first of this name."""
        return next((each for each in self.members if each.name == name), None)


def right_pool(pool: Pool) -> bool:
    """Whether it can be made what the file says."""
    return pool.name == FRONT and pool.protocol == PROTOCOL


def right_listener(lbaas: Lbaas, listener: Listener) -> bool:
    """Whether it can be made what the file says."""
    return listener.protocol == PROTOCOL and listener.port == lbaas.listen


def plan(site: SiteFile, facts: BalancerFacts) -> tuple[Change, ...]:
    """In the order in which it is done: the listener comes last, once there is something behind it."""
    if not facts.asked:
        return ()
    if site.lbaas is None:
        return tuple(_nothing(site, facts))
    changes = tuple(_balancer(site, site.lbaas, facts))
    if any(each.action in ("create", "replace") for each in changes):
        facts = replace(facts, listeners=(), pools=(), monitor=None, members=())
    return (*changes, *_parts(site, site.lbaas, facts), *_floating(site, facts))


def front_mark(site: SiteFile) -> str:
    """The description of the floating address before the VIP: the site's other one leads to the bastion."""
    return f"{mark(site)} {FRONT}"


def _nothing(site: SiteFile, facts: BalancerFacts) -> Iterator[Change]:
    """The file asks for none any more."""
    yield from _floating(site, facts)
    for each in facts.balancers:
        yield Change(STAGE, "balancer", each.name, "delete", before=each.id)
    if facts.port:
        yield Change(STAGE, "VIP", in_cloud(site, FRONT), "delete", before=facts.port.address)


def _balancer(site: SiteFile, lbaas: Lbaas, facts: BalancerFacts) -> Iterator[Change]:
    name, found = in_cloud(site, FRONT), facts.balancer
    if found is None:
        yield Change(STAGE, "balancer", name, "create", after=lbaas.vip or (facts.port.address if facts.port else ""))
    elif found.provisioning == "ERROR":
        yield Change(STAGE, "balancer", name, "replace", "ERROR", "a new one")
    elif lbaas.vip and found.address != lbaas.vip:
        yield Change(STAGE, "balancer", name, "replace", f"VIP {found.address}", lbaas.vip)
    elif facts.port and found.port_id != facts.port.id:
        yield Change(STAGE, "balancer", name, "replace", "on another port", "on the site's own")
    elif lbaas.provider and found.provider != lbaas.provider:
        yield Change(STAGE, "balancer", name, "replace", f"provider {found.provider}", lbaas.provider)
    elif not found.enabled:
        yield Change(STAGE, "balancer", name, "update", "disabled", "enabled")
    for each in facts.balancers[1:]:
        yield Change(STAGE, "balancer", each.name, "delete", before=each.id)


def _floating(site: SiteFile, facts: BalancerFacts) -> Iterator[Change]:
    """Another VIP is another port."""
    lbaas, port = site.lbaas, facts.port
    external = site.network.external if lbaas and lbaas.floating else ""
    port_id = port.id if port and lbaas and lbaas.vip in ("", port.address) else ""
    return floating.plan(STAGE, FRONT, external, port_id, facts.floating)


def _parts(site: SiteFile, lbaas: Lbaas, facts: BalancerFacts) -> Iterator[Change]:
    pool, listener = facts.pool, facts.listener(lbaas)
    for each in facts.listeners:
        if each is not listener:
            yield Change(STAGE, "listener", each.name or each.id, "delete", before=f"{each.protocol} {each.port}")
    yield from _compared("pool", FRONT, pool, wanted_pool(lbaas))
    yield from _monitor(lbaas.monitor, facts.monitor)
    yield from _members(site, facts)
    wanted = wanted_listener(lbaas, pool.id if pool else "")
    yield from _compared("listener", wanted.name, listener, wanted)
    for each in facts.pools:
        if each is not pool:
            yield Change(STAGE, "pool", each.name or each.id, "delete", before=each.id)


def _monitor(asked: HealthMonitor, found: Monitor | None) -> Iterator[Change]:
    wanted = wanted_monitor(asked)
    if found and found.type != wanted.type:
        yield Change(STAGE, "health monitor", FRONT, "replace", found.type, wanted.type)
    else:
        yield from _compared("health monitor", FRONT, found, wanted)


def _members(site: SiteFile, facts: BalancerFacts) -> Iterator[Change]:
    wanted = {each.name: each for each in wanted_members(site, facts)}
    for each in facts.members:
        if each.name not in wanted or each is not facts.member(each.name):
            yield Change(STAGE, "member", each.name or each.id, "delete", before=each.id)
    for name, member in wanted.items():
        found = facts.member(name)
        if found and (found.address, found.port) != (member.address, member.port):
            before, after = f"{found.address}:{found.port}", f"{member.address}:{member.port}"
            yield Change(STAGE, "member", name, "replace", before, after, name)
        else:
            yield from _compared("member", name, found, member, vm=name)


def whys(site: SiteFile, facts: BalancerFacts) -> dict[str, str]:
    """By worker, why no user is handed to it; empty where some are."""
    found = {name: facts.member(name) for name in site.workers}
    return {name: _why(member) for name, member in found.items()}


def _why(member: Member | None) -> str:
    if member is None:
        return "no member of the balancer"
    if member.answers:
        return ""
    return f"is {member.operating}" if member.enabled else "disabled"


def wanted_pool(lbaas: Lbaas) -> Pool:
    """As the file says."""
    return Pool("", FRONT, PROTOCOL, METHODS[lbaas.method])


def wanted_monitor(asked: HealthMonitor) -> Monitor:
    """As the file says."""
    http = asked.type == "http"
    path, codes = (asked.path, "200") if http else ("", "")
    every, timeout = int(asked.every), int(asked.timeout)
    return Monitor("", asked.type.upper(), path, codes, every, timeout, asked.failures, asked.successes)


def wanted_members(site: SiteFile, facts: BalancerFacts) -> tuple[Member, ...]:
    """The workers that have an address."""
    port = site.hub.port if site.hub else 0
    return tuple(
        Member("", name, facts.addresses[name], port) for name in site.workers if name in facts.addresses
    )  # fmt: skip


def wanted_listener(lbaas: Lbaas, pool_id: str) -> Listener:
    """As the file says."""
    name = f"{FRONT}-{lbaas.listen}"
    return Listener("", name, PROTOCOL, lbaas.listen, pool_id, lbaas.idle, lbaas.idle, lbaas.connect)


def _compared(kind: str, name: str, found: Part | None, wanted: Part, vm: str = "") -> Iterator[Change]:
    if found is None:
        yield Change(STAGE, kind, name, "create", vm=vm)
        return
    differing = [each.name for each in fields(wanted) if _differs(each.name, found, wanted)]
    if differing:
        before, after = (", ".join(_told(each, part) for each in differing) for part in (found, wanted))
        yield Change(STAGE, kind, name, "update", before, after, vm)


def _differs(name: str, found: Part, wanted: Part) -> bool:
    """Something that is under way is not what is wrong."""
    is_now = getattr(found, name)
    if name in _NOT_COMPARED or (name == "provisioning" and str(is_now).startswith("PENDING")):
        return False
    return is_now != getattr(wanted, name)


def _told(name: str, part: Part) -> str:
    value = getattr(part, name)
    if name == "enabled":
        return "enabled" if value else "disabled"
    if name == "pool_id":
        return f"pool {value or FRONT}"
    if name == "provisioning":
        return str(value)
    return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
