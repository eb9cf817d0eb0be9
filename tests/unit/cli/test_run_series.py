"""What `chaosjc run` tells of a series, whatever becomes of the files that it should write."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from chaosjc.cli.run import Series
from chaosjc.cli.view import watching
from chaosjc.journal.events import Entry
from chaosjc.journal.verdict import judge
from tests.unit.report import journals
from tests.unit.report.test_html import WORDS, hostile

if TYPE_CHECKING:
    from chaosjc.engine.experiment import Loaded
    from chaosjc.engine.session import Session

LOADED = cast("Loaded", None)


class Played:
    """A session, and its store, whose every run went as that of `journals.failed`."""

    def __init__(self) -> None:
        self.store, self.path = self, "journal.db"

    def entries(self, run: str) -> list[Entry]:
        return journals.failed()

    def plan(self, loaded: object, seed: int) -> object:
        return seed

    def run(self, plan: int, observe: object) -> object:
        return SimpleNamespace(id=f"run-{plan}", execute=lambda: judge(journals.failed()))


def series(html: Path) -> Series:
    return Series(cast("Session", Played()), html, as_json=False)


def test_a_report_that_cannot_be_written_hides_no_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert series(tmp_path / "file").run([LOADED, LOADED], 1) == 1
    out, err = capsys.readouterr()
    assert out.count("FAIL   worker-vm-frozen") == 2, "each in its turn"
    assert "worker-vm-frozen on lab, 2 runs: 2 FAIL" in out
    assert err.count(" cannot be written: ") == 2
    assert "run-1.html" not in out, "a report that is not there is not pointed to"


def test_a_report_that_is_there_is_pointed_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert series(tmp_path / "new").run([LOADED, LOADED], 1) == 1
    out = "".join(capsys.readouterr().out.split())
    assert out.count(str(tmp_path / "new" / "run-2.html")) == 2, "below its verdict, and in the sum"
    assert (tmp_path / "new" / "run-2.html").read_text().startswith("<!doctype html>")


def test_what_a_run_says_meanwhile_is_word_for_word(capsys: pytest.CaptureFixture[str]) -> None:
    with watching(quiet=False) as observe:
        observe(hostile()[0])
    assert WORDS in capsys.readouterr().err
