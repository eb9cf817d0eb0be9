"""Prometheus and Kubernetes of a site, from where we are: through SSH forwards that are made again when they die."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaosjc.clock import Clock, SystemClock
from chaosjc.drivers import command, kubernetes_api
from chaosjc.drivers.kubernetes import Cluster
from chaosjc.drivers.ssh import Ssh
from chaosjc.errors import RemoteError
from chaosjc.site.adopted import Adopted
from chaosjc.site.model import BASTION, MONITOR, SiteFile
from chaosjc.site.roles.monitoring import PROMETHEUS_PORT
from chaosjc.site.state import SiteState
from chaosjc.site.topology import Vm

READY = 20.0  # seconds for the first connection
RETRY = 0.5  # seconds between two attempts


@dataclass(frozen=True)
class Way:
    """How an API server is reached: `through` is an SSH host, empty for directly, `to` what that host knows it by."""

    kubeconfig: Path
    through: str
    to: str = "127.0.0.1"


@contextlib.contextmanager
def prometheus(state: SiteState, clock: Clock | None = None, *, at: str | None = None) -> Generator[str]:
    """The base URL of the site's Prometheus, `http://127.0.0.1:PORT`, good until the block ends.

    `at` is that of an adopted site: a URL, or HOST:PORT on an SSH host. Raises RemoteError unless it can be reached
    now; later breaks are mended in the background. The forward ends with this process, however that ends.
    """
    host, _, remote = (at or f"{MONITOR}:{PROMETHEUS_PORT}").rpartition(":")
    if at and "://" in at:
        yield at.rstrip("/")
        return
    forward = Forward(Ssh(state.ssh_config), host, int(remote), state.logs / "forward.log")
    with _open(forward, clock) as port:
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def kubernetes(state: SiteState, clock: Clock | None = None, *, way: Way | None = None) -> Generator[Cluster]:
    """The site's cluster, by the kubeconfig of its state directory; the same holds for it. `way` is an adopted site's.

    Raises RemoteError also where the API server refuses the kubeconfig's user, or shows another name.
    """
    with _api_server(state, clock, way) as (kubeconfig, url):
        yield Cluster.connect(kubeconfig, url)


@contextlib.contextmanager
def kubeconfig(state: SiteState, clock: Clock | None = None) -> Generator[str]:
    """The text of one with which other programs reach the site's cluster until the block ends."""
    with _api_server(state, clock) as (text, url):
        yield kubernetes_api.through(text, url)


def way_to(site: SiteFile, vms: Collection[Vm]) -> Way | None:
    """To the API server that an adopted site's kubeconfig names; None for a site that chaosjc deploys.

    By the VM that it is on, else by the bastion; without one, a kubeconfig that names another host works from here.
    """
    return adopted_way(site.adopted, vms) if site.adopted else None


def adopted_way(adopted: Adopted, vms: Collection[Vm]) -> Way:
    """The same by that section alone. RemoteError where the kubeconfig cannot be read, UsageError where it is none."""
    host, _ = kubernetes_api.address(_read(Path(adopted.kubeconfig), "adopted.kubeconfig names it"))
    at_home = next((vm.name for vm in vms if vm.called(host)), "")
    return Way(Path(adopted.kubeconfig), at_home or adopted.bastion or "", host)


@contextlib.contextmanager
def _api_server(state: SiteState, clock: Clock | None, way: Way | None = None) -> Generator[tuple[str, str]]:
    """The kubeconfig as it is, and the URL of the forward to its server; empty where none is needed."""
    text = _read(way.kubeconfig if way else state.kubeconfig, "`chaosjc site deploy` writes it")
    host, port = kubernetes_api.address(text)
    if way is None:
        vm = _vm(state.ssh_config, host)
        way = Way(state.kubeconfig, vm) if vm else Way(state.kubeconfig, BASTION, host)  # at home, no firewall between
    if not way.through:
        yield text, ""
        return
    log = state.logs / "kubernetes.log"
    forward = Forward(Ssh(state.ssh_config), way.through, port, log, to=way.to, what="Kubernetes API")
    with _open(forward, clock) as local:
        yield text, f"https://127.0.0.1:{local}"


def _read(kubeconfig: Path, hint: str) -> str:
    try:
        return kubeconfig.read_text(encoding="utf-8")
    except OSError as error:
        raise RemoteError(f"{kubeconfig}: {error.strerror}", hint=hint) from error


@contextlib.contextmanager
def _open(forward: Forward, clock: Clock | None) -> Generator[int]:
    try:
        forward.start(clock or SystemClock())
        yield forward.port
    finally:
        forward.stop()


def _vm(ssh_config: Path, host: str) -> str:
    """The VM of that name or address, if SSH has a way to it; empty for others."""
    alias = ""
    with contextlib.suppress(OSError):
        for line in ssh_config.read_text(encoding="utf-8").splitlines():
            word, _, value = line.strip().partition(" ")
            alias = value if word == "Host" else alias
            if word in ("Host", "HostName") and value == host:
                return alias
    return ""


class Forward:
    """`ssh -L` from a free loopback port to a port that a host reaches, by default one of its own loopback."""

    def __init__(
        self, ssh: Ssh, host: str, remote_port: int, log: Path, *, to: str = "127.0.0.1", what: str = "Prometheus"
    ) -> None:
        self.port = _free_port()
        self._what = what
        self._argv = ssh.argv(
            host,
            ["cat"],  # reads our pipe, and so ends with us
            *("-o", "ControlPath=none", "-o", "ExitOnForwardFailure=yes"),
            *("-L", f"127.0.0.1:{self.port}:{to}:{remote_port}"),
        )
        self._host, self._log = host, log
        self._stopped = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name=f"forward to {host}", daemon=True)
        self._reading, self._writing = os.pipe()
        self._child = self._spawn(self._argv)

    def start(self, clock: Clock) -> None:
        """Return once the port answers. Raises RemoteError with what ssh said."""
        end = clock.monotonic() + READY
        while not _answers(self.port):
            if self._child.poll() is not None or clock.monotonic() > end:
                raise RemoteError(
                    f"{self._host}: no way to its {self._what}: {self._last_words()}", hint=f"log: {self._log}"
                )
            clock.sleep(0.05)
        self._keeper.start()

    def stop(self) -> None:
        """End the forward; also right when it never began."""
        self._stopped.set()
        if self._keeper.is_alive():
            self._keeper.join()  # it may be making the forward again
        command.end(self._child)
        for end in (self._reading, self._writing):
            os.close(end)

    def _keep(self) -> None:
        while not self._stopped.wait(RETRY):
            if self._child.poll() is not None:
                self._child = self._spawn(self._argv)

    def _spawn(self, argv: Sequence[str]) -> command.Process:
        return command.spawn(argv, log=self._log, stdin=self._reading)

    def _last_words(self) -> str:
        lines = self._log.read_text().strip().splitlines()
        return lines[-1] if lines else "no answer"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
