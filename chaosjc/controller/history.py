"""The runs of a journal, kept between scrapes: one that is closed and owes nothing never changes again."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from chaosjc.errors import JournalError
from chaosjc.journal import violations
from chaosjc.journal.state import RunState
from chaosjc.journal.store import Store
from chaosjc.journal.verdict import judge


@dataclass(frozen=True)
class Figures:
    """What a closed run measured, in seconds; None for what did not happen, or what nobody saw.

    `violation` is the longest one, 0 if there was none and nothing went unmeasured.
    """

    detect: float | None = None
    recovery: float | None = None
    violation: float | None = None


class History:
    """Of one journal. Safe for scrapes at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest = 0
        self._runs: list[str] = []
        self._settled: dict[str, RunState] = {}
        self._figures: dict[str, Figures] = {}
        self._unread: set[str] = set()

    def states(self, store: Store) -> list[RunState]:
        """Every run, oldest first; only those are read that may have changed."""
        with self._lock:
            for seq, run in store.planned(after=self._newest):
                self._newest = seq
                self._runs.append(run)
            found = [self._settled.get(run) or store.state(run) for run in self._runs]
            states = [state for state in found if state]
            self._settled |= {state.run: state for state in states if state.closed and not state.debts}
            return states

    def figures(self, store: Store, runs: Iterable[str]) -> dict[str, Figures]:
        """Of closed runs. At most one is judged anew, since that reads all its samples; the others follow later."""
        with self._lock:
            wanted = list(runs)
            missing = [run for run in wanted if run not in self._figures]
            fresh = next((run for run in missing if run not in self._unread), next(iter(missing), None))
            if fresh is not None:
                self._measure(store, fresh)
            return {run: self._figures[run] for run in wanted if run in self._figures}

    def _measure(self, store: Store, run: str) -> None:
        try:
            found = judge(store.entries(run))
        except JournalError:  # locked now, or written by another release: the others come first
            self._unread.add(run)
        else:
            self._figures[run] = Figures(found.time_to_detect, found.time_to_recover, violations.longest(found))
