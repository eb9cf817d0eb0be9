"""A balancer on a host of directories: its socket is real, the kernel's commands are written down."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chaosjc.errors import CommandError
from chaosjc.lab.machine import balancer as module
from chaosjc.lab.machine import haproxy, network
from chaosjc.lab.machine.balancer import Balancer
from chaosjc.lab.machine.haproxy import Description, Listener
from chaosjc.lab.machine.network import Names, Nic

NAMES = Names("tlab1")
NIC = Nic("0123456789abcdef", "netnetnet", "02:00:00:00:00:01", ("10.0.0.100/24",), ("10.0.0.1/24",))
WANTED = Description("10.0.0.100", (Listener("l", "http", 80, None),))


@dataclass
class Group:
    """A control group of invented processes."""

    processes: list[int] = field(default_factory=list[int])
    killed: list[int] = field(default_factory=list[int])

    @property
    def populated(self) -> bool:
        return bool(self.processes)

    def pids(self) -> list[int]:
        return list(self.processes)

    def create(self, memory_mb: int, vcpus: int) -> None:
        assert (memory_mb, vcpus) == (256, 1)

    def leaf_directories(self, leaf: str) -> list[Path]:
        return [Path("/cgroup", leaf)]

    def kill(self) -> None:
        self.killed += self.processes
        self.processes.clear()


@dataclass
class Host:
    """Runs shell lines as far as `fails`, and keeps the links, namespaces and haproxys that they make."""

    root: Path
    group: Group = field(default_factory=Group)
    fails: str = ""
    addresses: list[str] = field(default_factory=list[str])
    routes: list[str] = field(default_factory=list[str])
    started: list[list[str]] = field(default_factory=list[list[str]])

    def run(self, argv: list[str], check: bool = True, timeout: float = 60.0) -> None:
        for line in argv[2].splitlines() if argv[0] == "sh" else [shlex.join(argv)]:
            if self.fails and self.fails in line:
                raise CommandError(line)
            self._line(line.removeprefix("exec ").split())

    def _line(self, words: list[str]) -> None:
        match words:
            case ["ip", "netns", "add", name]:
                (self.root / "netns" / name).mkdir()
            case ["ip", "netns", "del", name]:
                (self.root / "netns" / name).rmdir() if (self.root / "netns" / name).exists() else None
            case ["ip", "link", "add", port, *_]:
                (self.root / "net" / port).mkdir()
            case ["ip", "link", "set", port, "master", _, "up"]:
                (self.root / "net" / port / "master").touch()
            case ["ip", "link", "del", port]:
                self._delete(self.root / "net" / port)
            case ["ip", "-n", _, "addr", "add", address, *_]:
                self.addresses.append(address)
            case ["ip", "-n", _, "route", "add", *_, gateway]:
                self.routes.append(gateway)
            case ["nsenter", _, *haproxy]:
                self.started.append(haproxy)
                self.group.processes.append(100 + len(self.started))
            case _:
                assert words[0] in ("ip", "echo"), words

    def _delete(self, link: Path) -> None:
        if link.exists():
            (link / "master").unlink(missing_ok=True)
            link.rmdir()
            self.addresses.clear()
            self.routes.clear()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host(tmp_path)
    for name in ("net", "netns"):
        (tmp_path / name).mkdir()

    def no_bridge(_names: Names, _nic: Nic) -> None:
        pass

    monkeypatch.setattr(module, "_NET", tmp_path / "net")
    monkeypatch.setattr(module, "_NAMESPACES", tmp_path / "netns")
    monkeypatch.setattr(module, "_PATIENCE", 0.01)
    monkeypatch.setattr(module, "run", host.run)
    monkeypatch.setattr(network, "ensure_bridge", no_bridge)
    monkeypatch.setattr(Balancer, "cgroup", property(lambda _: host.group))
    return host


@pytest.fixture
def balancer(host: Host) -> Balancer:
    balancer = Balancer(NAMES, host.root / "balancers", "balancer")
    balancer.directory.mkdir(parents=True)
    return balancer


@pytest.fixture
def listening(balancer: Balancer) -> Iterator[socket.socket]:
    """haproxy's socket: connections are taken, and nothing is answered."""
    with socket.socket(socket.AF_UNIX) as ear:
        ear.bind(str(balancer.directory / "stats.sock"))
        ear.listen()
        yield ear


def settled(balancer: Balancer, host: Host) -> None:
    """As after an `apply` by one who has died since."""
    balancer.apply(WANTED, NIC)
    assert (balancer.directory / "haproxy.cfg").read_text() == haproxy.configuration(WANTED)
    host.started.clear()


# ---- what it says
def test_no_answer_is_not_an_answer(balancer: Balancer, host: Host, listening: socket.socket) -> None:
    host.group.processes.append(1)
    assert balancer.states() is None
    assert balancer.running, "it is busy"


def test_where_nobody_listens_there_is_no_member(balancer: Balancer, host: Host, listening: socket.socket) -> None:
    assert not balancer.running
    listening.close()
    host.group.processes.append(1)
    assert balancer.states() == {}
    assert not balancer.running, "what lives only ends its connections"


def test_a_directory_that_is_not_there_yet(host: Host) -> None:
    nothing = Balancer(NAMES, host.root / "balancers", "other")
    assert (nothing.states(), nothing.running) == ({}, False)


# ---- when it is started
def test_what_is_as_it_should_be_is_left_alone(balancer: Balancer, host: Host, listening: socket.socket) -> None:
    settled(balancer, host)
    balancer.apply(WANTED, NIC)
    assert (host.started, host.group.killed) == ([], [])


def test_a_change_takes_over_from_the_newest(balancer: Balancer, host: Host, listening: socket.socket) -> None:
    settled(balancer, host)
    balancer.apply(Description("10.0.0.101", WANTED.listeners), NIC)
    assert [argv[-4:] for argv in host.started] == [["-x", "stats.sock", "-sf", "101"]]


def test_if_the_newest_died_a_new_one_starts_and_the_others_end_in_peace(
    balancer: Balancer, host: Host, listening: socket.socket
) -> None:
    settled(balancer, host)
    listening.close()  # 101 lives, and only ends its connections
    balancer.apply(WANTED, NIC)
    assert [argv[-2:] for argv in host.started] == [["-sf", "101"]]
    assert "-x" not in host.started[0], "nobody hands sockets over"
    assert host.group.killed == []


def test_again_ends_the_silent_one_first(balancer: Balancer, host: Host, listening: socket.socket) -> None:
    settled(balancer, host)
    balancer.apply(WANTED, NIC, again=True)
    assert host.group.killed == [101]
    assert len(host.started) == 1
    assert not {"-x", "-sf"} & set(host.started[0])


def test_without_a_listener_nothing_runs(balancer: Balancer, host: Host, listening: socket.socket) -> None:
    settled(balancer, host)
    balancer.apply(Description("10.0.0.100"), NIC)
    assert (host.started, host.group.killed) == ([], [101])


# ---- its port
@pytest.mark.parametrize("line", ["link add", "addr add", "eth0 up", "route add", "master"])
def test_a_port_that_came_half_is_made_whole(balancer: Balancer, host: Host, line: str) -> None:
    host.fails = line
    with pytest.raises(CommandError):
        balancer.apply(WANTED, NIC)
    assert host.started == []
    host.fails = ""
    balancer.apply(WANTED, NIC)
    assert (host.addresses, host.routes) == (["10.0.0.100/24"], ["10.0.0.1"])
    assert len(host.started) == 1


def test_what_runs_beside_a_port_that_is_gone_starts_anew(
    balancer: Balancer, host: Host, listening: socket.socket
) -> None:
    settled(balancer, host)
    host.run(["ip", "link", "del", NAMES.port(NIC.port)])
    balancer.apply(WANTED, NIC)
    assert host.group.killed == [101], "its namespace is not the new one"
    assert len(host.started) == 1
    assert host.addresses == ["10.0.0.100/24"]
