"""A load balancer has a real data path: what Octavia says of a member is what happens to requests."""

from __future__ import annotations

import http.client
import os
import signal
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from chaosjc.lab.layout import Lab
from chaosjc.lab.machine.balancer import Balancer
from chaosjc.lab.machine.network import Names
from tests.lab.cloud import MARKS, Cloud, connects, lab_command, until
from tests.lab.machines.test_lab_restart import kill

pytestmark = MARKS
PORT = 8080
NAMES = ("left", "right")
USER_DATA = f"""\
#cloud-config
runcmd:
  - mkdir /srv/www && hostname > /srv/www/index.html
  - systemd-run --working-directory=/srv/www python3 -m http.server {PORT}
"""


@dataclass
class Front:
    """A balancer with two members, and the group that lets it reach them."""

    cloud: Cloud
    balancer: Any
    pool: Any
    group: Any
    servers: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def lb(self) -> Any:
        return self.cloud.api.load_balancer

    @property
    def on_host(self) -> Balancer:
        lab = self.cloud.lab
        return Balancer(Names(lab.tag), lab.balancers, self.balancer.id)

    def settle(self) -> None:
        """Until nothing is under way."""

        def settled() -> bool:
            now = self.lb.get_load_balancer(self.balancer.id).provisioning_status
            assert now != "ERROR"
            return now == "ACTIVE"

        until(settled, 15)

    def add(self, name: str, server: Any) -> None:
        self.servers[name] = server
        self.lb.create_member(self.pool, name=name, address=self.cloud.address(server), protocol_port=PORT)
        self.settle()

    def enable(self, name: str, enabled: bool) -> None:
        self.lb.update_member(self.lb.find_member(name, self.pool), self.pool, is_admin_state_up=enabled)
        self.settle()

    def statuses(self) -> dict[str, str]:
        return {member.name: member.operating_status for member in self.lb.members(self.pool)}

    def until(self, within: float, **statuses: str) -> float:
        """Seconds until the named members are so."""
        return until(lambda: statuses.items() <= self.statuses().items(), within)

    def ask(self, timeout: float = 5.0) -> str:
        """The name of the member that answered a request to the virtual address; else what went wrong."""
        connection = http.client.HTTPConnection(self.balancer.vip_address, 80, timeout=timeout)
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            return answer.read().decode().strip() if answer.status == 200 else str(answer.status)
        except OSError as error:
            return type(error).__name__
        finally:
            connection.close()

    @contextmanager
    def asking(self) -> Generator[Counter[str]]:
        """Who answered the requests that were made meanwhile, twenty in a second."""
        answers, stop = Counter[str](), Event()

        def loop() -> None:
            while not stop.wait(0.05):
                answers[self.ask()] += 1

        asker = Thread(target=loop)
        asker.start()
        try:
            yield answers
        finally:
            stop.set()
            asker.join()


@pytest.fixture(scope="module")
def front(cloud: Cloud) -> Iterator[Front]:
    network, lb = cloud.api.network, cloud.api.load_balancer
    group = network.create_security_group(name="members")
    wanted = {name: cloud.request(name, "m1.tiny", user_data=USER_DATA) for name in NAMES}
    for request in wanted.values():
        request["security_groups"].append({"name": "members"})
    servers = {name: cloud.api.compute.create_server(**request) for name, request in wanted.items()}
    subnet = next(iter(network.subnets(network_id=network.find_network("net").id)))
    balancer = lb.create_load_balancer(name="front", vip_subnet_id=subnet.id)
    front = Front(cloud, balancer, None, group)
    front.settle()
    listener = lb.create_listener(load_balancer_id=balancer.id, protocol="HTTP", protocol_port=80)
    front.settle()
    front.pool = lb.create_pool(listener_id=listener.id, protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    front.settle()
    lb.create_health_monitor(
        pool_id=front.pool.id, type="HTTP", url_path="/", delay=1, timeout=1, max_retries=1, max_retries_down=2
    )
    front.settle()
    for name, server in servers.items():
        front.add(name, cloud.wait(server, "ACTIVE"))
    yield front
    if lb.find_load_balancer(balancer.id):
        front.settle()
        lb.delete_load_balancer(balancer.id, cascade=True)
    cloud.delete(*servers.values())
    network.delete_security_group(group.id)


def test_a_member_is_reached_only_if_its_group_lets_the_balancer_in(front: Front) -> None:
    for server in front.servers.values():
        front.cloud.wait_for_ssh(server)
        ready = f"ss -ltn | grep -q :{PORT}"
        until(lambda server=server, ready=ready: front.cloud.try_ssh(server, ready).returncode == 0, 30)
    front.until(10, left="ERROR", right="ERROR")
    assert front.ask() == "503"
    assert front.lb.get_load_balancer(front.balancer.id).operating_status == "ERROR"
    vip = f"{front.balancer.vip_address}/32"
    front.cloud.allow(front.group.id, protocol="tcp", port_range_min=PORT, port_range_max=PORT, remote_ip_prefix=vip)
    front.until(10, left="ONLINE", right="ONLINE")
    assert front.lb.get_load_balancer(front.balancer.id).operating_status == "ONLINE"
    assert [front.ask() for _ in range(4)] in ([*NAMES, *NAMES], [*NAMES[::-1], *NAMES[::-1]]), "they take turns"
    assert not connects(front.cloud.address(front.servers["left"]), PORT), "everybody else is kept out"
    asked = front.cloud.ssh(front.servers["left"], f"curl -s http://{front.balancer.vip_address}/")
    assert asked in NAMES, "a server reaches it too, as its own group lets it out"


def test_the_port_of_the_virtual_address_is_neutrons(front: Front) -> None:
    port = front.cloud.api.network.get_port(front.lb.get_load_balancer(front.balancer.id).vip_port_id)
    assert (port.status, port.device_owner, port.device_id) == ("ACTIVE", "Octavia", f"lb-{front.balancer.id}")
    assert [each["ip_address"] for each in port.fixed_ips] == [front.balancer.vip_address]
    assert Path("/sys/class/net", Names(front.cloud.lab.tag).port(port.id)).exists()


def test_a_paused_member_is_in_error_and_requests_go_on(front: Front) -> None:
    compute, left = front.cloud.api.compute, front.servers["left"]
    with front.asking() as during:
        time.sleep(0.5)
        compute.pause_server(left.id)
        front.cloud.wait(left, "PAUSED")
        noticed = front.until(10, left="ERROR", right="ONLINE")
        assert front.lb.get_load_balancer(front.balancer.id).operating_status == "DEGRADED"
    with front.asking() as after:
        time.sleep(1)
    compute.unpause_server(left.id)
    back = front.until(10, left="ONLINE", right="ONLINE")
    print(
        f"in ERROR {noticed:.1f} s after PAUSED, {dict(during)}; then {dict(after)}; ONLINE {back:.1f} s after unpause"
    )
    assert set(after) == {"right"}
    lost = sum(count for answer, count in during.items() if answer not in NAMES)
    assert lost <= 3, "only what had been sent to the frozen one"
    assert {front.ask() for _ in range(4)} == set(NAMES)


def test_a_disabled_member_gets_nothing(front: Front) -> None:
    with front.asking() as changing:
        front.enable("left", False)
        front.until(5, left="OFFLINE", right="ONLINE")
        with front.asking() as disabled:
            time.sleep(1)
        front.enable("left", True)
        front.until(10, left="ONLINE", right="ONLINE")
    assert set(disabled) == {"right"}
    assert set(changing) == set(NAMES), "no request is lost with a change"


def test_what_it_cannot_do_is_refused(front: Front) -> None:
    import openstack.exceptions

    with pytest.raises(openstack.exceptions.HttpException, match="protocol UDP"):
        front.lb.create_listener(load_balancer_id=front.balancer.id, protocol="UDP", protocol_port=53)
    front.settle()


def test_a_killed_haproxy_comes_back(front: Front) -> None:
    for pid in front.on_host.cgroup.pids():
        os.kill(pid, signal.SIGKILL)
    until(lambda: front.ask(1.0) in NAMES, 5)
    front.until(5, left="ONLINE", right="ONLINE")


def test_it_outlives_the_control_plane_and_a_change_cut_in_the_middle_is_made(lab: Lab, front: Front) -> None:
    pids = front.on_host.cgroup.pids()
    with front.asking() as answers:
        front.lb.update_member(front.lb.find_member("left", front.pool), front.pool, is_admin_state_up=False)
        kill(lab)
        time.sleep(1)
        meanwhile = front.on_host.running
        lab_command(lab, "up")
    print(f"{dict(answers)} while the control plane was away")
    assert meanwhile
    assert answers
    assert set(answers) <= set(NAMES)
    front.settle()
    front.until(5, left="OFFLINE", right="ONLINE")
    until(lambda: len(front.on_host.cgroup.pids()) == 1, 5)
    assert front.on_host.cgroup.pids() != pids, "a change is a new process, and its predecessor has ended"
    front.enable("left", True)
    front.until(10, left="ONLINE")


def test_a_pool_goes_with_its_members(front: Front) -> None:
    pool = front.lb.create_pool(loadbalancer_id=front.balancer.id, protocol="TCP", lb_algorithm="SOURCE_IP")
    front.settle()
    monitor = front.lb.create_health_monitor(pool_id=pool.id, type="TCP", delay=1, timeout=1, max_retries=1)
    front.settle()
    front.lb.create_member(pool, address=front.cloud.address(front.servers["left"]), protocol_port=22)
    front.settle()
    front.lb.delete_pool(pool.id)
    front.settle()
    assert {each.id for each in front.lb.pools()} & {pool.id, front.pool.id} == {front.pool.id}
    assert front.lb.find_health_monitor(monitor.id) is None
    assert front.ask() in NAMES, "the other pool's members are served on"


def test_delete_leaves_nothing(front: Front) -> None:
    host, vip = front.on_host, front.lb.get_load_balancer(front.balancer.id).vip_port_id
    began = time.monotonic()
    front.lb.delete_load_balancer(front.balancer.id, cascade=True)
    until(lambda: front.lb.find_load_balancer(front.balancer.id) is None, 10)
    print(f"deleted in {time.monotonic() - began:.1f} s")
    assert not list(front.lb.pools())
    assert not list(front.lb.listeners())
    assert front.cloud.api.network.find_port(vip) is None
    assert not host.running
    assert not host.cgroup.unified.exists()
    assert not host.directory.exists()
    assert not Path("/run/netns", host.namespace).exists()
    assert not Path("/sys/class/net", host.names.port(vip)).exists()
