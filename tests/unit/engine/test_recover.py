"""What recovering does while others look on."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from chaosjc.engine.locks import Locks, run_lock
from chaosjc.engine.recover import alive, recover
from chaosjc.journal.store import Store
from tests.unit.engine.fakes import RUN, planned
from tests.unit.fakes import FakeClock


class Looker(FakeClock):
    """Somebody who looks whether a run lives, and has looked once any time has passed."""

    def __init__(self, lock: Path) -> None:
        super().__init__()
        self._descriptor = os.open(lock, os.O_RDONLY)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def sleep(self, seconds: float) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1
        super().sleep(seconds)


def test_who_merely_looks_keeps_no_run_from_being_closed(tmp_path: Path) -> None:
    with Store(tmp_path / "journal.db") as store:
        store.append(planned(), RUN)
        with Locks(store.path).held(run_lock(RUN)):
            assert alive(store) == {RUN}
        looker = Looker(tmp_path / "locks" / run_lock(RUN))
        assert alive(store) == frozenset(), "two who look are no run"
        (done,) = recover(store, looker, lambda _: None)
        assert done.clean and not done.under_way
        assert store.open_runs() == []


def test_who_looks_leaves_nothing_behind(tmp_path: Path) -> None:
    with Store(tmp_path / "journal.db") as store:
        store.append(planned(), RUN)
        assert alive(store) == frozenset()
    assert not (tmp_path / "locks").exists()
