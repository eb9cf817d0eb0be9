"""What holds of every journal that a test leaves: the verdict of each run follows from its events alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from chaosjc.errors import JournalError
from chaosjc.journal.events import Closed
from chaosjc.journal.store import Store
from chaosjc.journal.verdict import judge


def recompute(directory: Path) -> None:
    """Judge anew each closed run of each journal in it; some tests damage theirs, and those are let be."""
    for journal in sorted(directory.rglob("journal.db")):
        with contextlib.ExitStack() as stack:
            if store := _whole(journal, stack):
                check(store, store.runs())


def check(store: Store, runs: Iterable[str]) -> None:
    """What `runs show` would compute of each is what was recorded when it closed."""
    for run in runs:
        entries = store.entries(run)
        closed = next((entry.event for entry in entries if isinstance(entry.event, Closed)), None)
        if closed and closed.reason:  # without one a test wrote it by hand
            judged = judge(entries)
            assert (judged.verdict, judged.code, judged.reason) == (closed.verdict, closed.code, closed.reason), run


def _whole(journal: Path, stack: contextlib.ExitStack) -> Store | None:
    """None where it cannot be opened, or its file is damaged: whatever else is wrong with it is a finding."""
    with contextlib.suppress(JournalError):
        store = stack.enter_context(Store(journal))
        store.check()
        return store
    return None
