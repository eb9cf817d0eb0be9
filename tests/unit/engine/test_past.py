"""What is asked of the past: all at once, until one deadline, and no more of it than counts."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import pytest

from chaosjc.engine import past
from chaosjc.engine.past import HOUR, LOOKS, MINUTE, at_once, of_before, of_run, quiet_since
from chaosjc.journal.events import (
    Admitted,
    CheckPlan,
    Closed,
    Entry,
    Event,
    Intent,
    Reading,
    Sample,
    Settling,
    Verified,
)
from chaosjc.journal.state import RunState, fold
from chaosjc.journal.timeline import JITTER, Window
from tests.unit.engine import fakes

SOON = 10.0  # seconds after which a test gives up: nothing here takes as long
MANY = 40  # more than any pool of threads would have


def check(id: str, timeout: float = 0.2) -> CheckPlan:
    return CheckPlan(id=id, name=id, kind="promql", expect="== 1", timeout=timeout)


def test_the_past_is_asked_for_all_at_once_and_told_in_order() -> None:
    """Each answers only once all are asked: one after another, the first would never."""
    checks = [check(f"h{n}") for n in range(MANY)]
    together = threading.Barrier(MANY)

    def ask(plan: CheckPlan) -> tuple[Reading, ...]:
        together.wait(SOON)
        return (Reading(series=plan.id, time=1.0, value=1.0),)

    found = at_once(ask, checks, SOON)
    assert [(each.id, readings and readings[0].series) for each, readings in found] == [
        (each.id, each.id) for each in checks
    ]


def test_of_no_check_there_is_no_past() -> None:
    assert at_once(lambda plan: (), [], SOON) == []


@pytest.fixture
def hanging() -> Callable[[], object]:
    """What never ends while the test lasts."""
    released = threading.Event()
    return lambda: released.wait(SOON)


def test_however_many_sources_hang_the_last_is_heard(
    hanging: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And of those that hang it is said, once for all at the same deadline."""
    monkeypatch.setattr(past, "BACKFILL_TIMEOUT", -0.9)

    def ask(plan: CheckPlan, start: float, end: float) -> tuple[Reading, ...]:
        if plan.id != "last":
            hanging()
        return (Reading(time=end, value=1.0),)

    checks = [*(check(f"h{n}") for n in range(MANY)), check("last")]
    samples = of_run(ask, checks, Window(0.0, 7.0))
    assert [sample.check for sample in samples] == [each.id for each in checks]
    assert {sample.source for sample in samples} == {"backfill"}
    assert samples[-1].readings == (Reading(time=7.0, value=1.0),)
    assert {sample.readings for sample in samples[:-1]} == {(Reading(time=7.0, why="timeout: no answer within 0.3 s"),)}


# ------------------------------------------------------------------ the time before


def every_second(plan: CheckPlan, start: float, end: float) -> tuple[Reading, ...]:
    """As a source that says more than it was asked for, and of some instants nothing."""
    told = [Reading(time=float(t), value=1.0, interval=1.0) for t in range(int(start) - 5, int(end) + 5)]
    return (*told, Reading(time=end - 3, why="gone"))


def live(id: str, interval: float) -> Sample:
    return Sample(check=id, readings=(Reading(time=1001.0, value=1.0, interval=interval),))


def asked_of(interval: float, quiet: Window) -> list[tuple[float, float]]:
    found = list[tuple[float, float]]()

    def ask(plan: CheckPlan, start: float, end: float) -> tuple[Reading, ...]:
        found.append((start, end))
        return ()

    assert of_before(ask, [check("h1")], [live("h1", interval)], quiet) == []
    return found


def test_a_minute_before_the_run_is_told_up_to_what_its_phases_have() -> None:
    [sample] = of_before(every_second, [check("h1")], [live("h1", 1.0)], Window(-math.inf, 1000.0))
    assert (sample.check, sample.source) == ("h1", "backfill")
    times = [reading.time for reading in sample.readings]
    assert times == [float(t) for t in range(940, 999)], "1000 - 1.5 is where the baseline's samples may begin"
    assert all(reading.value is not None for reading in sample.readings)


@pytest.mark.parametrize(
    ("interval", "length"), [(1.0, MINUTE), (5.0, LOOKS * 5.0), (15.0, LOOKS * 15.0), (600.0, HOUR)]
)
def test_it_is_as_long_as_its_interval_asks_for(interval: float, length: float) -> None:
    (span,) = asked_of(interval, Window(-math.inf, 10_000.0))
    assert span == (10_000.0 - length, 10_000.0 - JITTER * interval)


def test_it_begins_when_all_was_whole_again() -> None:
    assert asked_of(1.0, Window(970.0, 1000.0)) == [(970.0, 998.5)]
    assert asked_of(1.0, Window(999.0, 1000.0)) == [], "none is asked for what is too short"


def test_whoever_does_not_answer_for_it_at_once_is_left_out(
    hanging: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "PATIENCE", 0.2)

    def ask(plan: CheckPlan, start: float, end: float) -> tuple[Reading, ...]:
        if plan.id == "hangs":
            hanging()
        return () if plan.id == "forgets" else (Reading(time=end, value=1.0 if plan.id == "good" else None),)

    checks = [check("hangs"), check("forgets"), check("fails"), check("good")]
    found = of_before(ask, checks, [], Window(-math.inf, 1000.0))
    assert [sample.check for sample in found] == ["good"]


# ------------------------------------------------------------------ who else was at work


def state(run: str, *events: tuple[float, Event]) -> RunState:
    told = [(0.0, fakes.planned(fakes.step("a"))), *events]
    found = fold(Entry(seq=seq, at=at, run=run, event=event) for seq, (at, event) in enumerate(told))
    assert found
    return found


INTENT = (1.0, Intent(step="f1.a", owner="run"))
WHOLE = (5.0, Verified(step="f1.a", epoch=0, outcome="whole"))
CLOSED = (20.0, Closed(verdict="PASS", code="held", reason="all held"))


@pytest.mark.parametrize(
    ("events", "since"),
    [
        ([], -math.inf),
        ([(1.0, Admitted()), CLOSED], -math.inf),  # it broke nothing
        ([INTENT, WHOLE, CLOSED], 20.0),
        ([INTENT, WHOLE, (8.0, Settling()), CLOSED], 8.0),  # all that lags had passed
        ([INTENT, WHOLE, (8.0, Settling())], 100.0),  # it goes on
        ([INTENT, CLOSED], 100.0),  # it owes its undo
    ],
)
def test_it_is_quiet_once_the_run_before_has_recovered(events: list[tuple[float, Event]], since: float) -> None:
    mine = state("mine").copy()
    mine.planned_at = 100.0
    later = state("later", INTENT)
    later.planned_at = 101.0
    assert quiet_since(mine, [mine, later, state("other", *events)]) == since
