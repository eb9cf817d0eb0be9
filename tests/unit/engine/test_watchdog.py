"""When a run that lives is taken for hung."""

from __future__ import annotations

from pathlib import Path

from chaosjc.engine.watchdog import GRACE, time_left
from chaosjc.journal.events import Admitted
from chaosjc.journal.state import fold
from tests.unit.engine.fakes import RUN, open_store, planned, step
from tests.unit.fakes import FakeClock


def test_a_deadline_counts_from_the_admission_however_long_the_look_at_the_site_took(tmp_path: Path) -> None:
    clock = FakeClock()
    with open_store(tmp_path, clock) as store:
        store.append(planned(step("a")), RUN)
        assert time_left(fold(store.entries(RUN)), clock.time()) == 0, "it has not begun in all that time"
        clock.sleep(60)
        store.append(Admitted(), RUN)
        state = fold(store.entries(RUN))
        assert state
        assert time_left(state, clock.time()) == state.planned.deadline + GRACE
        clock.sleep(state.planned.deadline)
        assert time_left(state, clock.time()) == GRACE
