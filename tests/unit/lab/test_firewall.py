from __future__ import annotations

import ipaddress
import random
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosjc.lab.machine.firewall import Port, Rule, collapse, rule_match, ruleset
from chaosjc.lab.machine.network import Names

NAMES = Names("jcabc")
MEMBERS = {"web": ["10.0.0.5", "10.0.0.6"], "empty": []}
A = Port("aaaaaaaa-aaaa-0000-0000-000000000000", ("fa:16:3e:00:00:0a",), ("10.0.0.5",), ("web",))
B = Port("bbbbbbbb-bbbb-0000-0000-000000000000", ("fa:16:3e:00:00:0b",), ("10.0.0.6",), ("web",))
SSH = Rule("web", "ingress", "IPv4", "tcp", 22, 22)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule("g", "ingress", "IPv4"), ""),
        (Rule("g", "ingress", "IPv4", "any"), ""),
        (Rule("g", "ingress", "IPv6", "tcp", 22, 22), None),
        (Rule("g", "ingress", "IPv4", "tcp"), "ip protocol 6"),
        (Rule("g", "ingress", "IPv4", "tcp", 22, 22), "tcp dport 22"),
        (Rule("g", "ingress", "IPv4", "6", 22, 22), "tcp dport 22"),
        (Rule("g", "ingress", "IPv4", "tcp", 1, 65535), "tcp dport 1-65535"),
        (Rule("g", "ingress", "IPv4", "udp", 53, 53, "10.1.0.0/16"), "ip saddr 10.1.0.0/16 udp dport 53"),
        (Rule("g", "egress", "IPv4", "udp", 53, 53, "10.1.0.0/16"), "ip daddr 10.1.0.0/16 udp dport 53"),
        (Rule("g", "ingress", "IPv4", "tcp", 80, 80, "0.0.0.0/0"), "tcp dport 80"),
        (Rule("g", "ingress", "IPv4", "icmp"), "ip protocol icmp"),
        (Rule("g", "ingress", "IPv4", "icmp", 8), "ip protocol icmp icmp type 8"),
        (Rule("g", "ingress", "IPv4", "icmp", 3, 4), "ip protocol icmp icmp type 3 icmp code 4"),
        (Rule("g", "ingress", "IPv4", "icmp", 0, 0), "ip protocol icmp icmp type 0 icmp code 0"),
        (Rule("g", "ingress", "IPv4", "vrrp"), "ip protocol 112"),
        (Rule("g", "ingress", "IPv4", "47"), "ip protocol 47"),
        (Rule("g", "ingress", "IPv4", remote_group="web"), "ip saddr { 10.0.0.5, 10.0.0.6 }"),
        (Rule("g", "ingress", "IPv4", remote_group="empty"), None),
        (Rule("g", "ingress", "IPv4", remote_group="unknown"), None),
    ],
)
def test_a_rule_as_a_match(rule: Rule, expected: str | None) -> None:
    assert rule_match(rule, MEMBERS) == expected


def chain(text: str, name: str) -> list[str]:
    body = re.search(rf"chain {name} \{{\n(.*?)\n  \}}", text, re.DOTALL)
    assert body, name
    return [line.strip() for line in body[1].splitlines()]


def test_nothing_gets_in_without_a_rule() -> None:
    inward = chain(ruleset(NAMES, [A], []), "i_aaaaaaaaaa")
    assert inward[-2:] == ["jump known", "drop"]


def test_a_rule_lets_in_before_the_drop() -> None:
    inward = chain(ruleset(NAMES, [A], [SSH]), "i_aaaaaaaaaa")
    assert inward[-2:] == ["tcp dport 22 goto opens", "drop"]


def test_only_own_addresses_may_speak() -> None:
    outward = chain(ruleset(NAMES, [A], [Rule("web", "egress", "IPv4")]), "e_aaaaaaaaaa")
    assert outward[0] == "ether saddr != { fa:16:3e:00:00:0a } drop"
    drop = outward.index("ip saddr != { 10.0.0.5 } drop")
    assert drop < outward.index("jump known") < outward.index("goto opens")


def test_a_port_without_address_may_say_nothing_but_dhcp() -> None:
    assert "ip saddr != { 255.255.255.255 } drop" in ruleset(NAMES, [replace(A, addresses=())], [])


def test_another_groups_rule_does_not_apply() -> None:
    assert "dport 22" not in ruleset(NAMES, [A], [replace(SSH, group="other")])


def test_an_unknown_port_of_the_lab_is_dropped() -> None:
    for ports in ([], [A]):
        text = ruleset(NAMES, ports, [])
        assert chain(text, "out")[-1] == 'iifname "jcabc*" drop'
        assert chain(text, "into")[-1] == 'oifname "jcabc*" drop'


def test_an_unsecured_port_is_open() -> None:
    text = ruleset(NAMES, [replace(A, secured=False)], [])
    assert "jcabcaaaaaaaaaa : accept" in text
    assert "chain e_aaaaaaaaaa" not in text


@given(st.randoms())
def test_the_same_facts_give_the_same_text(chance: random.Random) -> None:
    ports = [A, B, replace(A, id="cccccccc-cccc-0000-0000-000000000000")]
    rules = [SSH, Rule("web", "egress", "IPv4"), Rule("web", "ingress", "IPv4", remote_group="web")]
    expected = ruleset(NAMES, ports, rules)
    chance.shuffle(ports)
    chance.shuffle(rules)
    assert ruleset(NAMES, ports, rules) == expected


@given(st.lists(st.ip_addresses(v=4), max_size=20), st.lists(st.integers(8, 32), max_size=20))
def test_collapsing_loses_no_address_and_leaves_no_overlap(
    hosts: list[ipaddress.IPv4Address], lengths: list[int]
) -> None:
    given_prefixes = [f"{host}/{length}" for host, length in zip(hosts, lengths, strict=False)]
    networks = [ipaddress.ip_network(n) for n in collapse(given_prefixes)]
    for prefix in given_prefixes:
        wanted = ipaddress.IPv4Interface(prefix).network
        assert any(wanted.subnet_of(n) for n in networks if isinstance(n, ipaddress.IPv4Network))
    assert not any(a.overlaps(b) for i, a in enumerate(networks) for b in networks[:i])
