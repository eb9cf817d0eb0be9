"""A real run that kills itself with SIGKILL at one exact point: `EXPERIMENT STATE POINT [watchdog] [site=FILE]`.

POINT is `EVENT:before` or `EVENT:after`: the moment just before, or just after, the run's own process makes that event
durable; or `inject:SECONDS`, so long after the inject began. With `watchdog` the run's watchdog is killed first.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import threading
import time
from pathlib import Path

from chaosjc.engine import experiment as files
from chaosjc.engine import session as sessions
from chaosjc.engine.watchdog import Watchdog
from chaosjc.faults.fault import Fault
from chaosjc.faults.registry import FAULTS
from chaosjc.faults.world import World
from chaosjc.journal.events import Entry, Event, StepPlan
from chaosjc.journal.store import Store
from chaosjc.site import model

WATCHDOGS: list[Watchdog] = []


def die(with_watchdog: bool) -> None:
    if with_watchdog:
        for each in WATCHDOGS:
            os.kill(each._process.pid, signal.SIGKILL)
            each._process.wait()
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_event(point: str, with_watchdog: bool) -> None:
    name, _, when = point.partition(":")
    append_all = Store.append_all

    def dying(self: Store, events: list[Event], run: str = "") -> list[Entry]:
        hit = any(event.type == name for event in events)
        if hit and when == "before":
            die(with_watchdog)
        entries = append_all(self, events, run)
        if hit:
            die(with_watchdog)
        return entries

    Store.append_all = dying  # type: ignore[method-assign]


def die_during_inject(seconds: float, with_watchdog: bool) -> None:
    def dying(fault: Fault) -> Fault:
        def inject(step: StepPlan, world: World) -> None:
            threading.Thread(target=lambda: (time.sleep(seconds), die(with_watchdog)), daemon=True).start()
            fault.inject(step, world)

        return dataclasses.replace(fault, inject=inject)

    FAULTS.update({name: dying(fault) for name, fault in FAULTS.items()})


def main(experiment: str, state: str, point: str, *more: str) -> None:
    with_watchdog = "watchdog" in more
    loaded = files.load([Path(experiment)])
    site = next((word.removeprefix("site=") for word in more if word.startswith("site=")), "")
    file = model.load(Path(site)) if site else None
    wishes = sessions.Wishes(Path(state) / "journal.db", file, site, state if site else "")

    def remembered(path: Path, run: str) -> Watchdog:
        WATCHDOGS.append(Watchdog(path, run))
        return WATCHDOGS[-1]

    sessions.Watchdog = remembered  # type: ignore[misc, assignment]
    if point.startswith("inject:"):
        die_during_inject(float(point.partition(":")[2]), with_watchdog)
    elif point != "never":
        die_at_event(point, with_watchdog)
    with sessions.open_session(wishes, loaded, print) as session:
        session.run(session.plan(loaded[0], 1), lambda _: None).execute()


if __name__ == "__main__":
    main(*sys.argv[1:])
