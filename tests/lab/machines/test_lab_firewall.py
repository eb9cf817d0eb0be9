"""Security groups are enforced, and a change of a rule is in force within two seconds."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.cloud import MARKS, Cloud, connects, until

pytestmark = MARKS
PORT, SOON = 8080, 2.0
USER_DATA = "#cloud-config\nruncmd: ['systemd-run python3 -m http.server 8080']\n"


@pytest.fixture(scope="module")
def web(cloud: Cloud) -> Iterator[Any]:
    server = cloud.boot("web", user_data=USER_DATA)
    until(lambda: cloud.try_ssh(server, f"ss -ltn | grep -q :{PORT}").returncode == 0, 30)
    yield server
    cloud.delete(server)


def test_a_rule_opens_and_its_end_closes(cloud: Cloud, web: Any) -> None:
    address = cloud.address(web)
    group = cloud.api.network.find_security_group("ssh", project_id=cloud.api.current_project_id)
    assert not connects(address, PORT)

    rule = cloud.allow(group.id, protocol="tcp", port_range_min=PORT, port_range_max=PORT)
    opened = until(lambda: connects(address, PORT), SOON + 0.5)
    with socket.create_connection((address, PORT), 2) as open_connection:
        cloud.api.network.delete_security_group_rule(rule.id)
        closed = until(lambda: not connects(address, PORT), SOON + 0.5)
        print(f"rule in force after {opened:.1f} s, gone after {closed:.1f} s")
        open_connection.settimeout(1)
        open_connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(TimeoutError):  # what the rule had let in is cut with it
            open_connection.recv(10)
    assert connects(address, 22), "the other rules stay"


def test_members_of_a_group_reach_each_other_only_by_a_rule(cloud: Cloud, web: Any) -> None:
    group = cloud.api.network.find_security_group("ssh", project_id=cloud.api.current_project_id)
    peer = cloud.boot("peer")
    ask = f"curl -s -m 1 -o /dev/null http://{cloud.address(web)}:{PORT}/"
    try:
        assert cloud.try_ssh(peer, ask).returncode != 0
        rule = cloud.allow(group.id, protocol="tcp", port_range_min=PORT, port_range_max=PORT, remote_group_id=group.id)
        until(lambda: cloud.try_ssh(peer, ask).returncode == 0, SOON + 1)  # a login takes its time, too
        assert not connects(cloud.address(web), PORT), "the host is no member"
        cloud.api.network.delete_security_group_rule(rule.id)
        until(lambda: cloud.try_ssh(peer, ask).returncode != 0, SOON + 1)
    finally:
        cloud.delete(peer)


def test_a_borrowed_address_is_dropped(cloud: Cloud, web: Any) -> None:
    spoof = (
        "sudo ip addr add 10.231.71.250/24 dev eth0; curl -s -m 1 --interface 10.231.71.250 http://10.231.71.1:1/;"
        " code=$?; sudo ip addr del 10.231.71.250/24 dev eth0; exit $code"
    )
    assert cloud.try_ssh(web, spoof).returncode == 28, "no answer; from its own address it would be refused (7)"
    assert cloud.try_ssh(web, "curl -s -m 1 http://10.231.71.1:1/").returncode == 7
