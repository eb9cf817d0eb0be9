"""The process that undoes what a run leaves behind when it dies: `python -m chaosjc.engine.watchdog`.

It blocks on the run's lock, which the kernel frees the instant that the run's process ends, however it ends; so there
is no polling, no heartbeat, and no delay. It lives in a session of its own, out of reach of Ctrl-C.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import types
from collections.abc import Generator
from pathlib import Path

from chaosjc.clock import Clock, SystemClock
from chaosjc.drivers import command
from chaosjc.engine.locks import Locks, run_lock
from chaosjc.engine.undo import Undoer, finish
from chaosjc.errors import ChaosJCError, FaultError, JournalError
from chaosjc.faults.registry import FAULTS
from chaosjc.faults.world import World
from chaosjc.journal.events import OURS, Cause, Closed, Stopping
from chaosjc.journal.state import RunState, fold
from chaosjc.journal.store import Store
from chaosjc.journal.verdict import judge

READY = b"ready\n"
READY_WITHIN = 120.0  # seconds in which it proves, target by target, that each undo could be done
GRACE = 30.0  # seconds that a living run may exceed its deadline before it is taken for hung


class _Overdue(Exception):
    """The run is alive but past its deadline."""


class Watchdog:
    """A run's view of its watchdog."""

    def __init__(self, store: Path, run: str) -> None:
        self._arguments = [sys.executable, "-m", "chaosjc.engine.watchdog", str(store), run]
        self._log = store.parent / "watchdog.log"
        reader, writer = os.pipe()
        try:
            self._process = command.spawn([*self._arguments, str(writer)], log=self._log, pass_fds=(writer,))
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        self._pipe = reader

    def wait_ready(self) -> None:
        """Return once it has loaded its clients and proved its credentials; raises FaultError where it has not."""
        with open(self._pipe, "rb", buffering=0) as pipe:
            answered, _, _ = select.select([pipe], [], [], READY_WITHIN)
            said = pipe.read() if answered else b"no answer within %d s" % READY_WITHIN
        if said != READY:
            self._process.kill()
            self._process.wait()
            raise FaultError(
                f"the watchdog is not ready: {said.decode(errors='replace').strip() or 'it ended'}",
                hint=f"its log: {self._log}",
            )

    @property
    def alive(self) -> bool:
        """Whether it still watches."""
        return self._process.poll() is None

    def dismiss(self) -> None:
        """See it end, which it does by itself once the run is closed and its lock is free."""
        self._process.wait()


def watch(store: Store, run: str, ready_fd: int, clock: Clock) -> None:
    """Prove that undoing is possible, say so, wait for the run's end, and finish what it left."""
    state = fold(store.entries(run))
    if state is None:
        return
    world = World(state.planned.context, run, clock)
    _say_ready(ready_fd, Undoer(store, run, FAULTS, world, clock))
    with contextlib.ExitStack() as stack:
        dead = _held(stack, store, state, clock)
        why = "the run's process died" if dead else "the run's process is past its deadline and silent"
        undoer = Undoer(store, run, FAULTS, world, clock)
        if undoer.state().closed is None:
            close_abandoned(undoer, "death", why)


def _held(stack: contextlib.ExitStack, store: Store, state: RunState, clock: Clock) -> bool:
    """Wait for the run's lock; False where the run still has it when it is overdue."""

    def within(seconds: float) -> bool:
        with contextlib.suppress(_Overdue), _alarm(seconds):
            stack.enter_context(Locks(store.path).held(run_lock(state.run)))
            return True
        return False

    if within(state.planned.baseline + state.planned.deadline + GRACE):
        return True
    left = time_left(fold(store.entries(state.run)), clock.time())
    return left > 0 and within(left)


def time_left(state: RunState | None, now: float) -> float:
    """Seconds until a run is overdue: its deadline counts from its admission, before which it looks at its site.

    At most those of one that is admitted now: the clock may have been set back since.
    """
    if state is None or state.admitted_at is None:
        return 0.0
    longest = state.planned.deadline + GRACE
    return min(state.admitted_at + longest - now, longest)


def _say_ready(descriptor: int, undoer: Undoer) -> None:
    """To a run that may have died meanwhile: it is then to be closed all the same."""
    with contextlib.suppress(BrokenPipeError), open(descriptor, "wb") as pipe:
        try:
            for step in undoer.state().planned.steps:
                undoer.faults[step.fault].prepare(step, undoer.world)
        except ChaosJCError as error:
            pipe.write(str(error).encode())
            raise
        pipe.write(READY)


def close_abandoned(undoer: Undoer, cause: Cause, why: str) -> bool:
    """Finish a run whose own process no longer does; True when nothing is owed any more."""
    stopping = Stopping(cause=cause, why=why)
    with contextlib.suppress(JournalError):  # on a full disk, what is broken comes first
        _stop(undoer, stopping)
    clean = finish(undoer)
    if undoer.state().closed is None:
        _stop(undoer, stopping)
        judged = judge(undoer.store.entries(undoer.run))
        undoer.store.append(Closed(verdict=judged.verdict, code=judged.code, reason=judged.reason), undoer.run)
    return clean


def _stop(undoer: Undoer, stopping: Stopping) -> None:
    state = undoer.state()
    if state.closed is None and (state.stopping is None or state.stopping.cause in OURS):
        undoer.store.append(stopping, undoer.run)


@contextlib.contextmanager
def _alarm(seconds: float) -> Generator[None]:
    def overdue(_signal: int, _frame: types.FrameType | None) -> None:
        raise _Overdue

    signal.signal(signal.SIGALRM, overdue)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    with Store(Path(sys.argv[1])) as journal:
        watch(journal, sys.argv[2], int(sys.argv[3]), SystemClock())
