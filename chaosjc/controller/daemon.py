"""The process that waits: APScheduler wakes it for each entry; a signal ends it, and first what it has under way.

SIGHUP has it read its files anew, unless it has a terminal, which is gone then.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor  # pyright: ignore[reportMissingTypeStubs]
from apscheduler.schedulers.background import BackgroundScheduler  # pyright: ignore[reportMissingTypeStubs]
from apscheduler.triggers.base import BaseTrigger  # pyright: ignore[reportMissingTypeStubs]

from chaosjc.controller.admission import CHILD
from chaosjc.controller.claims import Claim
from chaosjc.controller.controller import GRACE, Controller, Due
from chaosjc.controller.served import Served
from chaosjc.drivers import command
from chaosjc.engine.locks import Locks
from chaosjc.engine.signals import heard
from chaosjc.errors import ChaosJCError
from chaosjc.journal.verdict import EXIT_CODES

AGAIN = datetime.timedelta(seconds=10)  # until what could not be read, or may have changed, is read again
AT_ONCE = 8  # entries that fall due together: one runs, the others are told that it does


class Runner:
    """Each run a process in a session of its own: it, and its undo, outlive a controller that is killed.

    It holds the lock `CHILD`, so that the next controller knows of it.
    """

    def __init__(self, log: Path, locks: Locks) -> None:
        self._log, self._locks, self._lock = log, locks, threading.Lock()
        self._stopping = False
        self._end: Callable[[], None] | None = None

    def __call__(self, words: Sequence[str]) -> int:
        """Start `chaosjc WORDS` and wait for it; once all is to end, nothing is started any more."""
        with self._lock:
            if self._stopping:
                return EXIT_CODES["ABORTED"]
            argv = [sys.executable, "-m", "chaosjc.cli.main", *words]
            with self._locks.lent(CHILD) as held:
                process = command.spawn(argv, log=self._log, pass_fds=[held])
            self._end = process.terminate
        code = process.wait()
        with self._lock:
            self._end = None
        return code

    def stop(self) -> None:
        """Ask what runs to undo and to end."""
        with self._lock:
            self._stopping = True
            if self._end:
                self._end()


def serve(controller: Controller, served: Served, runner: Runner, tell: Callable[[str], None]) -> None:
    """Until a signal comes; returns when what was under way then has been put back."""
    scheduler: Any = BackgroundScheduler(
        timezone=datetime.UTC,
        executors={"default": ThreadPoolExecutor(AT_ONCE)},
        job_defaults={"coalesce": True, "misfire_grace_time": int(GRACE.total_seconds()), "max_instances": 2},
    )
    rota = Rota(scheduler, controller, served, tell)
    rota.look()
    scheduler.add_job(rota.look, "interval", seconds=AGAIN.total_seconds(), max_instances=1)
    attended = os.isatty(0)
    with _signals() as wait:
        scheduler.start()
        while (name := wait()) == "SIGHUP" and not attended:
            rota.look(anew=True)
        tell(f"ending: {name}")
        runner.stop()
        scheduler.shutdown(wait=True)


class Rota:
    """The jobs of a scheduler: one an entry, as the files are now. One whose entry is gone finds that when it fires."""

    def __init__(self, scheduler: Any, controller: Controller, served: Served, tell: Callable[[str], None]) -> None:
        self._scheduler, self._controller, self._served, self._tell = scheduler, controller, served, tell

    def look(self, *, anew: bool = False) -> None:
        """Follow the files where they have changed."""
        if not self._served.look(anew=anew):
            return
        for due in self._served:
            self._plan(due.id)
            self._tell(f"{due.id}: {_coming(self._controller, due)}")

    def _plan(self, identity: str) -> None:
        """One whose time has come meanwhile is left alone: it fires, and goes by the files as they are then."""
        trigger = Trigger(self._controller, functools.partial(self._served.find, identity), self._tell)
        coming = trigger.get_next_fire_time(None, self._controller.now())
        planned = self._scheduler.get_job(identity)
        if planned and planned.next_run_time and planned.next_run_time <= self._controller.now():
            return
        job = {"args": (identity,), "id": identity, "next_run_time": coming}
        self._scheduler.add_job(self.fire, trigger, replace_existing=True, **job)

    def fire(self, identity: str) -> None:
        """Deal with an entry that falls due, by the files as they are at this moment."""
        self.look()
        due = self._served.find(identity)
        if due is None:
            self._tell(f"{identity}: not in its schedule any more")
            return
        self._tell(f"{identity}: due")
        try:
            claim = self._controller.fire(due)
        except ChaosJCError as error:
            self._tell(f"{identity}: nothing was begun: {error}")
            return
        self._tell(f"{identity}: {_became(claim)}; {_coming(self._controller, due)}")


class Trigger(BaseTrigger):
    """When an entry falls due next. An error here would end the scheduler, and nothing would ever fall due again."""

    def __init__(self, controller: Controller, find: Callable[[], Due | None], tell: Callable[[str], None]) -> None:
        self._controller, self._find, self._tell = controller, find, tell

    def get_next_fire_time(  # pyright: ignore[reportIncompatibleMethodOverride] - the base class has no types
        self, previous_fire_time: datetime.datetime | None, now: datetime.datetime
    ) -> datetime.datetime | None:
        """Never, where that is None."""
        del previous_fire_time  # the controller has a memory that outlives this process
        due = self._find()
        if due is None:
            return None
        try:
            firing = self._controller.next(due)
        except ChaosJCError as error:
            self._tell(f"{due.id}: not known when it falls due next: {error}")
            return now + AGAIN
        return firing.at if firing else None


def _became(claim: Claim | None) -> str:
    if claim is None:
        return "nothing is due now, or it was dealt with before"
    code = f", exit code {claim.code}" if claim.code is not None else ""
    return f"{claim.outcome}{code}{': ' if claim.why else ''}{claim.why}"


def _coming(controller: Controller, due: Due) -> str:
    try:
        firing = controller.next(due)
    except ChaosJCError as error:
        return f"next not known: {error}"
    zone = due.loaded.schedule.calendar.zone
    coming = f"next {firing.at.astimezone(zone):%a %Y-%m-%d %H:%M:%S %Z}" if firing else "never again"
    return f"{coming}, and begins nothing: {due.trouble}" if due.trouble else coming


@contextlib.contextmanager
def _signals() -> Generator[Callable[[], str]]:
    """A function that waits for one, by a pipe: a handler must not touch what the interrupted thread may hold."""
    reading, writing = os.pipe()

    def write(number: int, _: types.FrameType | None) -> None:
        os.write(writing, bytes([number]))

    try:
        with heard(write):
            yield lambda: signal.Signals(os.read(reading, 1)[0]).name
    finally:
        os.close(reading)
        os.close(writing)
