"""`kill -9` before and after every event of a run with four faults, and at any instant; its successors die as well.

CRASHES says how often (40; `make soak`: 200). CRASH_SEED repeats what a failure has printed.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.contract import crashes
from tests.contract.crashes import Crash, Stage, Written

pytestmark = pytest.mark.timeout(900)
CRASHES = int(os.environ.get("CRASHES", "40"))
AT_ONCE = 5
SHARED = "PYTEST_XDIST_TESTRUNUID"


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, list[Crash]]:
    """The seed and its crashes; the same for all workers."""
    base = tmp_path_factory.getbasetemp()
    run = os.environ.get(SHARED, "")
    seed = int(os.environ.get("CRASH_SEED") or (int(run, 16) if run else time.time_ns()) % 1_000_000)
    sys.stdout.write(f"\nCRASH_SEED={seed}\n")
    return seed, crashes.kept((base.parent if run else base) / "crashes", seed, CRASHES)


@pytest.mark.parametrize("batch", range(-(-CRASHES // AT_ONCE)))
def test_nothing_is_left_broken_and_the_journal_tells_it(
    tmp_path: Path, drawn: tuple[int, list[Crash]], batch: int
) -> None:
    seed, all_of_them = drawn
    mine = list(enumerate(all_of_them))[batch * AT_ONCE : (batch + 1) * AT_ONCE]

    def one(numbered: tuple[int, Crash]) -> str:
        number, crash = numbered
        try:
            told = crashes.suffer(Stage(tmp_path / str(number)), crash)
            sys.stdout.write(f"{number + 1:3}/{CRASHES}: {crash}: {told}\n")
        except Exception as error:  # noqa: BLE001 - which crash it was is told with it
            return f"CRASH_SEED={seed}, {crash}, in {tmp_path / str(number)}: {type(error).__name__}: {error}"
        return ""

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert [told for told in pool.map(one, mine) if told] == [], f"repeat with CRASH_SEED={seed} CRASHES={CRASHES}"


WRITTEN = Written(
    ("planned", "sample", "sample", "admitted", "intent", "injected", "intent", "new-kind", "closed"),
    ("stopping", "undo-claimed", "closed"),
)


@pytest.mark.parametrize("seed", range(5))
def test_every_kind_of_event_is_died_at_both_before_and_after(seed: int) -> None:
    drawn = crashes.draw(WRITTEN, seed, 40)
    assert len(drawn) == 40
    kinds = Counter(crashes._kind(each.point) for each in drawn)
    assert all(kinds[kind, when] for kind in set(WRITTEN.run) for when in ("before", "after"))
    assert any(each.point.startswith("at:") for each in drawn)
    assert {"", "watchdog"} < {each.watchdog for each in drawn}
    assert any(each.recovers for each in drawn)
    assert crashes.draw(WRITTEN, seed, 40) == drawn, "a seed repeats them"


def test_a_soak_dies_at_every_single_event() -> None:
    """A whole run writes some forty of them, most of them samples."""
    written = Written((*WRITTEN.run, *["sample"] * 30), WRITTEN.successor)
    assert {each.point for each in crashes.draw(written, 1, 200)} >= set(crashes._points(written.run))
