"""Neutron's ports and security group rules as one nftables table of the bridge family. Pure: values in, text out.

Bridges have no connection tracking on every kernel, so the table keeps its own: an allowed packet that opens a flow
adds the reply's tuple to the set `est`, and a packet found in `est` passes. Replies to a flow never add to it, hence
taking a rule away cuts at once what it had allowed. A port of the lab that the table does not know is dropped.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from chaosjc.lab.machine.network import Names

_PROTOCOLS = {
    "icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "icmpv6": 58, "ipv6-icmp": 58,
    "vrrp": 112, "sctp": 132,
}  # fmt: skip
_UNSET = "0.0.0.0"  # noqa: S104 - the address of a machine that has none
_SAME = "ip saddr . ip daddr . ip protocol . th sport . th dport"
_REPLY = "ip daddr . ip saddr . ip protocol . th dport . th sport"

_FLOWS = f"""\
  set est {{
    type ipv4_addr . ipv4_addr . inet_proto . inet_service . inet_service; size 262144; flags dynamic,timeout;
  }}
  set ping {{ type ipv4_addr . ipv4_addr . icmp_type; size 65536; flags dynamic,timeout; }}
  chain known {{
    ip protocol icmp ip saddr . ip daddr . icmp type @ping accept
    ip protocol icmp icmp type {{ destination-unreachable, time-exceeded, parameter-problem }} accept
    ip protocol {{ tcp, udp }} {_SAME} @est goto known_flow
  }}
  chain known_flow {{
    tcp flags & (fin | rst) != 0 update @est {{ {_SAME} timeout 60s }} accept
    ip protocol tcp update @est {{ {_SAME} timeout 1d }} accept
    update @est {{ {_SAME} timeout 3m }} accept
  }}
  # an allowed packet that opens a flow (TCP: only a bare SYN does) lets the answers through
  chain opens {{
    tcp flags & (syn | ack) == syn update @est {{ {_REPLY} timeout 1d }} accept
    ip protocol udp update @est {{ {_REPLY} timeout 3m }} accept
    icmp type echo-request update @ping {{ ip daddr . ip saddr . 0 timeout 30s }} accept
    accept
  }}
"""


@dataclass(frozen=True)
class Rule:
    """A security group rule; `remote` is a prefix, `remote_group` an id, low and high ports, or ICMP type and code."""

    group: str
    direction: Literal["ingress", "egress"]
    ethertype: str
    protocol: str | None = None
    low: int | None = None
    high: int | None = None
    remote: str | None = None
    remote_group: str | None = None


@dataclass(frozen=True)
class Port:
    """A port of a machine: the MACs and the IPv4 addresses or prefixes that it may use, its groups."""

    id: str
    macs: tuple[str, ...]
    addresses: tuple[str, ...]
    groups: tuple[str, ...]
    secured: bool = True


def rule_match(rule: Rule, members: Mapping[str, Iterable[str]]) -> str | None:
    """The nft match of a rule ("" matches all), or None if it can match nothing; `members`: addresses by group."""
    if rule.ethertype != "IPv4":
        return None
    side = "saddr" if rule.direction == "ingress" else "daddr"
    words: list[str] = []
    if rule.remote_group:
        addresses = collapse(members.get(rule.remote_group, ()))
        if not addresses:
            return None
        words.append(f"ip {side} {{ {', '.join(addresses)} }}")
    elif rule.remote and not rule.remote.endswith("/0"):
        words.append(f"ip {side} {rule.remote}")
    return " ".join([*words, *_protocol_match(rule)])


def _protocol_match(rule: Rule) -> list[str]:
    name = str(rule.protocol)
    if rule.protocol is None or name in ("any", "0"):
        return []
    number = _PROTOCOLS.get(name) or int(name)
    if number == _PROTOCOLS["icmp"]:
        kind = [] if rule.low is None else [f"icmp type {rule.low}"]
        code = [] if rule.low is None or rule.high is None else [f"icmp code {rule.high}"]
        return ["ip protocol icmp", *kind, *code]
    if number in (6, 17) and not rule.low == rule.high is None:
        low, high = rule.low or 1, rule.high or 65535
        return [f"{'tcp' if number == 6 else 'udp'} dport {low if low == high else f'{low}-{high}'}"]
    return [f"ip protocol {number}"]


def collapse(addresses: Iterable[str]) -> list[str]:
    """Addresses and prefixes without overlap, as nft's interval sets want them."""
    networks = ipaddress.collapse_addresses(ipaddress.IPv4Network(a, strict=False) for a in addresses)
    return [str(n.network_address) if n.prefixlen == 32 else str(n) for n in networks]


def ruleset(names: Names, ports: Iterable[Port], rules: Iterable[Rule]) -> str:
    """The whole table, the same text for the same facts in any order."""
    ports = sorted(ports, key=lambda port: port.id)
    members: dict[str, set[str]] = {}
    for port in ports:
        for group in port.groups:
            members.setdefault(group, set()).update(port.addresses)
    by_group: dict[str, list[Rule]] = {}
    for rule in rules:
        by_group.setdefault(rule.group, []).append(rule)
    chains = "".join(_port_chains(port, by_group, members) for port in ports if port.secured)
    return f"table bridge {names.table} {{\n{_FLOWS}{chains}{_hooks(names, ports)}}}\n"


def _hooks(names: Names, ports: list[Port]) -> str:
    def verdicts(prefix: str) -> str:
        jumps = (f"jump {prefix}_{_key(port)}" if port.secured else "accept" for port in ports)
        pairs = [f"{names.port(port.id)} : {jump}" for port, jump in zip(ports, jumps, strict=True)]
        return ", ".join(pairs) or "none : drop"

    return "".join(
        f"  chain {chain} {{\n    type filter hook {hook} priority -200; policy accept;\n"
        f'    {side} vmap {{ {verdicts(prefix)} }}\n    {side} "{names.tag}*" drop\n  }}\n'
        for chain, hook, side, prefix in (
            ("out", "prerouting", "iifname", "e"),
            ("into", "postrouting", "oifname", "i"),
        )
    )


def _key(port: Port) -> str:
    return port.id.replace("-", "")[:10]


def _port_chains(port: Port, by_group: Mapping[str, list[Rule]], members: Mapping[str, Iterable[str]]) -> str:
    def allowed(direction: str, target: str) -> str:
        mine = (rule for group in port.groups for rule in by_group.get(group, ()) if rule.direction == direction)
        matches = {match for rule in mine if (match := rule_match(rule, members)) is not None}
        return "".join(f"    {f'{match} goto {target}'.strip()}\n" for match in sorted(matches))

    macs = ", ".join(sorted(set(port.macs)))
    addresses = collapse(port.addresses) or ["255.255.255.255"]
    return f"""\
  chain e_{_key(port)} {{
    ether saddr != {{ {macs} }} drop
    ether type arp arp saddr ip != {{ {", ".join([*addresses, _UNSET])} }} drop
    ether type arp accept
    ether type != ip drop
    ip saddr {_UNSET} udp sport 68 udp dport 67 accept
    ip saddr != {{ {", ".join(addresses)} }} drop
    jump known
{allowed("egress", "opens")}    drop
  }}
  chain i_{_key(port)} {{
    ether type arp accept
    ether type != ip drop
    jump known
{allowed("ingress", "opens")}    drop
  }}
"""
