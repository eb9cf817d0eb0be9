"""The journals of every release stay readable, and say today what they said then.

`python -m tests.contract.record_journals` adds those of a new release.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any, get_args

import pytest

import chaosjc
from chaosjc.journal.events import Closed, Entry, Event
from chaosjc.journal.store import Store
from chaosjc.journal.verdict import judge
from chaosjc.report.data import list_object, run_object
from chaosjc.report.html import html
from tests.unit.journal.releases import CASES, recorded

RELEASES = sorted(path.name for path in CASES.iterdir())


def restored(release: str, directory: Path) -> Path:
    """The store as that release left it."""
    path = directory / "journal.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript((CASES / release / "journal.sql").read_text())
    return path


def said(release: str) -> dict[str, Any]:
    return json.loads((CASES / release / "said.json").read_text())


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return request.param


def test_each_run_is_judged_as_it_was(release: str, tmp_path: Path) -> None:
    with Store(restored(release, tmp_path)) as store:
        found = {run: store.entries(run) for run in store.runs()}
    then = said(release)
    assert list(found) == list(then)
    for run, entries in found.items():
        closed = next(entry.event for entry in entries if isinstance(entry.event, Closed))
        judged = judge(entries)
        assert (judged.verdict, judged.code) == (closed.verdict, closed.code), run
        assert json.loads(json.dumps(recorded(run_object(entries)))) == then[run]


def test_it_can_be_listed_reported_and_gone_on_with(release: str, tmp_path: Path) -> None:
    with Store(restored(release, tmp_path)) as store:
        store.check()
        runs = [store.entries(run) for run in store.runs()]
        assert [each["verdict"] for each in list_object(runs)] == [each["verdict"] for each in said(release).values()]
        assert all(said(release)[entries[0].run]["verdict"] in html(entries) for entries in runs)
        assert store.open_runs() == []
        assert store.halted() is None


def test_the_release_that_comes_has_its_own_with_every_kind_of_event(tmp_path: Path) -> None:
    """A new kind of event, or a new version: record them."""
    with Store(restored(chaosjc.__version__, tmp_path)) as store:
        entries: list[Entry] = store._select("1 ORDER BY seq", ())
    kinds = {get_args(each.model_fields["type"].annotation)[0] for each in get_args(get_args(Event)[0])}
    assert {entry.event.type for entry in entries} == kinds
    assert {each["verdict"] for each in said(chaosjc.__version__).values()} == {
        "PASS", "FAIL", "INCONCLUSIVE", "NOT-STARTED", "ABORTED", "UNDO-FAILED",
    }  # fmt: skip


@pytest.mark.parametrize("of", ["journal.sql", "said.json"])
def test_nothing_tells_where_it_was_recorded(release: str, of: str) -> None:
    text = (CASES / release / of).read_text()
    for word in ("/tmp", "/root", "/work", "/home"):
        assert word not in text
