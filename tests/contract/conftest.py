"""What holds after every contract test, whatever it did: the verdict of each run follows from its journal alone."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path

import pytest

from chaosjc.errors import JournalError
from chaosjc.journal.events import Closed
from chaosjc.journal.store import Store
from chaosjc.journal.verdict import judge


@pytest.fixture(autouse=True)
def recomputed(request: pytest.FixtureRequest) -> Generator[None]:
    """Judge anew each closed run of each journal in the test's directory; some tests damage theirs, and are let be."""
    if "tmp_path" not in request.fixturenames:
        yield
        return
    there: Path = request.getfixturevalue("tmp_path")
    yield
    for journal in sorted(there.rglob("journal.db")):
        with contextlib.suppress(JournalError), Store(journal) as store:
            check(store)


def check(store: Store) -> None:
    """What `runs show` would compute of each run is what was recorded when it closed."""
    for run in store.runs():
        entries = store.entries(run)
        closed = next((entry.event for entry in entries if isinstance(entry.event, Closed)), None)
        if closed and closed.reason:  # without one a test wrote it by hand
            judged = judge(entries)
            assert (judged.verdict, judged.code, judged.reason) == (closed.verdict, closed.code, closed.reason), run
