"""Stage balancer: Octavia in front of the hub's proxy; its members need their addresses, and no hub yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chaosjc.drivers import balancer_values as values
from chaosjc.drivers.balancer import Balancers, NoBalancers
from chaosjc.drivers.openstack_values import Network, Port
from chaosjc.errors import StageError
from chaosjc.site import discover
from chaosjc.site.change import Change
from chaosjc.site.context import Context
from chaosjc.site.discover import in_cloud, mark
from chaosjc.site.model import SiteFile
from chaosjc.site.sections import FRONT, Lbaas
from chaosjc.site.stages import balancer_plan, floating
from chaosjc.site.stages.balancer_plan import STAGE, BalancerFacts
from chaosjc.site.stages.base import Stage, external_network, ports


class Balancer(Stage[BalancerFacts]):
    """See balancer_plan for what is compared."""

    name = STAGE
    requires = ("infra",)

    def facts(self, context: Context, *, patient: bool) -> BalancerFacts:
        """Ask Octavia, if the file wants a balancer, or the port of a VIP tells that there was one."""
        if context.only is not None:
            return BalancerFacts()
        vip = discover.vip(context.site, ports(context))
        if context.site.lbaas is None and vip is None:
            return BalancerFacts()
        octavia = context.cloud.balancers
        try:
            found = octavia.marked(mark(context.site))
        except NoBalancers:
            if context.site.lbaas:
                raise
            found = ()  # nothing was ever made on the VIP
        if patient:
            found = tuple(each for one in found if (each := octavia.wait_settled(one)))
        marked = balancer_plan.front_mark(context.site)
        outside = tuple(each for each in context.cloud.floating_addresses() if each.description == marked)
        addresses = discover.addresses(context.site, ports(context))
        facts = BalancerFacts(True, vip, addresses, found, floating=outside)
        return _with_parts(octavia, facts)

    def plan(self, site: SiteFile, facts: BalancerFacts) -> tuple[Change, ...]:
        """Pure; see balancer_plan."""
        return balancer_plan.plan(site, facts)

    def apply(self, context: Context, facts: BalancerFacts, changes: Sequence[Change]) -> None:
        """One change after the other: Octavia takes no two of one balancer at a time."""
        apply = _Apply(context, facts)
        for change in changes:
            context.check_cancelled()
            context.report(STAGE, change.name, f"{change.action} {change.kind}")
            apply.one(change)


def _with_parts(octavia: Balancers, facts: BalancerFacts) -> BalancerFacts:
    if facts.balancer is None:
        return facts
    listeners, pools = octavia.listeners(facts.balancer.id), octavia.pools(facts.balancer.id)
    facts = replace(facts, listeners=listeners, pools=pools)
    if facts.pool is None:
        return facts
    return replace(facts, monitor=octavia.monitor(facts.pool), members=octavia.members(facts.pool.id))


class _Apply:
    """One round of changes."""

    def __init__(self, context: Context, facts: BalancerFacts) -> None:
        self._context, self._facts = context, facts
        self._site, self._octavia = context.site, context.cloud.balancers
        self._balancer = facts.balancer.id if facts.balancer else ""
        self._pool = facts.pool.id if facts.pool else ""
        self._subnet = ""

    def one(self, change: Change) -> None:
        """As planned."""
        if change.kind in ("balancer", "VIP"):
            self._whole(change)
        elif change.kind == floating.KIND:
            self._floating(change)
        elif change.action == "delete":
            self._delete(change)
        else:
            assert self._site.lbaas is not None  # noqa: S101 - else nothing but deletions was planned
            self._save(change, self._site.lbaas)

    def _whole(self, change: Change) -> None:
        if change.kind == "VIP":
            self._context.cloud.delete_port(self._facts.port.id if self._facts.port else "")
        elif change.action == "update":
            self._octavia.enable(self._balancer)
        elif change.action == "delete":
            for each in self._facts.balancers:
                if each.id == change.before:
                    self._octavia.delete(each)
        else:
            self._new(change)

    def _new(self, change: Change) -> None:
        """On the address that the old one had, if there was one and the file names no other."""
        assert self._site.lbaas is not None  # noqa: S101 - a balancer was planned
        if self._facts.balancer:
            self._octavia.delete(self._facts.balancer)
        port = self._vip(self._site.lbaas.vip)
        provider = self._site.lbaas.provider
        wanted = values.Balancer("", change.name, mark(self._site), port.address, port.id, provider)
        made = self._octavia.create(wanted)
        self._balancer, self._pool = made.id, ""

    def _vip(self, address: str) -> Port:
        """The port of the VIP, at this address if one is named."""
        cloud, found = self._context.cloud, self._facts.port
        if found and address in ("", found.address):
            return found
        if found:
            cloud.delete_port(found.id)
        wanted = Port("", in_cloud(self._site, FRONT), self._network().id, address, description=mark(self._site))
        return cloud.create_port(wanted, self._subnet_id())

    def _save(self, change: Change, lbaas: Lbaas) -> None:
        octavia, facts = self._octavia, self._facts
        fresh = change.action == "create"
        if change.kind == "pool":
            wanted = balancer_plan.wanted_pool(lbaas)
            known = facts.pool.id if facts.pool and not fresh else ""
            self._pool = octavia.save_pool(self._balancer, replace(wanted, id=known)).id
        elif change.kind == "health monitor":
            self._monitor(change, lbaas)
        elif change.kind == "member":
            self._member(change)
        else:
            found = facts.listener(lbaas)
            listener = balancer_plan.wanted_listener(lbaas, self._pool)
            known = found.id if found and not fresh else ""
            octavia.save_listener(self._balancer, replace(listener, id=known))

    def _monitor(self, change: Change, lbaas: Lbaas) -> None:
        """Its type is for ever: another type is another monitor."""
        wanted, found = balancer_plan.wanted_monitor(lbaas.monitor), self._facts.monitor
        if found and change.action == "replace":
            self._octavia.delete_part(self._balancer, "health_monitor", found.id)
        known = found.id if found and change.action == "update" else ""
        self._octavia.save_monitor(self._balancer, self._pool, replace(wanted, id=known))

    def _member(self, change: Change) -> None:
        """Its address is for ever: another address is another member."""
        found = self._facts.member(change.name)
        if found and change.action == "replace":
            self._octavia.delete_member(self._balancer, self._pool, found)
        wanted = next(
            each for each in balancer_plan.wanted_members(self._site, self._facts) if each.name == change.name
        )
        known = found.id if found and change.action == "update" else ""
        member = replace(wanted, id=known, subnet_id=self._subnet_id())
        self._octavia.save_member(self._balancer, self._pool, member)

    def _delete(self, change: Change) -> None:
        """What the file does not ask for."""
        if change.kind == "member":
            for member in self._facts.members:
                if member.id == change.before:
                    self._octavia.delete_member(self._balancer, self._pool, member)
        for listener in self._facts.listeners if change.kind == "listener" else ():
            if f"{listener.protocol} {listener.port}" == change.before:
                self._octavia.delete_part(self._balancer, "listener", listener.id)
        for pool in self._facts.pools if change.kind == "pool" else ():
            if pool.id == change.before:
                self._octavia.delete_part(self._balancer, "pool", pool.id)

    def _network(self) -> Network:
        found = self._context.cloud.networks(self._site.name)
        if not found:
            raise StageError(f"{STAGE}: network {self._site.name} is gone", hint="deploy the whole site")
        return found[0]

    def _floating(self, change: Change) -> None:
        cloud = self._context.cloud
        port = discover.vip(self._site, discover.ports(self._site, cloud))  # as it is since the changes before
        if port is None and change.action != "delete":
            raise StageError(f"{STAGE}: the port of the VIP is gone", hint="deploy again")
        port_id = port.id if port else ""
        if change.action == "create":
            marked = balancer_plan.front_mark(self._site)
            cloud.create_floating_address(external_network(self._context), port_id, marked)
        floating.apply(cloud, change, self._facts.floating, port_id)

    def _subnet_id(self) -> str:
        if not self._subnet:
            self._subnet = self._context.cloud.subnets(self._network().id)[0].id
        return self._subnet
