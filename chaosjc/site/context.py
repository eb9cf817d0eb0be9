"""Everything that the stages of one deployment share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from chaosjc.clock import Clock, SystemClock
from chaosjc.drivers import command
from chaosjc.drivers.openstack import Cloud
from chaosjc.drivers.ssh import Ssh
from chaosjc.errors import StageError
from chaosjc.site import sshconfig
from chaosjc.site.keys import Keyring
from chaosjc.site.log import Log, Report, silent
from chaosjc.site.model import Machine, SiteFile
from chaosjc.site.state import SiteState

T = TypeVar("T")
R = TypeVar("R")


class InterruptibleClock(SystemClock):
    """A clock whose sleepers wake with StageError when somebody asks to stop."""

    def __init__(self, cancelled: threading.Event) -> None:
        self._cancelled = cancelled

    def sleep(self, seconds: float) -> None:
        """Raises StageError once cancelled."""
        if self._cancelled.wait(max(seconds, 0.0)):
            raise interrupted()


def interrupted() -> StageError:
    """What a step that was asked to stop ends with."""
    return StageError("interrupted", hint="the same command continues where this one stopped")


class Answers:
    """Answers that several threads need: who wants one first asks, the others wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, Future[Any]] = {}

    def of(self, question: str, ask: Callable[[], T]) -> T:
        """What `ask` returned, or raised, for whoever asked first."""
        mine = Future[Any]()
        with self._lock:
            found = self._found.setdefault(question, mine)
        if found is mine:
            try:
                mine.set_result(ask())
            except BaseException as error:
                mine.set_exception(error)
                raise
        return found.result()


class Whole:
    """What a deploy was told of VMs on which everything is as planned, until something is done to any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: dict[str, Any] = {}
        self._done = 0

    def look(self, vm: str, ask: Callable[[], T], is_whole: Callable[[T], bool]) -> T:
        """What is known of it, or else what `ask` says; that is remembered unless something was done meanwhile."""
        with self._lock:
            known, before = self._said.get(vm), self._done
        if known is not None:
            return known
        said = ask()
        if is_whole(said):
            with self._lock:
                if self._done == before:
                    self._said[vm] = said
        return said

    def forget(self) -> None:
        """Something was done, which may show anywhere: a daemon that starts again is missed by others."""
        with self._lock:
            self._done += 1
            self._said.clear()


@dataclass(frozen=True)
class Context:
    """One site, its cloud and its state; `only` limits everything to these VMs.

    `answers` are there while nothing is changed of what is asked: then all stages see the same, asked for once. `whole`
    is there during a deploy.
    """

    site: SiteFile
    cloud: Cloud
    state: SiteState
    ssh: Ssh
    keyring: Keyring
    only: frozenset[str] | None = None
    report: Report = silent
    clock: Clock = field(default_factory=SystemClock)
    cancelled: threading.Event = field(default_factory=threading.Event)
    answers: Answers | None = None
    whole: Whole | None = None

    def ask(self, question: str, ask: Callable[[], T]) -> T:
        """What `ask` says now; where `answers` are kept, what it said first."""
        return self.answers.of(question, ask) if self.answers else ask()

    @property
    def machines(self) -> tuple[Machine, ...]:
        """The VMs that this deployment is about."""
        return tuple(each for each in self.site.machines if self.only is None or each.name in self.only)

    def check_cancelled(self) -> None:
        """Raise StageError once somebody asked to stop; called between steps."""
        if self.cancelled.is_set():
            raise interrupted()


def open_site(
    site: SiteFile,
    *,
    state: str = "",
    only: Iterable[str] | None = None,
    report: Report = silent,
    cloud: Cloud | None = None,
) -> Context:
    """Log in to the site's cloud, unless `cloud` is given, and open its state directory; `state` overrides where."""
    place = SiteState.of(site.name, state or site.state)
    config = sshconfig.adopt(place, site.adopted.ssh_config) if site.adopted else place.ssh_config
    log = Log(place.log, SystemClock())
    cancelled = threading.Event()
    clock = InterruptibleClock(cancelled)
    return Context(
        site=site,
        cloud=cloud or Cloud.connect(site.cloud, clock=clock),
        state=place,
        ssh=Ssh(config, log.running(command.run)),
        keyring=Keyring(place, log.running(command.run)),
        only=None if only is None else frozenset(only),
        report=log.reporting(report),
        clock=clock,
        cancelled=cancelled,
    )


def in_parallel(act: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """`act` on each at once; all end before the first error, in the order of items, is raised."""
    listed = list(items)
    if len(listed) < 2:
        return [act(each) for each in listed]
    with ThreadPoolExecutor(min(len(listed), 16)) as pool:
        futures = [pool.submit(act, each) for each in listed]
    return [future.result() for future in futures]
