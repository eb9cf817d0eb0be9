"""The process that waits: APScheduler wakes it for each entry; a signal ends it, and first what it has under way."""

from __future__ import annotations

import contextlib
import datetime
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

from chaosjc.controller.claims import Claim
from chaosjc.controller.controller import GRACE, Controller, Due
from chaosjc.drivers import command
from chaosjc.engine.signals import heard
from chaosjc.errors import ChaosJCError
from chaosjc.journal.verdict import EXIT_CODES

AGAIN = datetime.timedelta(seconds=10)  # until what could not be read is read again: soon enough for what falls due


class Runner:
    """Each run a process in a session of its own: it, and its undo, outlive a controller that is killed."""

    def __init__(self, log: Path) -> None:
        self._log, self._lock = log, threading.Lock()
        self._stopping = False
        self._end: Callable[[], None] | None = None

    def __call__(self, words: Sequence[str]) -> int:
        """Start `chaosjc WORDS` and wait for it; once all is to end, nothing is started any more."""
        with self._lock:
            if self._stopping:
                return EXIT_CODES["ABORTED"]
            process = command.spawn([sys.executable, "-m", "chaosjc.cli.main", *words], log=self._log)
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


def serve(controller: Controller, dues: Sequence[Due], runner: Runner, tell: Callable[[str], None]) -> None:
    """Until a signal comes; returns when what was under way then has been put back."""
    scheduler: Any = BackgroundScheduler(
        timezone=datetime.UTC,
        executors={"default": ThreadPoolExecutor(len(dues) + 1)},
        job_defaults={"coalesce": True, "misfire_grace_time": int(GRACE.total_seconds()), "max_instances": 2},
    )
    for due in dues:
        scheduler.add_job(_fire, Trigger(controller, due, tell), args=(controller, due, tell), id=due.id)
        tell(f"{due.id}: {_coming(controller, due)}")
    with _signals() as wait:
        scheduler.start()
        tell(f"ending: {wait()}")
        runner.stop()
        scheduler.shutdown(wait=True)


class Trigger(BaseTrigger):
    """When an entry falls due next. An error here would end the scheduler, and nothing would ever fall due again."""

    def __init__(self, controller: Controller, due: Due, tell: Callable[[str], None]) -> None:
        self._controller, self._due, self._tell = controller, due, tell

    def get_next_fire_time(  # pyright: ignore[reportIncompatibleMethodOverride] - the base class has no types
        self, previous_fire_time: datetime.datetime | None, now: datetime.datetime
    ) -> datetime.datetime | None:
        """Never, where that is None."""
        del previous_fire_time  # the controller has a memory that outlives this process
        try:
            firing = self._controller.next(self._due)
        except ChaosJCError as error:
            self._tell(f"{self._due.id}: not known when it falls due next: {error}")
            return now + AGAIN
        return firing.at if firing else None


def _fire(controller: Controller, due: Due, tell: Callable[[str], None]) -> None:
    tell(f"{due.id}: due")
    try:
        claim = controller.fire(due)
    except ChaosJCError as error:
        tell(f"{due.id}: nothing was begun: {error}")
        return
    tell(f"{due.id}: {_became(claim)}; {_coming(controller, due)}")


def _became(claim: Claim | None) -> str:
    if claim is None:
        return "dealt with before"
    code = f", exit code {claim.code}" if claim.code is not None else ""
    return f"{claim.outcome}{code}{': ' if claim.why else ''}{claim.why}"


def _coming(controller: Controller, due: Due) -> str:
    try:
        firing = controller.next(due)
    except ChaosJCError as error:
        return f"next not known: {error}"
    zone = due.loaded.schedule.calendar.zone
    return f"next {firing.at.astimezone(zone):%a %Y-%m-%d %H:%M:%S %Z}" if firing else "never again"


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
