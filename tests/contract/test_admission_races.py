"""Two real processes share a store, and each asks at the same time for what both may not have together."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from pathlib import Path

import pytest

from chaosjc.journal.events import Refused
from chaosjc.journal.store import Store
from tests.contract import racing

ROUNDS = 201  # 67 of each budget


@pytest.mark.timeout(300)
def test_two_processes_never_exceed_a_budget_together(tmp_path: Path) -> None:
    journal = tmp_path / "journal.db"
    Store(journal).close()
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    both = [context.Process(target=racing.race, args=(journal, me, ROUNDS, barrier)) for me in (0, 1)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    codes = [each.exitcode for each in both]
    for each in both:
        each.close()
    assert codes == [0, 0]
    with Store(journal) as store:
        held = racing.holding(store)
        events = [each.event for run in store.runs() for each in store.entries(run)]
        assert store.open_runs() == []
    neither = [number for number in range(ROUNDS) if number not in held]
    assert {racing.budget(number) for number in neither} <= {"target"}, "a run on its way may refuse one that follows"
    assert len(neither) < ROUNDS / 6
    together = [number for number, each in held.items() if racing.overlap(each)]
    assert together == []
    why = Counter(each.code for each in events if isinstance(each, Refused))
    assert set(why) == {"busy", "blast-radius", "users"}, "each budget was asked for by both at the same time"
