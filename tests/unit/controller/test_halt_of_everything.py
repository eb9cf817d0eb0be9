"""A controller begins nothing on a site that a halt of everything found without a journal."""

from __future__ import annotations

import datetime
from pathlib import Path

from chaosjc.controller.admission import Admission
from chaosjc.journal.events import Halted
from chaosjc.journal.store import Store


def test_it_binds_a_controller_too(tmp_path: Path) -> None:
    now = datetime.datetime(2026, 12, 1, 12, tzinfo=datetime.UTC)
    admission = Admission(tmp_path / "journal.db", tmp_path / "halts.db")
    assert admission.refusal(None, now) == ""
    with Store(tmp_path / "halts.db") as everything:
        everything.append(Halted(who="ada", why="exams"))
    assert admission.refusal(None, now).startswith("halted by ada: exams")
