"""Every check is asked at its own pace, whatever the others' sources do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from chaosjc.checks import registry
from chaosjc.checks.sources import Sources
from chaosjc.clock import SystemClock
from chaosjc.engine.sampler import Ask, Sampler
from chaosjc.journal.events import CheckPlan, Reading, Sample

SOON = 10.0  # seconds after which a test gives up: nothing here takes as long
HANGING, TIMEOUT = 3, 0.2


def check(id: str, every: float = 0.01, timeout: float = TIMEOUT) -> CheckPlan:
    return CheckPlan(id=id, name=id, kind="http", expect="== 1", every=every, timeout=timeout)


class Inbox:
    """What was delivered, and how to wait for it."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self._came = threading.Condition()

    def put(self, sample: Sample) -> None:
        with self._came:
            self.samples.append(sample)
            self._came.notify_all()

    def of(self, id: str) -> list[Sample]:
        return [sample for sample in self.samples if sample.check == id]

    def wait(self, condition: Callable[[], bool]) -> None:
        with self._came:
            assert self._came.wait_for(condition, SOON)


def stop(sampler: Sampler) -> None:
    """Not in this thread: one that never ends must not hold the test."""
    ending = threading.Thread(target=sampler.stop, daemon=True)
    ending.start()
    ending.join(SOON)
    assert not ending.is_alive()


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def sampler(inbox: Inbox) -> Iterator[Callable[[Ask], Sampler]]:
    started: list[Sampler] = []

    def start(ask: Ask) -> Sampler:
        started.append(Sampler(ask, inbox.put, SystemClock()))
        return started[-1]

    yield start
    for each in started:
        stop(each)


def answer(plan: CheckPlan) -> tuple[Reading, ...]:
    return (Reading(time=1.0, value=1.0),)


def test_three_sources_that_hang_delay_no_other(inbox: Inbox, sampler: Callable[[Ask], Sampler]) -> None:
    """They do not answer at all while thirty others are asked again and again."""
    released = threading.Event()

    def ask(plan: CheckPlan) -> tuple[Reading, ...]:
        if plan.id.startswith("hangs"):
            released.wait(SOON)
        return answer(plan)

    one = sampler(ask)
    one.start([*(check(f"hangs{n}") for n in range(HANGING)), *(check(f"h{n}") for n in range(30))])
    inbox.wait(lambda: all(len(inbox.of(f"h{n}")) >= 5 for n in range(30)))
    assert not any(inbox.of(f"hangs{n}") for n in range(HANGING))
    released.set()


def test_a_source_that_hangs_is_abandoned_at_its_timeout_and_asked_again(
    inbox: Inbox, sampler: Callable[[Ask], Sampler], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the true way of asking: what hangs is said to have given nothing, time and again."""
    released = threading.Event()

    def hang(plan: CheckPlan, sources: Sources) -> tuple[Reading, ...]:
        released.wait(SOON)
        return answer(plan)

    monkeypatch.setitem(registry.KINDS, "http", registry.Kind(hang, frozenset()))  # type: ignore[arg-type]
    one = sampler(lambda plan: registry.ask(plan, Sources()))
    one.start([check("hangs")])
    inbox.wait(lambda: len(inbox.of("hangs")) >= 2)
    assert not released.is_set()
    for sample in inbox.of("hangs"):
        (reading,) = sample.readings
        assert (reading.value, reading.why) == (None, f"timeout: no answer within {TIMEOUT:g} s")
    released.set()


class Hands:
    """A clock that the answers move."""

    now = 100.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody sleeps here")


def test_a_slow_answer_costs_the_samples_it_overran_and_shifts_none(inbox: Inbox) -> None:
    """Asked every second from 100; the first answer takes 3.4 s: the next question is due at 104, not at 103.4."""
    clock, asked, waited = Hands(), list[float](), list[float]()

    class Stopped(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout or 0.0)
            clock.now += timeout or 0.0
            if len(asked) == 3:
                self.set()
            return self.is_set()

    def ask(plan: CheckPlan) -> tuple[Reading, ...]:
        asked.append(clock.now)
        clock.now += 3.4 if len(asked) == 1 else 0.1
        return answer(plan)

    Sampler(ask, inbox.put, clock)._loop(check("h1", every=1.0), Stopped())
    assert asked == pytest.approx([100.0, 104.0, 105.0])
    assert waited == pytest.approx([0.6, 0.9, 0.9])


def test_a_check_that_is_asked_already_is_not_asked_twice(inbox: Inbox, sampler: Callable[[Ask], Sampler]) -> None:
    under_way = list[str]()

    def ask(plan: CheckPlan) -> tuple[Reading, ...]:
        under_way.append(threading.current_thread().name)
        return answer(plan)

    one = sampler(ask)
    one.start([check("h1")])
    one.start([check("h1"), check("r1")])
    inbox.wait(lambda: len(inbox.of("h1")) >= 3 and len(inbox.of("r1")) >= 3)
    assert set(under_way) == {"check h1", "check r1"}
    assert len([each for each in threading.enumerate() if each.name == "check h1"]) == 1


def test_a_pause_is_over_once_no_answer_is_under_way(inbox: Inbox, sampler: Callable[[Ask], Sampler]) -> None:
    """What was under way still counts, others go on, and what is started again is asked again."""
    hung, released = threading.Event(), threading.Event()

    def ask(plan: CheckPlan) -> tuple[Reading, ...]:
        if plan.id == "r1" and not released.is_set():
            hung.set()
            released.wait(SOON)
        return answer(plan)

    one = sampler(ask)
    one.start([check("h1"), check("r1")])
    assert hung.wait(SOON) and one.quiet
    one.pause([check("r1"), check("r2")])
    asked = len(inbox.of("h1"))
    inbox.wait(lambda: len(inbox.of("h1")) > asked + 3)
    assert not one.quiet
    released.set()
    inbox.wait(lambda: one.quiet)
    assert len(inbox.of("r1")) == 1
    one.start([check("r1")])
    inbox.wait(lambda: len(inbox.of("r1")) >= 4)


def test_once_it_is_stopped_nothing_is_delivered(inbox: Inbox, sampler: Callable[[Ask], Sampler]) -> None:
    """Not even the answer that was under way."""
    asked, released = threading.Event(), threading.Event()

    def ask(plan: CheckPlan) -> tuple[Reading, ...]:
        asked.set()
        released.wait(SOON)
        return answer(plan)

    one = sampler(ask)
    one.start([check("h1")])
    assert asked.wait(SOON)
    ending = threading.Thread(target=one.stop)
    ending.start()
    assert one._stopped["h1"].wait(SOON)
    released.set()
    ending.join(SOON)
    assert not ending.is_alive()
    assert inbox.samples == []


def test_a_check_whose_answer_has_a_mistake_in_it_is_asked_again(
    inbox: Inbox, sampler: Callable[[Ask], Sampler], monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(plan: CheckPlan, sources: Sources) -> tuple[Reading, ...]:
        raise IndexError("list index out of range")

    monkeypatch.setitem(registry.KINDS, "http", registry.Kind(mistaken, frozenset()))  # type: ignore[arg-type]
    one = sampler(lambda plan: registry.ask(plan, Sources()))
    one.start([check("h1")])
    inbox.wait(lambda: len(inbox.of("h1")) >= 3)
    assert {reading.why for sample in inbox.of("h1") for reading in sample.readings} == {
        "internal error: IndexError: list index out of range"
    }
