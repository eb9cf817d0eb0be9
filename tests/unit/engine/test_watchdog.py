"""When a run that lives is taken for hung."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from chaosjc.engine import watchdog
from chaosjc.engine.locks import Locks, run_lock
from chaosjc.engine.watchdog import GRACE, time_left
from chaosjc.journal.events import Admitted
from chaosjc.journal.state import fold
from chaosjc.journal.store import Store
from tests.unit.engine.fakes import RUN, open_store, planned, step
from tests.unit.fakes import FakeClock

PLAN = planned(step("a"))
FIRST, SECOND = PLAN.baseline + PLAN.deadline + GRACE, PLAN.deadline + GRACE


def test_a_deadline_counts_from_the_admission_however_long_the_look_at_the_site_took(tmp_path: Path) -> None:
    clock = FakeClock()
    with open_store(tmp_path, clock) as store:
        store.append(PLAN, RUN)
        assert time_left(fold(store.entries(RUN)), clock.time()) == 0, "it has not begun in all that time"
        clock.sleep(60)
        store.append(Admitted(), RUN)
        state = fold(store.entries(RUN))
        assert state
        assert time_left(state, clock.time()) == state.planned.deadline + GRACE
        clock.sleep(state.planned.deadline)
        assert time_left(state, clock.time()) == GRACE


class TestHeld:
    """How long the watchdog waits for a run that lives."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def store(self, tmp_path: Path, clock: FakeClock) -> Iterator[Store]:
        with open_store(tmp_path, clock) as store:
            yield store

    @pytest.fixture
    def alarms(self, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """After how many seconds each was to come; it comes at once."""
        asked = list[float]()

        @contextlib.contextmanager
        def alarm(seconds: float) -> Generator[None]:
            asked.append(seconds)
            assert len(asked) < 3, "it waits on and on"
            clock.sleep(seconds)
            raise watchdog._Overdue
            yield

        monkeypatch.setattr(watchdog, "_alarm", alarm)
        return asked

    def held(self, store: Store, clock: FakeClock) -> bool:
        state = fold(store.entries(RUN))
        assert state
        with contextlib.ExitStack() as stack:
            return watchdog._held(stack, store, state, clock)

    def test_a_run_that_was_not_admitted_in_all_that_time_is_hung(
        self, store: Store, clock: FakeClock, alarms: list[float]
    ) -> None:
        store.append(PLAN, RUN)
        assert not self.held(store, clock)
        assert alarms == [FIRST]

    def test_one_that_was_admitted_late_has_its_deadline_all_the_same(
        self, store: Store, clock: FakeClock, alarms: list[float]
    ) -> None:
        store.append(PLAN, RUN)
        clock.now += 60
        store.append(Admitted(), RUN)
        clock.now -= 60
        assert not self.held(store, clock)
        assert alarms == [FIRST, 60 - PLAN.baseline]

    def test_a_clock_that_is_set_back_leaves_it_no_longer(
        self, store: Store, clock: FakeClock, alarms: list[float]
    ) -> None:
        store.append(PLAN, RUN)
        store.append(Admitted(), RUN)
        clock.now -= 3600
        assert not self.held(store, clock)
        assert alarms == [FIRST, SECOND]

    def test_one_that_ends_after_the_first_alarm_has_died(
        self, store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With a true alarm and a true lock, which the run's end frees."""
        monkeypatch.setattr(watchdog, "GRACE", 0.1)
        store.append(PLAN.model_copy(update={"baseline": 0.0, "deadline": 0.1}), RUN)
        store.append(Admitted(), RUN)
        with contextlib.ExitStack() as run:

            class Ending(FakeClock):
                """The watchdog looks at it when its alarm has come."""

                def time(self) -> float:
                    run.close()
                    return clock.time()

            run.enter_context(Locks(store.path).held(run_lock(RUN)))
            assert self.held(store, Ending())
