"""A run against storage as it could have been: a brick's VM hangs, writes stall for the ping-timeout, then it heals."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

from chaosjc.journal.events import (
    Admitted,
    CheckPlan,
    Entry,
    HypothesisPlan,
    Injected,
    Intent,
    Recovered,
    RecoveryPlan,
    Settling,
    StepPlan,
    Target,
    UndoClaimed,
    Undone,
    Verified,
)
from tests.unit.report.journals import OWNER, Journal, planned

FROZEN, THAWED, HEALED, END = 6.0, 36.0, 52.0, 68.0
WORKERS = ("worker-001", "worker-002")
SECOND = 20.0  # when worker-002 stalls again, for 1.6 s

OLDEST = HypothesisPlan(
    id="h1", name="writes never wait longer than ping-timeout + 5 s", kind="promql",
    options={"promql": 'chaosjc_storage_oldest_inflight_seconds{volume="homes"}'}, expect="<= 10s",
)  # fmt: skip
FAILED = HypothesisPlan(
    id="h2", name="no write fails", kind="promql",
    options={"promql": 'sum(chaosjc_storage_errors_total{volume="homes"}) or vector(0)'}, expect="== 0",
)  # fmt: skip
WRITES = HypothesisPlan(
    id="h3", name="half of the writes at least", kind="promql",
    options={"promql": 'sum(rate(chaosjc_storage_writes_total{volume="homes"}[10s])) / 20'}, expect=">= 0.5",
    phases=("before", "after"),
)  # fmt: skip


def observed(id: str, name: str, promql: str) -> CheckPlan:
    return CheckPlan(id=id, name=name, kind="promql", options={"promql": promql}, expect="")


LONGEST = observed("o1", "longest stall of the last minute", 'chaosjc_storage_longest_wait_seconds{volume="homes"}')
LATENCY = observed(
    "o2", "write latency, p99",
    'histogram_quantile(0.99, sum by (vm, le) (rate(chaosjc_storage_write_seconds_bucket{volume="homes"}[5s])))',
)  # fmt: skip
BACKLOG = observed("o3", "entries to heal", 'chaosjc_gluster_heal_pending{volume="homes"}')
PING = observed("o4", "ping-timeout in force", 'max(chaosjc_gluster_ping_timeout_seconds{volume="homes"})')
HEALED_CHECK = CheckPlan(
    id="r1", name="homes is healed", kind="gluster.healed", options={"volume": "homes"}, expect="== 0"
)

STEP = StepPlan(
    id="f1.1", fault="vm.pause", duration=30.0, inject="pause brick-001 (nova)", undo="unpause brick-001 (nova)",
    target=Target(id="0d9a1c52-7a55-4c53-8c0f-b4a2f5f9f0c3", name="brick-001", role="brick", address="10.66.0.31",
                  why="drawn from 3 of role brick"),
)  # fmt: skip


def waiting(ping: float, second: float | None) -> Callable[[float], float]:
    """Age of the oldest unanswered write."""

    def age(t: float) -> float:
        if FROZEN + 0.1 <= t < FROZEN + 0.1 + ping:
            return t - FROZEN - 0.1
        if second is not None and second <= t < second + 1.6:
            return t - second
        return 0.004 + 0.003 * abs(math.sin(t * 2.3))

    return age


def longest(ping: float, second: float | None) -> Callable[[float], float]:
    age = waiting(ping, second)

    def worst(t: float) -> float:
        past = [ping] if FROZEN + 0.1 + ping <= t <= FROZEN + 60 + ping else []
        past += [1.6] if second is not None and second + 1.6 <= t else []
        return max([0.0, *past, age(t) if age(t) > 1 else 0.0])

    return worst


def latency(ping: float, worker: int) -> Callable[[float], float | None]:
    def p99(t: float) -> float | None:
        if FROZEN + 1.5 <= t < FROZEN + ping:
            return None  # nothing was acknowledged
        if FROZEN + ping <= t < FROZEN + ping + 5:
            return ping * 0.97
        healing = 0.03 * math.exp(-((t - 43) ** 2) / 40)
        return 0.009 + 0.004 * math.sin(t * 1.3 + worker) + healing

    return p99


def backlog(t: float) -> float:
    if t < FROZEN + 4 or t > HEALED:
        return 0.0
    return round((t - FROZEN - 4) * 21) if t < THAWED + 1 else round(max(0.0, 567 * (HEALED - t) / 15))


def at(start: float = 0.37) -> list[float]:
    return [start + second for second in range(int(END) - 1)]


@functools.cache
def frozen(ping: float = 5.2, *, told: bool = True) -> list[Entry]:
    """The whole run; `told`: the longest stall was observed as well."""
    plan = planned(
        experiment="brick-vm-frozen", description="Homes stay usable when one storage VM hangs.",
        path="experiments/brick-vm-frozen.yaml", hypotheses=(OLDEST, FAILED, WRITES), steps=(STEP,), settle=12.0,
        observations=((LONGEST,) if told else ()) + (LATENCY, BACKLOG, PING), targets=("brick-001",),
        others=("brick-002", "brick-003"), recovery=RecoveryPlan(within=60.0, until=(HEALED_CHECK,)),
    )  # fmt: skip
    journal = Journal().add(0.0, plan).add(5.2, Admitted(), Intent(step="f1.1", owner=OWNER))
    journal.add(FROZEN, Injected(step="f1.1")).add(THAWED, UndoClaimed(step="f1.1", owner=OWNER, epoch=1))
    journal.add(THAWED + 0.8, Undone(step="f1.1", epoch=1)).add(
        THAWED + 1.9, Verified(step="f1.1", epoch=1, outcome="whole")
    )
    journal.samples(OLDEST, at(), {_worker(w): waiting(ping, SECOND if i else None) for i, w in enumerate(WORKERS)})
    journal.samples(FAILED, at(), {"{}": lambda _: 0.0})
    journal.samples(WRITES, at(), {"{}": lambda t: 0.0 if FROZEN + 1 <= t < FROZEN + ping else 1.0})
    if told:
        journal.samples(
            LONGEST, at(), {_worker(w): longest(ping, SECOND if i else None) for i, w in enumerate(WORKERS)}
        )
    journal.samples(LATENCY, at(), {f'{{vm="{w}"}}': latency(ping, i) for i, w in enumerate(WORKERS)})
    bricks: dict[str, Callable[[float], float]] = {"brick-002": backlog, "brick-003": lambda t: backlog(t - 0.4)}
    silent: Callable[[float], float | None] = lambda t: None if FROZEN < t < THAWED + 1 else 0.0  # noqa: E731
    journal.samples(BACKLOG, at(), {_brick("brick-001"): silent} | {_brick(name): of for name, of in bricks.items()})
    journal.samples(PING, at(), {"{}": lambda _: 5.0})
    journal.samples(HEALED_CHECK, at(THAWED + 2.2)[:18], {"": lambda t: float(t < HEALED)})
    journal.add(HEALED + 2.4, Recovered(since=journal.start + HEALED + 0.2)).add(HEALED + 3.0, Settling())
    return journal.closed(END)


def _worker(name: str) -> str:
    return f'chaosjc_storage{{job="storage",vm="{name}",volume="homes"}}'


def _brick(name: str) -> str:
    return f'chaosjc_gluster_heal_pending{{brick="{name}",volume="homes"}}'
