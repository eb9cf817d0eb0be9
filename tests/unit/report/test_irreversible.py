"""What nothing can undo is over with its time, and is counted and drawn as that."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from chaosjc.journal.events import Entry, Stopping
from chaosjc.report.canvas import Canvas
from chaosjc.report.html import html
from chaosjc.report.junit import junit
from chaosjc.report.overview import overview
from chaosjc.report.story import read
from chaosjc.report.terminal import Summary
from chaosjc.report.words import NONE
from tests.unit.report import journals
from tests.unit.report.test_html import Page
from tests.unit.report.test_terminal import show, view

ONCE = journals.STEP.model_copy(update={"undo": "", "irreversible": "a reboot", "fault": "command"})
OVER = "over (irreversible: a reboot)"


def rebooted(*, stopped: float | None = None, both: bool = False) -> list[Entry]:
    """Injected in second 6.1, over after 20 s; `both`: beside a fault that is undone."""
    other = journals.STEP.model_copy(update={"id": "f2.1"})
    journal = journals.measured(journals.begin(journals.planned(steps=(ONCE, other) if both else (ONCE,))), end=60)
    if both:
        for at, event in journals.undo(journals.Journal()).items:
            journal.add(at, event.model_copy(update={"step": "f2.1"}))
        first = next(event for _, event in journal.items if event.type == "intent")
        journal.add(5.3, first.model_copy(update={"step": "f2.1"}))
        journal.add(6.2, next(e for _, e in journal.items if e.type == "injected").model_copy(update={"step": "f2.1"}))
    if stopped is not None:
        journal.add(stopped, Stopping(cause="stop", why="enough"))
    return journals.recover(journal).closed(60.0)


def test_its_bar_ends_with_its_time() -> None:
    text = overview(Canvas(read(rebooted())), ())
    assert "broken for 20 s" in text
    assert OVER in text
    assert "undo and verify" not in text


def test_its_bar_ends_where_the_run_stopped() -> None:
    assert "broken for 5.9 s" in overview(Canvas(read(rebooted(stopped=12.0))), ())


def test_plots_are_shaded_only_so_long() -> None:
    canvas = Canvas(read(rebooted()))
    (shade,) = [attributes for _, attributes in Page(canvas.faults(0, 10)).tags if "x" in attributes]
    end = float(shade["x"] or 0) + float(shade["width"] or 0)
    assert end == pytest.approx(canvas.x(journals.START + 26.1), abs=0.2)


def test_only_what_can_be_undone_is_counted_as_put_back() -> None:
    assert f"Put back{NONE}1 irreversible" in Page(html(rebooted())).text
    assert "Put back1 of 1faults undone and verified; 1 irreversible" in Page(html(rebooted(both=True))).text


def test_its_outcome_is_said_in_page_terminal_and_junit() -> None:
    page = Page(html(rebooted()))
    assert OVER in page.text.split("Targets and faults")[1]
    (line,) = [line for line in show(Summary(rebooted()), 110) if line.strip().endswith(OVER)]
    assert line.startswith(NONE)
    (suite,) = ElementTree.fromstring(junit(rebooted()))
    (case,) = [case for case in suite.findall("testcase") if case.attrib["name"].startswith("undo")]
    assert [(each.tag, each.attrib["message"]) for each in case] == [("skipped", OVER)]


def test_while_the_run_goes_on_it_is_broken_then_over_and_recovery_has_begun() -> None:
    entries = rebooted()
    early, late = view(entries, 16.0), view(entries, 27.0, width=110)
    assert next(line.split()[3:] for line in early if "worker-001" in line) == ["broken", "over", "in", "0:11"]
    assert early[1].strip().endswith("deadline in 9:50")
    assert next(line.split()[3:] for line in late if "worker-001" in line) == ["over", "irreversible:", "a", "reboot"]
    assert late[1].strip().endswith("promised in 0:30")
    assert view(rebooted(stopped=12.0), 13.0)[1].strip().endswith("stopping: stop")
