"""A load balancer on the host: haproxy in a network namespace of its own, which holds the port of the virtual address.

    DIR/ID/haproxy.cfg    what the running process has read
          /state          what its predecessor's checks had found out
          /stats.sock     where it is asked

The truth is the control group, as it is for machines: the process outlives whoever started it, and a change starts a
new one that takes over the listening sockets, while the old one serves its open connections to their end. So the group
may hold many, of which one alone listens, also at `stats.sock`.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import socket
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from chaosjc.drivers.command import run
from chaosjc.lab.machine import haproxy, network
from chaosjc.lab.machine.cgroup import Cgroup
from chaosjc.lab.machine.disks import write_atomically
from chaosjc.lab.machine.haproxy import Description, State
from chaosjc.lab.machine.network import Names, Nic

_MEMORY_MB = 256
_PATIENCE = 2.0  # seconds for an answer of haproxy's socket
_NOBODY = (ConnectionRefusedError, FileNotFoundError)
_NET, _NAMESPACES = Path("/sys/class/net"), Path("/run/netns")


@dataclass(frozen=True)
class Balancer:
    """One of them; every method reads the host afresh and may be repeated after any interruption."""

    names: Names
    base: Path
    id: str

    @property
    def directory(self) -> Path:
        """Its files."""
        return self.base / self.id

    @property
    def namespace(self) -> str:
        """Its network namespace."""
        return self.names.namespace(self.id)

    @property
    def cgroup(self) -> Cgroup:
        """Its processes."""
        return Cgroup(f"{self.names.cgroup}/lb-{self.id}")

    @property
    def running(self) -> bool:
        """Whether haproxy serves: one that is too busy to answer does, those that only end their connections do not."""
        return self.cgroup.populated and self._listens()

    def apply(self, description: Description, nic: Nic, again: bool = False) -> None:
        """Make the host equal to the description; `again`: end first what runs.

        Raises CommandError with haproxy's own words if it refuses.
        """
        self._plug(nic)
        text = haproxy.configuration(description)
        file = self.directory / "haproxy.cfg"
        if again or not description.listeners:
            self.cgroup.kill()
        if description.listeners and not (self.running and file.exists() and file.read_text() == text):
            self.directory.mkdir(parents=True, exist_ok=True)
            new = self.directory / "new.cfg"
            write_atomically(new, text)
            self._start(new)
            new.rename(file)

    def _plug(self, nic: Nic) -> None:
        """The bridge comes last: a port that is on it has everything, wherever an attempt before was cut short."""
        port = self.names.port(nic.port)
        if (_NET / port / "master").exists() and (_NAMESPACES / self.namespace).exists():
            return
        self.cgroup.kill()  # what still runs in the old namespace reaches nobody
        self._unplug(nic.port)
        network.ensure_bridge(self.names, nic)
        inside = f"ip -n {self.namespace}"
        lines = [f"ip netns add {self.namespace}", f"{inside} link set lo up"]
        *link, bridge = network.plug_commands(self.names, self.namespace, nic, 0)
        lines += link
        lines += [f"{inside} addr add {address} dev eth0" for address in nic.addresses]
        lines += [f"{inside} link set eth0 up"]
        lines += [f"{inside} route add default via {gateway.partition('/')[0]}" for gateway in nic.gateways[:1]]
        run(["sh", "-ec", "\n".join([*lines, bridge])])

    def _unplug(self, port: str) -> None:
        run(["ip", "link", "del", self.names.port(port)], check=False)
        run(["ip", "netns", "del", self.namespace], check=False)

    def _start(self, file: Path) -> None:
        """A new process; its predecessors end with their last connection. Without it nothing of them has changed."""
        group = self.cgroup
        group.create(_MEMORY_MB, 1)
        before, takeover = [str(pid) for pid in group.pids()], self.running
        write_atomically(self.directory / "state", (self._ask("show servers state") or "") if takeover else "")
        inside = ["nsenter", f"--net={_NAMESPACES / self.namespace}"]
        argv = [*inside, "haproxy", "-D", "-C", str(self.directory), "-f", file.name]
        argv += ["-x", "stats.sock"] if takeover else []
        argv += ["-sf", *before] if before else []
        join = "".join(f"echo 0 > {shlex.quote(str(d))}/cgroup.procs\n" for d in group.leaf_directories("guest"))
        run(["sh", "-ec", f"{join}exec {shlex.join(argv)}"], timeout=20)

    @contextlib.contextmanager
    def _connection(self) -> Generator[socket.socket]:
        """To haproxy's socket, whose path may be longer than the 107 characters that one may have: hence the short cut.

        Raises one of _NOBODY where nobody listens, which a reload never leaves so, and another OSError elsewhere.
        """
        with socket.socket(socket.AF_UNIX) as connection, _opened(self.directory) as handle:
            connection.settimeout(_PATIENCE)
            connection.connect(f"/proc/self/fd/{handle}/stats.sock")
            yield connection

    def _listens(self) -> bool:
        try:
            with self._connection():
                return True
        except _NOBODY:
            return False
        except OSError:
            return True  # its queue is full

    def _ask(self, question: str) -> str | None:
        """haproxy's answer; "" if nobody listens, None if there is no answer in time."""
        try:
            with self._connection() as connection:
                connection.sendall(f"{question}\n".encode())
                with connection.makefile() as answer:
                    return answer.read() or None
        except _NOBODY:
            return ""
        except OSError:
            return None

    def states(self) -> dict[str, State] | None:
        """Member's id -> its state as haproxy's checks have it now; empty if haproxy is not there.

        None if it is and does not answer in time: of the members nothing is known then.
        """
        answer = self._ask("show stat")
        return None if answer is None else haproxy.states(answer)

    def remove(self, nic: Nic) -> None:
        """End it and take everything of it away, the bridge too if it was the last port."""
        self.cgroup.kill()
        self.cgroup.remove()
        self._unplug(nic.port)
        network.drop_bridge(self.names, nic.network)
        shutil.rmtree(self.directory, ignore_errors=True)


@contextlib.contextmanager
def _opened(directory: Path) -> Generator[int]:
    handle = os.open(directory, os.O_PATH)
    try:
        yield handle
    finally:
        os.close(handle)
