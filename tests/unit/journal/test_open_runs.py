"""Which runs are open is found without reading those that are long over, and is what reading them all would find."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaosjc.errors import JournalError
from chaosjc.journal.events import (
    Admitted,
    Closed,
    DebtCleared,
    Event,
    Intent,
    Planned,
    RecoveryPlan,
    StepPlan,
    Target,
    UndoClaimed,
    Verified,
)
from chaosjc.journal.store import Store
from tests.unit.fakes import FakeClock

STEPS = ("f1.a", "f1.b")
PLAN = Planned(
    experiment="e",
    steps=tuple(StepPlan(id=each, fault="switch", target=Target(id=each, name=each)) for each in STEPS),
    recovery=RecoveryPlan(within=60, until=()),
)
LATER: list[Event] = [
    *(Intent(step=each, owner="me") for each in STEPS),
    *(UndoClaimed(step=each, owner="me", epoch=1) for each in STEPS),
    *(Verified(step=each, epoch=0, outcome=outcome) for each in STEPS for outcome in ("whole", "broken", "gone")),
    *(DebtCleared(step=each) for each in STEPS),
    Closed(verdict="PASS", code="held", reason=""),
]
WRITING = st.tuples(st.sampled_from(["r1", "r2", "r3"]), st.sampled_from(LATER))


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[Path]]:
    yield (tmp_path_factory.mktemp("store") / "journal.db" for _ in iter(int, 1))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.lists(WRITING, max_size=25), since=st.floats(0, 30))
def test_they_are_those_that_reading_all_of_them_finds(
    stores: Iterator[Path], written: list[tuple[str, Event]], since: float
) -> None:
    clock = FakeClock(0.0)
    with Store(next(stores), clock) as store:
        for run in ("r2", "r1", "r3"):
            store.append_all([PLAN, Admitted()], run)
        for run, event in written:
            clock.sleep(1)
            try:
                store.append(event, run)
            except JournalError:
                continue  # no journal has it in this place
        for moment in (since, float("inf")):
            states = [store.state(run) for run in store.runs()]
            all_of_them = [
                each.run
                for each in states
                if each and (each.debts or each.closed is None or each.closed_at >= moment)  # type: ignore[operator]
            ]
            assert [each.run for each in store._open_runs(moment)] == all_of_them


def test_a_closed_run_is_not_read(tmp_path: Path) -> None:
    with Store(tmp_path / "journal.db", FakeClock()) as store:
        for run in ("r1", "r2"):
            store.append_all(
                [PLAN, Admitted(), Closed(verdict="PASS", code="held", reason="")][: 3 - (run == "r2")], run
            )
        read: list[str] = []
        state = store.state
        store.state = lambda run: (read.append(run), state(run))[1]  # type: ignore[method-assign]
        assert [each.run for each in store.open_runs()] == ["r2"] == read
