"""Stage infra, its facts and its plan: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from chaosjc.drivers.openstack_values import (
    FloatingAddress,
    Group,
    Network,
    Port,
    Router,
    RuleSpec,
    Server,
    Subnet,
)
from chaosjc.site.change import Action, Change
from chaosjc.site.discover import DIGEST, in_cloud, mark
from chaosjc.site.keys import PublicKeys
from chaosjc.site.model import BASTION, Machine, Rule, SiteFile
from chaosjc.site.roles import Surroundings, userdata
from chaosjc.site.sections import FRONT
from chaosjc.site.stages import floating

STAGE = "infra"
Login = Literal["ok", "starting", "silent", "refused", "without sudo"]

OUTBOUND = frozenset({RuleSpec("egress", "IPv4"), RuleSpec("egress", "IPv6")})
"""What Neutron gives every new group: everything may go out."""

_REFUSALS: Mapping[Login, str] = {"refused": "refuses every login", "without sudo": "refuses sudo"}
_REVIVE: Mapping[str, Action] = {"PAUSED": "unpause", "SUSPENDED": "resume", "SHUTOFF": "start"}


@dataclass(frozen=True)
class InfraFacts:
    """What the cloud holds under the site's names; `logins` by VM name, of those that could be asked."""

    networks: tuple[Network, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    routers: tuple[Router, ...] = ()
    floating: tuple[FloatingAddress, ...] = ()
    groups: tuple[Group, ...] = ()
    ports: tuple[Port, ...] = ()
    servers: tuple[Server, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict[str, str])
    flavors: Mapping[str, str] = field(default_factory=dict[str, str])
    external: str = ""
    keys: PublicKeys | None = None
    logins: Mapping[str, Login] = field(default_factory=dict[str, Login])

    def port(self, site: SiteFile, vm: str) -> Port | None:
        """The port of a VM."""
        return next((each for each in self.ports if each.name == in_cloud(site, vm)), None)

    def server(self, vm: str) -> Server | None:
        """The server that bears the name."""
        return next((each for each in self.servers if each.name == vm), None)

    def group(self, site: SiteFile, name: str) -> Group | None:
        """The security group that the file calls `name`."""
        return next((each for each in self.groups if each.name == in_cloud(site, name)), None)


def plan(site: SiteFile, facts: InfraFacts) -> tuple[Change, ...]:
    """In the order in which it is applied."""
    return (*plan_network(site, facts), *_servers(site, facts), *_floating(site, facts))


def plan_network(site: SiteFile, facts: InfraFacts) -> tuple[Change, ...]:
    """What must be right before anybody can judge whether a VM answers."""
    return (*_network(site, facts), *_router(site, facts), *_groups(site, facts), *_ports(site, facts))


def _network(site: SiteFile, facts: InfraFacts) -> Iterator[Change]:
    if not facts.networks:
        yield Change(STAGE, "network", site.name, "create")
    if not facts.subnets:
        yield Change(STAGE, "subnet", site.name, "create", after=site.network.cidr)
    for subnet in facts.subnets:
        if set(subnet.nameservers) != set(site.network.nameservers):
            before, after = ", ".join(subnet.nameservers), ", ".join(site.network.nameservers)
            yield Change(STAGE, "subnet", site.name, "update", f"name servers {before}", after)


def _router(site: SiteFile, facts: InfraFacts) -> Iterator[Change]:
    if not site.network.external:
        for router in facts.routers:
            yield Change(STAGE, "router", router.name, "delete")
    elif not facts.routers:
        yield Change(STAGE, "router", site.name, "create", after=f"to {site.network.external}")
    elif not {each.id for each in facts.subnets} <= facts.routers[0].subnet_ids:
        yield Change(STAGE, "router", site.name, "update", after=f"serves {site.network.cidr}")


def _groups(site: SiteFile, facts: InfraFacts) -> Iterator[Change]:
    for name, rules in site.security_groups.items():
        group = facts.group(site, name)
        if group is None:
            yield Change(STAGE, "security group", in_cloud(site, name), "create")
        there = named_rules(facts, group) if group else OUTBOUND
        wanted = wanted_rules(site, rules)
        for rule in sorted(wanted - there):
            yield Change(STAGE, "rule", rule_name(in_cloud(site, name), rule), "create")
        for rule in sorted(there - wanted):
            yield Change(STAGE, "rule", rule_name(in_cloud(site, name), rule), "delete")
    wanted_names = {in_cloud(site, name) for name in site.security_groups}
    for group in facts.groups:
        if group.description == mark(site) and group.name not in wanted_names:
            yield Change(STAGE, "security group", group.name, "delete")


def wanted_rules(site: SiteFile, rules: tuple[Rule, ...]) -> frozenset[RuleSpec]:
    """What the file lets through, groups by their name in the cloud."""
    return OUTBOUND | {_rule_spec(site, each) for each in rules}


def named_rules(facts: InfraFacts, group: Group) -> frozenset[RuleSpec]:
    """What a group lets through, groups by name."""
    return frozenset(named_rule(facts, rule) for _, rule in group.rules)


def named_rule(facts: InfraFacts, rule: RuleSpec) -> RuleSpec:
    """The rule with its remote group's name for its id; one of another project keeps its id."""
    names = {each.id: each.name for each in facts.groups}
    remote = names.get(rule.remote_group, rule.remote_group)
    return RuleSpec(rule.direction, rule.ethertype, rule.protocol, rule.port_min, rule.port_max, rule.remote, remote)


def rule_name(group: str, rule: RuleSpec) -> str:
    """`lab-internal: ingress tcp 22 from lab-bastion`."""
    ports = f" {rule.port_min}" if rule.port_min else ""
    ports += f"-{rule.port_max}" if rule.port_max != rule.port_min else ""
    where = "from" if rule.direction == "ingress" else "to"
    remote = rule.remote_group or rule.remote or "anywhere"
    family = "" if rule.ethertype == "IPv4" else f" {rule.ethertype}"
    return f"{group}: {rule.direction}{family} {rule.protocol}{ports} {where} {remote}"


def _rule_spec(site: SiteFile, rule: Rule) -> RuleSpec:
    first, last = rule.port_range
    is_group = rule.remote in site.security_groups
    remote = "" if is_group or rule.remote == "0.0.0.0/0" else rule.remote
    group = in_cloud(site, rule.remote) if is_group else ""
    return RuleSpec("ingress", "IPv4", rule.protocol, first, last, remote, group)


def _ports(site: SiteFile, facts: InfraFacts) -> Iterator[Change]:
    for machine in site.machines:
        name, port = in_cloud(site, machine.name), facts.port(site, machine.name)
        groups = {in_cloud(site, each) for each in machine.spec.groups}
        if port is None:
            yield Change(STAGE, "port", name, "create", after=machine.address, vm=machine.name)
        elif machine.address and port.address != machine.address:
            yield Change(STAGE, "port", name, "replace", port.address, machine.address, machine.name)
        elif (there := _group_names(facts, port)) != groups:
            before, after = ", ".join(sorted(there)), ", ".join(sorted(groups))
            yield Change(STAGE, "port", name, "update", f"groups {before or 'none'}", after, machine.name)
    front = in_cloud(site, FRONT)
    if site.lbaas and all(port.name != front for port in facts.ports):
        yield Change(STAGE, "VIP", front, "create", after=site.lbaas.vip)
    wanted = {front, *(in_cloud(site, machine.name) for machine in site.machines)}  # a VIP goes after its balancer
    for port in facts.ports:
        if port.description == mark(site) and port.name not in wanted:
            yield Change(STAGE, "port", port.name, "delete")


def _group_names(facts: InfraFacts, port: Port) -> set[str]:
    names = {each.id: each.name for each in facts.groups}
    return {names.get(each, each) for each in port.group_ids}


def _servers(site: SiteFile, facts: InfraFacts) -> Iterator[Change]:
    for machine in site.machines:
        server = facts.server(machine.name)
        if server is None:
            after = f"{machine.spec.image}, {machine.spec.flavor}"
            yield Change(STAGE, "server", machine.name, "create", after=after, vm=machine.name)
        else:
            yield from _server(site, facts, machine, server)
    wanted = {machine.name for machine in site.machines}
    for server in facts.servers:
        if server.name not in wanted or server is not facts.server(server.name):
            yield Change(STAGE, "server", server.name, "delete", before=server.id)


def _server(site: SiteFile, facts: InfraFacts, machine: Machine, server: Server) -> Iterator[Change]:
    def change(action: Action, before: str, after: str) -> Change:
        return Change(STAGE, "server", machine.name, action, before, after, machine.name)

    login = facts.logins.get(machine.name, "ok")
    if server.status == "BUILD":
        return
    differs = _immutable_difference(site, facts, machine, server)
    if differs:
        yield change("replace", *differs)
    elif server.status in _REVIVE:
        yield change(_REVIVE[server.status], server.status, "ACTIVE")
    elif server.status != "ACTIVE":
        yield change("reboot", server.status, "ACTIVE")
    elif login in _REFUSALS and machine.spec.disposable:
        yield change("replace", _REFUSALS[login], "a new one")
    elif login == "silent" or login in _REFUSALS:
        last_resort = "replaced if that is no help" if machine.spec.disposable else ""
        yield change("reboot", _REFUSALS.get(login, "answers no SSH"), last_resort)


def _immutable_difference(
    site: SiteFile, facts: InfraFacts, machine: Machine, server: Server
) -> tuple[str, str] | None:
    port = facts.port(site, machine.name)
    if server.status == "ERROR":
        return f"ERROR {server.fault}".strip(), "a new one"
    if port is None or (machine.address and port.address != machine.address) or port.device_id != server.id:
        return "without its port", "a new one"
    flavor = machine.spec.flavor
    if server.flavor not in (flavor, facts.flavors.get(flavor, "")):
        names = {uuid: name for name, uuid in facts.flavors.items()}
        return f"flavor {names.get(server.flavor, server.flavor)}", flavor
    image = facts.images.get(machine.spec.image, "")
    if server.image_id != image:
        return f"image {server.image_id[:8]}", f"{machine.spec.image} {image[:8]}"
    wanted = wanted_digest(site, facts, machine)
    if server.metadata.get(DIGEST) != wanted:
        return f"user data {server.metadata.get(DIGEST, '')[:8] or 'unknown'}", wanted[:8] or "with a new authority"
    return None


def wanted_digest(site: SiteFile, facts: InfraFacts, machine: Machine) -> str:
    """Of the user data; empty while the authorities that it names are not made."""
    if facts.keys is None:
        return ""
    return userdata.digest(userdata.everything(site, machine, Surroundings(facts.keys, {})))


def _floating(site: SiteFile, facts: InfraFacts) -> Iterator[Change]:
    port = facts.port(site, BASTION)
    port_id = port.id if port else ""
    return floating.plan(STAGE, BASTION, site.network.external, port_id, facts.floating, BASTION)
