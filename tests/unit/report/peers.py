"""A run long enough to compare: 40 s before, one of three workers slowed by 3 s for a minute, 40 s after."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from chaosjc.journal.events import (
    Admitted,
    CheckPlan,
    Entry,
    HypothesisPlan,
    Injected,
    Intent,
    Recovered,
    Settling,
    UndoClaimed,
    Undone,
    Verified,
)
from tests.unit.report.journals import BACK, OWNER, Journal, planned, seconds

UP = HypothesisPlan(
    id="h1", name="every worker answers", kind="promql", options={"promql": 'up{job="node"}'}, expect="== 1"
)  # fmt: skip
WAIT = HypothesisPlan(
    id="h2", name="nobody waits longer than 2 s", kind="promql", options={"promql": "wait_seconds"}, expect="<= 2s",
    tolerate=90.0,
)  # fmt: skip
LOAD = CheckPlan(id="o1", name="load", kind="promql", options={"promql": "load"}, expect="")

SLOWED, CURED, END = 40.0, 100.0, 146
TARGET, OTHERS = "worker-001", ("worker-002", "worker-003")
SLOWER = 3.0  # seconds


def slowed(extra: float = SLOWER, lost: float = END) -> list[Entry]:
    """Waits are 0.5 s ± 0.1 s, of the target `extra` more while the fault is there; load has no target's series.

    From `lost` on nobody hears of the target's waits.
    """
    journal = Journal().add(0.0, planned(
        experiment="worker-slowed", hypotheses=(UP, WAIT), observations=(LOAD,), targets=(TARGET,), others=OTHERS,
        baseline=39.0, settle=40.0,
    ))  # fmt: skip
    journal.add(39.5, Admitted(), Intent(step="f1.1", owner=OWNER)).add(SLOWED, Injected(step="f1.1"))
    journal.add(CURED, UndoClaimed(step="f1.1", owner=OWNER, epoch=1), Undone(step="f1.1", epoch=1))
    journal.add(CURED + 0.5, Verified(step="f1.1", epoch=1, outcome="whole"))
    journal.samples(BACK, seconds(101, 105), {"": lambda _: "whole"})
    journal.add(104.5, Recovered(since=journal.start + 101.0)).add(105.0, Settling())
    times, names = seconds(0, END), (TARGET, *OTHERS)
    journal.samples(UP, times, {f'up{{instance="{name}:9100",job="node"}}': lambda _: 1.0 for name in names})
    journal.samples(WAIT, times, {f'{{worker="{name}"}}': _wait(name, extra, lost) for name in names})
    journal.samples(LOAD, times, {f'{{worker="{name}"}}': _wait(f"{name} load", 0.0) for name in OTHERS})
    return journal.closed(145.2)


def _wait(name: str, extra: float, lost: float = END) -> Callable[[float], float | None]:
    random = Random(name)
    noise = {time: random.gauss(0.5, 0.1) for time in seconds(0, END)}

    def wait(t: float) -> float | None:
        if name == TARGET and t >= lost:
            return None
        return noise[t] + (extra if name == TARGET and SLOWED <= t <= CURED else 0.0)

    return wait
