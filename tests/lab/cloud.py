"""Hands and eyes of the lab's tests: the cloud as its project user, SSH, and what the host shows."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chaosjc.lab.layout import Lab
from chaosjc.lab.machine.machine import Host, Machine
from chaosjc.lab.machine.network import Names

MARKS = [
    pytest.mark.lab,
    pytest.mark.timeout(240),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the SDK warns of itself
]
ROOT = Path(__file__).parent.parent.parent
IMAGE = "chaosjc-golden"
USER = "debian"


def chaosjc(*words: str, timeout: float = 600.0) -> subprocess.CompletedProcess[str]:
    """Run the command as a person would."""
    argv = [sys.executable, "-m", "chaosjc.cli.main", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False, cwd=ROOT)


def lab_command(lab: Lab, verb: str, *words: str) -> str:
    """`chaosjc lab VERB` on this lab; its output. Fails the test if it fails."""
    root = lab.directory.parent.parent
    done = chaosjc("lab", verb, *words, "--name", lab.name, "--state", str(root))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def until(what: Callable[[], object], within: float, every: float = 0.05) -> float:
    """Seconds until `what` is true; fails the test after `within` seconds."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < within, f"not within {within:g} s"
        time.sleep(every)
    return time.monotonic() - began


@contextmanager
def measured(label: str) -> Generator[None]:
    """Print how long it took."""
    began = time.monotonic()
    yield
    print(f"{label}: {time.monotonic() - began:.1f} s")


@dataclass(frozen=True)
class Cloud:
    """A lab's cloud as an ordinary user sees it, with one network `net` and one group `ssh` in it."""

    lab: Lab
    api: Any
    key: Path

    @classmethod
    def connect(cls, lab: Lab, key: Path) -> Cloud:
        import openstack

        os.environ["OS_CLIENT_CONFIG_FILE"] = str(lab.clouds)
        return cls(lab, openstack.connect(cloud=lab.cloud), key)

    def furnish(self, cidr: str) -> None:
        """A key, a network, a group that lets SSH and ping in."""
        self.api.compute.create_keypair(name="test", public_key=self.key.with_suffix(".pub").read_text())
        network = self.api.network.create_network(name="net")
        self.api.network.create_subnet(network_id=network.id, ip_version=4, cidr=cidr)
        group = self.api.network.create_security_group(name="ssh")
        for rule in ({"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}, {"protocol": "icmp"}):
            self.allow(group.id, **rule)

    def allow(self, group: str, **rule: object) -> Any:
        """Add an ingress rule."""
        return self.api.network.create_security_group_rule(
            security_group_id=group, direction="ingress", ether_type="IPv4", **rule
        )

    def create(self, name: str, flavor: str = "m1.small", image: str = IMAGE, user_data: str = "") -> Any:
        """Ask for a server; does not wait."""
        return self.api.compute.create_server(**self.request(name, flavor, image, user_data))

    def request(self, name: str, flavor: str = "m1.small", image: str = IMAGE, user_data: str = "") -> dict[str, Any]:
        """What create_server takes."""
        data = {"user_data": b64encode(user_data.encode()).decode()} if user_data else {}
        return {
            "name": name,
            "flavor_id": self.api.compute.find_flavor(flavor).id,
            "image_id": self.api.image.find_image(image).id,
            "networks": [{"uuid": self.api.network.find_network("net").id}],
            "key_name": "test",
            "security_groups": [{"name": "ssh"}],
            **data,
        }

    def boot(self, name: str, flavor: str = "m1.small", image: str = IMAGE, user_data: str = "") -> Any:
        """A server that answers SSH."""
        server = self.wait(self.create(name, flavor, image, user_data), "ACTIVE")
        self.wait_for_ssh(server)
        return server

    def wait(self, server: Any, status: str, within: float = 90.0) -> Any:
        """The server once nova gives it that status and has nothing under way."""

        def there() -> bool:
            now = self.api.compute.get_server(server.id)
            assert now.status != "ERROR" or status == "ERROR", now.fault
            return now.status == status and not now.task_state

        until(there, within)
        return self.api.compute.get_server(server.id)

    def delete(self, *servers: Any) -> None:
        for server in servers:
            self.api.compute.delete_server(server.id)
        for server in servers:
            self.api.compute.wait_for_delete(server, interval=0.1, wait=60)

    def address(self, server: Any) -> str:
        return next(a["addr"] for nic in server.addresses.values() for a in nic)

    def mac(self, server: Any) -> str:
        return next(iter(self.api.network.ports(device_id=server.id))).mac_address

    def machine(self, server: Any) -> Machine:
        """What the host knows of it."""
        return host_of(self.lab).machine(server.id)

    def ssh_argv(self, server: Any, command: str) -> list[str]:
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=2")
        return [
            "ssh", "-i", str(self.key), *(f"-o{option}" for option in (*options, "BatchMode=yes")),
            f"{USER}@{self.address(server)}", command,
        ]  # fmt: skip

    def try_ssh(self, server: Any, command: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        argv = self.ssh_argv(server, command)
        return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)

    def ssh(self, server: Any, command: str) -> str:
        """The output of a command that must succeed."""
        done = self.try_ssh(server, command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def wait_for_ssh(self, server: Any, within: float = 60.0) -> float:
        return until(lambda: self.try_ssh(server, "true").returncode == 0, within)


def host_of(lab: Lab) -> Host:
    return Host(lab.machines, Names(lab.tag))


def connects(address: str, port: int, timeout: float = 0.5) -> bool:
    """Whether a TCP connection is accepted."""
    try:
        socket.create_connection((address, port), timeout).close()
    except OSError:
        return False
    return True
