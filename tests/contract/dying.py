"""A process that kills itself with SIGKILL at one exact point of what it writes to the journal, or at some instant.

A POINT is `EVENT#N:before` or `EVENT#N:after`: the N-th event of its kind by this process, written but not yet durable,
or just durable; `EVENT:before` is the first one. `inject:SECONDS` and `undo:SECONDS` are so long after the first inject
or undo by this process began; `at:SECONDS` so long after its first event, wherever it is then; `start:SECONDS` so long
from now. `never` is never.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path

from chaosjc.drivers import command
from chaosjc.faults.fault import Fault
from chaosjc.faults.registry import FAULTS
from chaosjc.faults.world import World
from chaosjc.journal.events import Entry, Event, StepPlan
from chaosjc.journal.store import Store

Die = Callable[[], None]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(point: str, die: Die = die) -> None:
    """From now on this process dies at the point."""
    name, _, when = point.partition(":")
    if name == "start":
        kill_after(float(when))
    elif name == "at":
        _at_event("*", "after", lambda: kill_after(float(when)))
    elif name in ("inject", "undo"):
        _in_fault(name, float(when), die)
    elif name != "never":
        _at_event(name, when, die)


def kill_after(seconds: float) -> None:
    """By another process, so that it may strike within any instruction; never one that has the number later."""
    me = f"/proc/{os.getpid()}/stat"
    born = Path(me).read_text().rpartition(")")[2].split()[19]
    script = f"sleep {seconds:.3f}; set -- $(sed 's/.*)//' {me}) && test \"${{20}}\" = {born} && kill -9 {os.getpid()}"
    command.spawn(["sh", "-c", script], log=Path(os.devnull))


def _in_fault(verb: str, seconds: float, die: Die) -> None:
    def fatal(fault: Fault) -> Fault:
        act = getattr(fault, verb)

        def dying(step: StepPlan, world: World) -> None:
            threading.Timer(seconds, die).start()
            act(step, world)

        return dataclasses.replace(fault, **{verb: dying})

    FAULTS.update({name: fatal(fault) for name, fault in FAULTS.items()})


def _at_event(name: str, when: str, act: Die) -> None:
    kind, _, number = name.partition("#")
    seen: Counter[str] = Counter()
    hit: list[bool] = []
    insert, transaction = Store._insert, Store._transaction

    def noting(self: Store, event: Event, run: str) -> Entry:
        entry = insert(self, event, run)
        for each in (event.type, "*"):
            seen[each] += 1
        if kind in (event.type, "*") and seen[kind] == int(number or 1):
            hit.append(True)
        return entry

    @contextlib.contextmanager
    def dying(self: Store) -> Generator[None]:
        with transaction(self):
            yield
            if hit and when == "before":
                hit.clear()
                act()
        if hit:
            hit.clear()
            act()

    Store._insert = noting  # type: ignore[method-assign]
    Store._transaction = dying  # type: ignore[method-assign]


def main(verb: str, point: str, journal: str, *more: str) -> None:
    """`watchdog POINT JOURNAL RUN FD`, or `recover POINT JOURNAL`: a successor that dies itself."""
    from chaosjc.clock import SystemClock
    from chaosjc.engine.recover import recover
    from chaosjc.engine.watchdog import watch

    die_at(point)
    with Store(Path(journal)) as store:
        if verb == "watchdog":
            watch(store, more[0], int(more[1]), SystemClock())
        else:
            recover(store, SystemClock(), lambda _: None)


if __name__ == "__main__":
    main(*sys.argv[1:])
