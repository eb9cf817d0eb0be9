"""One run: baseline, admission, faults each for its own time, recovery, settling, verdict.

The main thread waits on one queue and never blocks elsewhere for long; injects, undos and checks run in threads of
their own and report to it. So a halt, a signal or a violated `stop` check is acted upon at once, whatever hangs.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import queue
from collections import deque
from collections.abc import Mapping, Sequence

from chaosjc.engine import past
from chaosjc.engine.guards import first_refusal
from chaosjc.engine.locks import Locks, run_lock
from chaosjc.engine.parts import Parts, WatchdogLike
from chaosjc.engine.sampler import Sampler
from chaosjc.engine.undo import finish, owner
from chaosjc.engine.work import Act, Done, Work
from chaosjc.errors import Fenced, JournalError
from chaosjc.journal import live, phases, recovery
from chaosjc.journal.events import (
    OURS,
    Cause,
    Closed,
    Event,
    Injected,
    InjectFailed,
    Intent,
    NotRecovered,
    Planned,
    Recovered,
    Refused,
    Sample,
    Settling,
    Stopping,
)
from chaosjc.journal.state import RunState, following
from chaosjc.journal.store import View
from chaosjc.journal.timeline import Window
from chaosjc.journal.verdict import Judgement, judge
from chaosjc.site.topology import Topology

TICK = 0.2  # seconds between two looks at what nobody reports: a halt, the watchdog, the deadline
UNTOLD = "What was injected is undone all the same; `chaosjc recover` makes sure of it, and tells the journal."
UNREADY: Mapping[Act, tuple[str, str]] = {
    "watchdog": ("undo path", "watchdog"),
    "look": ("blast radius", "site-unknown"),
}
"""What must succeed before admission: the guard that refuses where it does not, and its code."""


class Run:
    """One execution of a plan. `execute` is called once; `request_stop` from anywhere, at any time."""

    def __init__(self, planned: Planned, parts: Parts) -> None:
        self._planned = planned
        self._parts = parts
        self._store = parts.undoer.store
        self._clock = parts.undoer.clock
        self._run = parts.undoer.run
        self._inbox: queue.SimpleQueue[Sample | Stopping | Done] = queue.SimpleQueue()  # a signal may interrupt `get`
        self._sampler = Sampler(parts.ask, self._inbox.put, self._clock)
        self._samples: list[Sample] = []
        self._stopping: Stopping | None = None
        self._work = Work(self._inbox.put)
        self._agenda: list[tuple[float, int, str, str]] = []
        self._order = itertools.count()
        self._steps = {step.id: step for step in planned.steps}
        self._admitted_at: float | None = None
        self._deadline = math.inf
        self._began: float | None = None
        self._broke = False  # an inject was tried
        self._ending: float | None = None  # when the first fault was to end
        self._seen_site: tuple[Topology, float] | None = None  # just before admission, and when that look began
        self._watchdog: WatchdogLike | None = None
        self._seen = 0  # the newest event that was shown
        self._told: RunState | None = None  # by those events
        self._looked = 0.0  # when `stop` hypotheses were looked at last
        self._stops = deque(each for each in planned.hypotheses if each.stop)  # the next to be looked at first

    @property
    def id(self) -> str:
        """As the journal calls it."""
        return self._run

    def request_stop(self, cause: Cause, why: str) -> None:
        """End early: undo everything now. Later requests change nothing."""
        self._inbox.put(Stopping(cause=cause, why=why))

    def execute(self) -> Judgement:
        """From the plan to the verdict. Raises JournalError when the journal itself fails; the watchdog then undoes."""
        try:
            with Locks(self._store.path).held(run_lock(self._run)):
                return self._execute()
        finally:
            self._sampler.stop()
            if self._watchdog is not None:
                self._watchdog.dismiss()

    def _execute(self) -> Judgement:
        try:
            self._store.check()
            self._record(self._planned)
            if self._admit():
                self._break()
                if self._undo_all() and not self._interrupted():
                    self._measure_recovery()
            return self._close()
        except Fenced as fenced:
            if fenced.code != "closed":
                raise
            return judge(self._store.entries(self._run))  # the watchdog took us for hung, and its verdict stands
        except Exception as error:
            if self._began is None:
                raise
            if not self._watched:
                with contextlib.suppress(JournalError):  # all is undone before
                    finish(self._parts.undoer)
            if isinstance(error, JournalError) and self._broke:
                raise JournalError(error.message, hint=UNTOLD) from error
            raise

    # ---- before

    def _admit(self) -> bool:
        """Ask the guards, watch the baseline, wait for the watchdog, look again, ask the guards again and reserve.

        What was broken by others during the baseline is seen by the look, which the admission's transaction follows.
        """
        early = first_refusal(self._parts.facts(View(self._store.halted(), tuple(self._store.open_runs()))))
        if early:
            return self._refuse(early)
        self._sampler.start((*self._planned.hypotheses, *self._planned.observations, *self._planned.recovery.until))
        self._work.start("watchdog", "", self._start_watchdog)
        self._sit_out(self._planned.baseline)
        self._wait_idle()
        self._rest()
        if self._stopping or self._watchdog is None:
            return False
        self._work.start("look", "", self._look_at_site)
        self._wait_idle()
        if self._stopping or self._seen_site is None:
            return False
        refused = self._reserve(*self._seen_site)
        self._observe_new()
        self._admitted_at = self._clock.time()
        self._deadline = self._clock.monotonic() + self._planned.deadline
        return refused is None

    def _rest(self) -> None:
        """What only recovery asks has told what was there before; it is not asked while things break.

        A question that is under way then may hang, and hold locks that the undo needs.
        """
        claims = {check.id for check in self._planned.hypotheses}
        self._sampler.pause(check for check in self._planned.recovery.until if check.id not in claims)
        while not (self._sampler.quiet or self._stopping):
            self._take(TICK)

    def _start_watchdog(self) -> None:
        watchdog = self._parts.watchdog()
        watchdog.wait_ready()
        self._watchdog = watchdog

    def _look_at_site(self) -> None:
        began = self._clock.time()
        self._seen_site = self._parts.look(), began

    def _reserve(self, topology: Topology, looked_at: float) -> Refused | None:
        def decide(view: View) -> Refused | None:
            return first_refusal(self._parts.facts(view).at_admission(self._steady(), topology, looked_at))

        return self._store.admit(self._run, decide, since=looked_at)

    def _steady(self) -> live.Steady:
        return live.steady(self._planned.hypotheses, self._samples, self._planned.baseline, self._clock.time())

    def _refuse(self, refused: Refused) -> bool:
        self._record(refused)
        return False

    # ---- during

    def _break(self) -> None:
        """Inject each fault at its time, undo it at its own, until all is undone or the run must stop."""
        self._began = self._clock.time()
        for step in self._planned.steps:
            self._plan_act(step.start, "inject", step.id)
        while (self._agenda or self._work) and not self._stopping:
            self._take(max(0.0, min(TICK, self._next_act() - self._clock.monotonic())))
            while self._next_act() <= self._clock.monotonic() and not self._stopping:
                _, _, act, step_id = heapq.heappop(self._agenda)
                self._inject(step_id) if act == "inject" else self._undo(step_id)

    def _next_act(self) -> float:
        """When the next inject or undo is due; what happens meanwhile may bring an earlier one."""
        return self._agenda[0][0] if self._agenda else math.inf

    def _plan_act(self, after: float, act: str, step: str) -> None:
        """Monotonic, as is the deadline: a wall clock that is set lengthens no fault."""
        heapq.heappush(self._agenda, (self._clock.monotonic() + after, next(self._order), act, step))

    def _inject(self, step_id: str) -> None:
        step = self._steps[step_id]
        if not self._watched:
            self._plan_act(TICK, "inject", step_id)  # until there is a watchdog again
            return
        try:
            self._record(Intent(step=step_id, owner=owner()))
        except Fenced as fenced:
            cause: Cause = "halt" if fenced.code == "halted" else "death"
            self._stop(Stopping(cause=cause, why=str(fenced)))
            return
        fault, self._broke = self._parts.undoer.faults[step.fault], True
        self._work.start("inject", step_id, lambda: fault.inject(step, self._parts.undoer.world))

    def _undo(self, step_id: str) -> None:
        self._end()
        self._work.start("undo", step_id, lambda: finish(self._parts.undoer, [step_id]))

    def _end(self) -> None:
        self._ending = self._ending or self._clock.time()
        self._sampler.start(self._planned.recovery.until)

    def _undo_all(self) -> bool:
        """What is still owed, latest first; True when nothing is owed any more. A second signal does not shorten it."""
        if self._began is None:
            return False
        self._end()
        self._work.start("undo", "", lambda: finish(self._parts.undoer))
        while self._work.doing("undo"):
            self._take(TICK)
        self._observe_new()
        return not self._parts.undoer.state().debts

    # ---- after

    def _measure_recovery(self) -> None:
        """Until recovery has come or the deadline has; then let the sources catch up, and settle."""
        since = self._recovered_since()
        while since is None and not self._overdue() and not self._interrupted():
            self._take(TICK)
            since = self._recovered_since()
        if since is None:
            self._record(NotRecovered(why="the recovery checks did not hold three samples running before the deadline"))
        else:
            self._record(Recovered(since=since))
        if self._interrupted():
            return
        self._sit_out(self._parts.lag())
        self._record(Settling())
        self._sit_out(self._planned.settle + self._parts.lag())
        self._backfill()

    def _recovered_since(self) -> float | None:
        state, until = self._told, self._planned.recovery.until
        undo_at = state and (phases.moments(state).first_undo or self._ending)  # some cannot be undone
        if state is None or undo_at is None:
            return None
        return recovery.recovered_since(until, self._samples, phases.baseline(state), undo_at)

    def _backfill(self) -> None:
        """Ask each source once more for the whole run, so that a short loss costs nothing; and what was before it."""
        checks = (*self._planned.hypotheses, *self._planned.observations)
        now, before, ask = self._clock.time(), self._before(), self._parts.backfill
        self._record(*past.of_run(ask, checks, Window(before.start if before else now, now)))
        if run := self._told:
            quiet = past.quiet_since(run, self._store.open_runs(since=run.planned_at - past.HOUR))
            self._record(*past.of_before(ask, checks, self._samples, Window(quiet, run.planned_at)))

    def _close(self) -> Judgement:
        while self._work.doing("watchdog") and self._began is None:
            self._take(TICK)  # it is still starting
        self._record_stopping()
        judged = judge(self._store.entries(self._run))
        self._record(Closed(verdict=judged.verdict, code=judged.code, reason=judged.reason))
        return judged

    # ---- waiting and telling

    def _sit_out(self, seconds: float) -> None:
        """Handle what comes for so long; only a person's wish ends it early."""
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0 and not self._interrupted():
            self._take(min(TICK, left))

    def _wait_idle(self) -> None:
        while self._work and not self._stopping:
            self._take(TICK)

    def _take(self, timeout: float) -> None:
        """One round: what has come, after at most `timeout` seconds of waiting for it, then a look around."""
        messages: list[Sample | Stopping | Done] = []
        try:
            messages.append(self._inbox.get(timeout=timeout))
            while True:
                messages.append(self._inbox.get_nowait())
        except queue.Empty:
            pass
        samples = [message for message in messages if isinstance(message, Sample)]
        self._samples += samples
        self._record(*samples)
        for message in messages:
            if isinstance(message, Done):
                self._handle(message)
            elif isinstance(message, Stopping):
                self._stop(message)
        self._look(samples)

    def _handle(self, done: Done) -> None:
        self._work.ended(done)
        if done.act == "inject" and done.error is None:
            self._record(Injected(step=done.step))
            self._plan_act(self._steps[done.step].duration, "undo", done.step)
        elif done.act == "inject":
            self._record(InjectFailed(step=done.step, why=str(done.error)))
            self._stop(Stopping(cause="inject-failed", why=str(done.error)))
        elif done.error and self._began is None:
            guard, code = UNREADY[done.act]
            self._refuse(Refused(guard=guard, code=code, reason=str(done.error)))
        elif done.error:
            self._stop(Stopping(cause="error", why=str(done.error)))
        elif done.act == "undo" and done.step and any(act == "inject" for _, _, act, _ in self._agenda):
            self._stop_if_owed(done.step)
        self._observe_new()

    def _stop_if_owed(self, step_id: str) -> None:
        """Where something stays broken, nothing more is broken."""
        if self._parts.undoer.state().steps[step_id].owed:
            self._stop(Stopping(cause="error", why=f"{step_id} could not be undone"))

    @property
    def _watched(self) -> bool:
        return self._watchdog is not None and self._watchdog.alive

    def _look(self, samples: Sequence[Sample]) -> None:
        """What nobody reports: a halt, the deadline, a dead watchdog, a hypothesis that says stop."""
        if self._stopping or self._began is None:
            return
        if halt := self._store.halted():
            self._stop(Stopping(cause="halt", why=halt.told))
        elif self._overdue():
            self._stop(Stopping(cause="deadline", why=f"not over after {self._planned.deadline:g} s"))
        elif self._watchdog is not None and not self._watched:
            self._watchdog = None
            self._work.start("watchdog", "", self._start_watchdog)
        elif alarm := self._alarm(samples):
            self._stop(Stopping(cause=alarm.cause, why=alarm.why))

    def _alarm(self, samples: Sequence[Sample]) -> live.Alarm | None:
        before = self._before()
        now = self._clock.time()
        if before is None or not self._stops or not (samples or now - self._looked > 1):
            return None
        self._looked, until = now, self._clock.monotonic() + TICK
        windows = phases.present(self._told, now)
        for _ in range(len(self._stops)):
            hypothesis = self._stops[0]
            self._stops.rotate(-1)
            if alarm := live.alarm(hypothesis, self._samples, before, windows):
                return alarm
            if self._clock.monotonic() > until:
                break  # many hypotheses of a long run: a halt does not wait for them all
        return None

    def _before(self) -> Window | None:
        return Window(self._admitted_at - self._planned.baseline, self._admitted_at) if self._admitted_at else None

    def _overdue(self) -> bool:
        return self._clock.monotonic() > self._deadline

    def _interrupted(self) -> bool:
        """A person wants the end: what is left to measure is not worth the wait."""
        return self._stopping is not None and self._stopping.cause not in OURS

    def _stop(self, stopping: Stopping) -> None:
        if self._stopping is None or (self._stopping.cause in OURS and stopping.cause not in OURS):
            self._stopping = stopping
            self._record_stopping()

    def _record_stopping(self) -> None:
        state = self._parts.undoer.state()
        if self._stopping and state.closed is None and state.stopping != self._stopping:
            self._record(self._stopping)

    def _record(self, *events: Event) -> None:
        if events:
            self._store.append_all(events, self._run)
            self._observe_new()

    def _observe_new(self) -> None:
        """Show what the journal has that was not shown yet, whoever wrote it."""
        for entry in self._store.entries(self._run, after=self._seen):
            self._seen, self._told = entry.seq, following(self._told, entry)
            self._parts.observe(entry)
