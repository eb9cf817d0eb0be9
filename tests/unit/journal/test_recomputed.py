"""The verdict computed anew, by whoever, whenever, is the recorded one."""

from __future__ import annotations

import itertools
import sqlite3
from pathlib import Path

import pytest

from chaosjc.errors import JournalError
from chaosjc.journal.events import EVENT, Closed, DebtCleared, Entry, Halted, Verdict, Verified
from chaosjc.journal.store import Store
from chaosjc.journal.verdict import judge
from tests.journals import recompute
from tests.unit.fakes import FakeClock
from tests.unit.journal.story import journal, story
from tests.unit.journal.test_verdict import cases
from tests.unit.report import journals

ALL = [pytest.param(make(), id=name) for name, make in journals.ALL.items()]


def recorded(entries: list[Entry]) -> Closed:
    return next(entry.event for entry in entries if isinstance(entry.event, Closed))


@pytest.mark.parametrize("entries", ALL)
def test_of_the_journals_of_reports(entries: list[Entry]) -> None:
    found, said = judge(entries), recorded(entries)
    assert (found.verdict, found.code, found.reason) == (said.verdict, said.code, said.reason)


@pytest.mark.parametrize("case", cases())
def test_once_it_was_written_and_read(case: dict[str, object]) -> None:
    """A journal is JSON: no figure of a judgement may rest on what that does not keep."""
    entries = journal(story(case))
    kept = [entry.model_copy(update={"event": EVENT.validate_json(EVENT.dump_json(entry.event))}) for entry in entries]
    assert judge(kept) == judge(entries)


def test_once_it_lay_in_a_store(tmp_path: Path) -> None:
    """Whose own clock stamps the events: so does the verdict that is found there."""
    clock = FakeClock(0.0)
    for number, (name, make) in enumerate(journals.ALL.items()):
        entries = make()
        with Store(tmp_path / f"{number}.db", clock) as store:
            for entry in entries:
                clock.now = entry.at
                store.append(entry.event, entry.run)
            (run,) = store.runs()
            assert judge(store.entries(run)) == judge(entries), name


@pytest.mark.parametrize("entries", ALL)
def test_what_came_after_it_closed_changes_nothing(entries: list[Entry]) -> None:
    """A halt, a look at what was left, a debt that was cleared: they are of another day."""
    step = journals.STEP.id
    later = [
        Halted(who="alice", why="exam"),
        Verified(step=step, epoch=9, outcome="whole"),
        DebtCleared(step=step, abandoned="alice: the VM is gone"),
    ]
    seq = itertools.count(entries[-1].seq + 1)
    more = [Entry(seq=next(seq), at=entries[-1].at + 60, run=entries[0].run, event=event) for event in later]
    assert judge([*entries, *more]) == judge(entries)


def left(directory: Path, *, verdict: Verdict) -> Path:
    """A journal as a test leaves it, whose last run says that it ended so."""
    path = directory / "state" / "journal.db"
    with Store(path) as store:
        for entry in journals.passed():
            event = entry.event
            store.append(event.model_copy(update={"verdict": verdict}) if isinstance(event, Closed) else event, "r1")
    return path


def test_a_verdict_that_does_not_follow_is_found(tmp_path: Path) -> None:
    left(tmp_path, verdict="ABORTED")
    with pytest.raises(AssertionError, match="r1"):
        recompute(tmp_path)


def test_an_event_that_cannot_be_read_is_found(tmp_path: Path) -> None:
    path = left(tmp_path, verdict="INCONCLUSIVE")
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO events (at, run, type, step, body) VALUES (1, 'r1', 'sample', '', '{}')")
    database.close()
    with pytest.raises(JournalError, match="cannot be read"):
        recompute(tmp_path)


def test_a_file_that_a_test_damaged_is_let_be(tmp_path: Path) -> None:
    path = left(tmp_path, verdict="ABORTED")
    path.write_bytes(path.read_bytes()[:5000])
    recompute(tmp_path)
