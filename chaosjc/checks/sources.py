"""The clients that checks ask through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Thread
from typing import TypeVar

from chaosjc.clock import Clock, SystemClock
from chaosjc.drivers import command
from chaosjc.drivers.command import Runner
from chaosjc.drivers.gluster import Gluster
from chaosjc.drivers.http import Http
from chaosjc.drivers.kubernetes import Cluster
from chaosjc.drivers.openstack import Cloud
from chaosjc.drivers.prometheus import Prometheus
from chaosjc.drivers.ssh import Ssh
from chaosjc.errors import RemoteError

T = TypeVar("T")


@dataclass(frozen=True)
class Sources:
    """Whatever a run's checks need; None is what it has not got, and a check that needs it has no data.

    `marks` is the metadata of the site's servers in the cloud, `bastion` the host through which all others are reached,
    empty where they are without one, `exporter` whether each has a node exporter,
    `mounting` tells which VMs ought to mount a volume: name → addresses, none where it has none. `kubernetes`
    connects at first use. Both may raise. `balancer` is the description of the site's load balancer, empty where it
    has none, `listen` its port at which users come in.
    """

    prometheus: Prometheus | None = None
    http: Http | None = None
    ssh: Ssh | None = None
    cloud: Cloud | None = None
    gluster: Gluster | None = None
    kubernetes: Callable[[], Cluster] | None = None
    mounting: Callable[[str], Mapping[str, tuple[str, ...]]] = lambda _: {}
    marks: Mapping[str, str] = field(default_factory=dict[str, str])
    bastion: str = "bastion"
    exporter: bool = True
    balancer: str = ""
    listen: int = 0
    run: Runner = command.run
    clock: Clock = field(default_factory=SystemClock)


def need(source: T | None, what: str) -> T:
    """The source; RemoteError where the run has none."""
    if source is None:
        raise RemoteError(f"this run has no {what} to ask")
    return source


class Deadline:
    """What is left of a time limit, over several requests."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._until = clock.monotonic() + seconds

    def left(self) -> float:
        """Seconds; RemoteError when there are none."""
        left = self._until - self._clock.monotonic()
        if left <= 0:
            raise RemoteError(f"timeout: no answer within {self._seconds:g} s")
        return left


def begun(question: Callable[[], T]) -> Future[T]:
    """The answer to come: a source that hangs is left to itself, in a thread of its own."""
    future: Future[T] = Future()

    def answer() -> None:
        try:
            future.set_result(question())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that asked
            future.set_exception(error)

    Thread(target=answer, name="question", daemon=True).start()
    return future


def bounded(question: Callable[[], T], seconds: float) -> T:
    """The answer, or RemoteError after `seconds`."""
    try:
        return begun(question).result(timeout=seconds)
    except TimeoutError:
        raise RemoteError(f"timeout: no answer within {seconds:g} s") from None
