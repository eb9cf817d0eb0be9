"""A server that hangs, or whose power is cut, says nothing more: listened for on the wire."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from chaosjc.lab.machine.network import Names
from tests.lab.cloud import MARKS, Cloud

pytestmark = MARKS
ETH_P_ALL, SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 3, 263, 1, 1


@dataclass
class Ear:
    """Times and kinds of all frames that one MAC sends over a bridge."""

    mac: bytes
    heard: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    open: threading.Event = field(default_factory=threading.Event)

    def since(self, moment: float) -> list[str]:
        return [what for when, what in self.heard if when > moment]

    def listen(self, link: str, until: threading.Event) -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as wire:
            wire.bind((link, 0))
            promiscuous = struct.pack("iHH8s", socket.if_nametoindex(link), PACKET_MR_PROMISC, 0, b"")
            wire.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, promiscuous)
            wire.settimeout(0.1)
            self.open.set()
            while not until.is_set():
                with contextlib.suppress(TimeoutError):
                    frame = wire.recv(2048)
                    if frame[6:12] == self.mac:
                        self.heard.append((time.monotonic(), describe(frame)))


def describe(frame: bytes) -> str:
    """`arp`, `tcp 0x14`, `ip 1`."""
    kind = struct.unpack("!H", frame[12:14])[0]
    if kind == 0x0806:
        return "arp"
    if kind == 0x0800 and frame[23] == 6:
        return f"tcp {frame[14 + (frame[14] & 15) * 4 + 13]:#x}"
    return f"ip {frame[23]}" if kind == 0x0800 else f"{kind:#06x}"


@contextlib.contextmanager
def listening(cloud: Cloud, server: Any) -> Generator[Ear]:
    network = cloud.api.network.find_network("net")
    ear = Ear(bytes.fromhex(cloud.mac(server).replace(":", "")))
    end = threading.Event()
    listener = threading.Thread(target=ear.listen, args=(Names(cloud.lab.tag).bridge(network.id), end))
    listener.start()
    try:
        assert ear.open.wait(10), "the kernel takes its time while it makes and removes links"
        yield ear
    finally:
        end.set()
        listener.join()


def poke(address: str, connection: socket.socket) -> None:
    """All that a living one would answer: ARP, a new connection, data on the open one."""
    with contextlib.suppress(OSError):
        connection.send(b"anybody there?\r\n")
    for _ in range(3):
        with contextlib.suppress(OSError):
            socket.create_connection((address, 22), 0.3).close()
    time.sleep(0.3)


@pytest.fixture(scope="module")
def server(cloud: Cloud) -> Iterator[Any]:
    server = cloud.boot("quiet")
    yield server
    if cloud.api.compute.find_server(server.id):
        cloud.delete(server)


def cut(cloud: Cloud, server: Any, act: Callable[[], object]) -> list[str]:
    """What is heard after `act` while a connection is open and is used."""
    cloud.wait_for_ssh(server)
    address = cloud.address(server)
    with listening(cloud, server) as ear, socket.create_connection((address, 22), 2) as connection:
        connection.recv(100)
        poke(address, connection)
        assert {"tcp 0x12", "tcp 0x18"} & set(ear.since(0)), "the ear works: a living server is heard"
        before = time.monotonic()
        act()
        done = time.monotonic()
        poke(address, connection)
        farewell = [what for what in ear.since(before) if what.startswith("tcp") and int(what[4:], 16) & 0b101]
        assert not farewell, "neither FIN nor RST, not even while it was being cut"
        return ear.since(done)


def test_pause_is_silent_and_the_connection_goes_on_afterwards(cloud: Cloud, server: Any) -> None:
    def pause() -> None:
        cloud.api.compute.pause_server(server.id)
        cloud.wait(server, "PAUSED")

    assert cut(cloud, server, pause) == []
    cloud.api.compute.unpause_server(server.id)
    cloud.wait(server, "ACTIVE")
    cloud.wait_for_ssh(server, 5)


def test_a_hard_stop_is_silent(cloud: Cloud, server: Any) -> None:
    """As `nova` does it when a guest does not shut down in time."""
    assert cut(cloud, server, lambda: cloud.machine(server).stop(timeout=0)) == []
    cloud.wait(server, "SHUTOFF", 15)
    cloud.api.compute.start_server(server.id)
    cloud.wait(server, "ACTIVE")


def test_delete_is_silent(cloud: Cloud, server: Any) -> None:
    neighbour = cloud.boot("neighbour", "m1.tiny")  # keeps the bridge, hence the ear on it, alive
    assert cut(cloud, server, lambda: cloud.delete(server)) == []
    cloud.delete(neighbour)
