"""Journals of runs as they could have been, built in a line or two; times are seconds after START."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from chaosjc.journal.events import (
    Admitted,
    CheckPlan,
    Closed,
    Context,
    DebtCleared,
    Entry,
    Event,
    HypothesisPlan,
    Injected,
    InjectFailed,
    Intent,
    Planned,
    Reading,
    Recovered,
    RecoveryPlan,
    Refused,
    Sample,
    Settling,
    StepPlan,
    Stopping,
    Target,
    UndoClaimed,
    UndoFailed,
    Undone,
    Verified,
)
from chaosjc.journal.verdict import judge

START = 1_795_538_096.0
RUN = "20261124-164132-k3v9"
WORKERS = ("worker-001", "worker-002")
OWNER = "monitor-host:4711"

UP = HypothesisPlan(
    id="h1", name="workers left alone answer", kind="promql", options={"query": 'up{job="node",instance=~"$others"}'},
    expect="== 1", stop=True,
)  # fmt: skip
STALL = HypothesisPlan(
    id="h2", name="writes never stall past the promise", kind="promql",
    options={"query": "chaosjc_storage_oldest_inflight_seconds"}, expect="<= 15s", tolerate=2.0,
)  # fmt: skip
BACK = CheckPlan(id="r1", name="ssh answers", kind="vm", options={"name": "worker-001"}, expect="== whole")
STEP = StepPlan(
    id="f1.1",
    fault="vm.pause",
    target=Target(
        id="5f0c1f2e-9d1c-4b53-a1a6-0c8f3b1f6d11", name="worker-001", role="worker", address="10.20.0.21",
        why="drawn from 2 of role worker",
    ),
    duration=20.0,
    inject="pause worker-001 (nova)",
    undo="unpause worker-001 (nova)",
)  # fmt: skip


def planned(**changes: object) -> Planned:
    return Planned(
        experiment="worker-vm-frozen",
        description="Users on other workers notice nothing when one worker hangs.",
        path="experiments/worker-vm-frozen.yaml",
        sha256="9f2c4d0be8a1f3776d1b0b2f7c5be0c1d6d1a9e4b7c80d3f21a4c5f6e7d8091a",
        source="apiVersion: chaosjc/v1\nkind: Experiment\nname: worker-vm-frozen\n",
        site="lab",
        vars={"longest_stall": "15s"},
        seed=7,
        hypotheses=(UP, STALL),
        steps=(STEP,),
        recovery=RecoveryPlan(within=30.0, until=(BACK,)),
        targets=("worker-001",),
        others=("worker-002",),
        context=Context(version="0.1.0", environment={"OS_CLOUD": "chaosjc-lab"}, prometheus="http://127.0.0.1:9090"),
    ).model_copy(update=changes)


class Journal:
    """Appends events in order of time."""

    def __init__(self, run: str = RUN, start: float = START) -> None:
        self.run, self.start = run, start
        self.items: list[tuple[float, Event]] = []

    def add(self, at: float, *events: Event) -> Journal:
        self.items += [(at, event) for event in events]
        return self

    def samples(
        self, check: CheckPlan, times: Iterable[float], series: Mapping[str, Callable[[float], float | str | None]]
    ) -> Journal:
        """One live sample at each time; a function that says None has no data then."""
        for time in times:
            readings = tuple(
                Reading(series=name, time=self.start + time, value=value, why="" if value is not None else "timeout")
                for name, of in series.items()
                for value in [of(time)]
            )
            self.add(time + 0.05, Sample(check=check.id, readings=readings))
        return self

    def entries(self) -> list[Entry]:
        ordered = sorted(self.items, key=lambda item: item[0])
        return [Entry(seq=i + 1, at=self.start + at, run=self.run, event=e) for i, (at, e) in enumerate(ordered)]

    def closed(self, at: float) -> list[Entry]:
        """All entries, ended with the verdict that they deserve."""
        found = judge(self.entries())
        return self.add(at, Closed(verdict=found.verdict, code=found.code, reason=found.reason)).entries()


def seconds(start: int, end: int) -> list[float]:
    return [float(second) for second in range(start, end)]


def stall(peak: float) -> Callable[[float], float]:
    """A quiet write latency, but for a stall that grows while the fault is there (6 to 26 s)."""
    return lambda t: 0.02 + 0.01 * math.sin(t * 1.7) + (peak * (t - 6) / 20 if 6 <= t <= 26 else 0.0)


def begin(plan: Planned | None = None) -> Journal:
    """Planned, admitted after a baseline of 5 s, intent and injected."""
    journal = Journal().add(0.0, plan or planned()).add(5.2, Admitted(), Intent(step="f1.1", owner=OWNER))
    return journal.add(6.1, Injected(step="f1.1"))


def undo(journal: Journal, at: float = 26.0) -> Journal:
    journal.add(at, UndoClaimed(step="f1.1", owner=OWNER, epoch=1)).add(at + 1.1, Undone(step="f1.1", epoch=1))
    return journal.add(at + 2.4, Verified(step="f1.1", epoch=1, outcome="whole"))


def recover(journal: Journal, since: float = 29.0) -> Journal:
    journal.samples(BACK, seconds(27, int(since) + 4), {"": lambda t: "whole" if t >= since else "broken"})
    return journal.add(since + 2.2, Recovered(since=journal.start + since)).add(since + 3.0, Settling())


def measured(journal: Journal, end: int = 43, peak: float = 9.0) -> Journal:
    journal.samples(UP, seconds(0, end), {f'up{{instance="{name}"}}': lambda _: 1.0 for name in WORKERS[1:]})
    return journal.samples(STALL, seconds(0, end), {f'{{worker="{name}"}}': stall(peak) for name in WORKERS[1:]})


def passed() -> list[Entry]:
    return recover(undo(measured(begin()))).closed(42.5)


def failed() -> list[Entry]:
    return recover(undo(measured(begin(), peak=26.0))).closed(42.5)


def inconclusive() -> list[Entry]:
    """Prometheus stopped from the 12th to the 24th second."""
    journal = recover(undo(begin()))
    blind: Callable[[float], float | None] = lambda t: None if 12 <= t < 24 else 1.0  # noqa: E731
    journal.samples(UP, seconds(0, 43), {'up{instance="worker-002"}': blind})
    quiet = stall(9.0)
    return journal.samples(STALL, seconds(0, 43), {"": lambda t: None if 12 <= t < 24 else quiet(t)}).closed(42.5)


def blind() -> list[Entry]:
    """Prometheus stopped as the fault began, and never came back."""
    return recover(undo(measured(begin(), end=7))).closed(42.5)


def aborted() -> list[Entry]:
    journal = undo(measured(begin(), end=17), at=14.2).add(14.0, Stopping(cause="signal", why="interrupted by SIGINT"))
    return recover(journal, since=17.0).closed(22.0)


def undo_failed() -> list[Entry]:
    journal = measured(begin(), end=60).add(26.0, UndoClaimed(step="f1.1", owner=OWNER, epoch=1))
    journal.add(31.0, UndoFailed(step="f1.1", epoch=1, why="nova answered 503")).add(
        33.0, UndoClaimed(step="f1.1", owner="watchdog:4712", epoch=2)
    )
    journal.add(38.0, UndoFailed(step="f1.1", epoch=2, why="nova answered 503"))
    return journal.add(39.0, Verified(step="f1.1", epoch=2, outcome="broken", why="Nova says PAUSED")).closed(60.0)


def cleared() -> list[Entry]:
    """The same, mended by a later `recover`."""
    entries = undo_failed()
    event = DebtCleared(step="f1.1")
    return [*entries, Entry(seq=len(entries) + 1, at=START + 300.0, run=RUN, event=event)]


def not_started() -> list[Entry]:
    journal = Journal().add(0.0, planned()).samples(UP, seconds(0, 5), {'up{instance="worker-002"}': lambda _: 0.0})
    reason = "workers left alone answer was violated for 5 s before the fault"
    return journal.add(5.2, Refused(guard="steady state", code="steady-state-broken", reason=reason)).closed(5.3)


def inject_failed() -> list[Entry]:
    journal = Journal().add(0.0, planned()).add(5.2, Admitted(), Intent(step="f1.1", owner=OWNER))
    journal.add(7.0, InjectFailed(step="f1.1", why="nova: no such server"))
    journal.add(7.1, Stopping(cause="inject-failed", why="vm.pause on worker-001: no such server"))
    return recover(undo(measured(journal, end=24), at=7.2), since=10.0).closed(24.0)


def running() -> list[Entry]:
    return measured(begin(), end=19).entries()


def empty() -> list[Entry]:
    return []


ALL: dict[str, Callable[[], list[Entry]]] = {
    "PASS": passed, "FAIL": failed, "INCONCLUSIVE": inconclusive, "ABORTED": aborted, "UNDO-FAILED": undo_failed,
    "NOT-STARTED": not_started,
}  # fmt: skip
