"""Runs in which nothing was injected are told as the engine saw them: no phase that never came is a red herring."""

from __future__ import annotations

import re

from chaosjc.journal.events import Refused
from chaosjc.report.data import run_object
from chaosjc.report.html import html
from chaosjc.report.story import read, track
from chaosjc.report.words import NONE
from tests.unit.report import journals
from tests.unit.report.test_html import Page
from tests.unit.report.test_observed import section


def test_what_held_in_the_engines_eyes_holds_in_the_report() -> None:
    journal = journals.Journal().add(0.0, journals.planned(hypotheses=(journals.UP, journals.STALL)))
    journal.samples(journals.UP, journals.seconds(0, 5), {"up": lambda _: 0.0})
    journal.samples(journals.STALL, journals.seconds(0, 5), {"{}": lambda _: 0.2})  # the newest is 1.8 s old
    refusal = Refused(guard="steady state", code="steady-state-broken", reason="violated")
    entries = journal.add(5.8, refusal).closed(5.9)
    assert read(entries).judgement.hypotheses[1].phases["before"].held is True
    assert {span.held for span in track(read(entries), journals.STALL).judged} == {True}
    (first, second) = run_object(entries)["hypotheses"]
    assert (first["held"], second["held"]) == (False, None), "it was judged in one phase of four"
    assert second["phases"]["before"]["held"] is True
    text = Page(section(html(entries), "hypotheses")).text
    assert "held before the fault" in text
    assert "cannot be judged" not in text
    assert "Error budget" not in text


def test_what_was_thin_already_is_still_said() -> None:
    blind = (
        journals.Journal()
        .add(0.0, journals.planned())
        .add(5.2, Refused(guard="steady state", code="steady-state-unknown", reason="no data"))
    )
    assert "cannot be judged: no data before the fault" in Page(html(blind.closed(5.3))).text


def test_offsets_count_from_what_there_was() -> None:
    first = "the first injection"
    told = {
        name: re.findall(r"offsets count from ([a-z ]+) at", html(entries))
        for name, entries in {
            "refused": journals.not_started(), "passed": journals.passed(), "failed": journals.inject_failed(),
        }.items()
    }  # fmt: skip
    assert told == {
        "refused": ["the refusal"],
        "passed": [first],
        "failed": ["the first try to inject"],
    }


def test_a_phase_of_no_length_has_no_figures() -> None:
    """Recovered in the same instant in which the undo was verified."""
    journal = journals.undo(journals.measured(journals.begin()), at=26.0)
    entries = journals.recover(journal, since=28.4).closed(42.5)
    entries = [
        each.model_copy(update={"event": each.event.model_copy(update={"since": journals.START + 28.4})})
        if each.event.type == "recovered"
        else each
        for each in entries
    ]
    text = Page(section(html(entries), "hypotheses")).text
    assert f"recoveringno time passed{NONE}" in text
    assert "0 of 0" not in text


def test_a_worst_value_of_just_before_the_phase_is_said_to_be_that() -> None:
    """It stands for the beginning of the phase, and is in no other figure of its row."""
    journal = journals.undo(journals.begin())
    journal.samples(journals.UP, journals.seconds(0, 43), {"up": lambda _: 1.0})
    journal.samples(journals.STALL, journals.seconds(0, 43), {"{}": lambda t: 9.0 if t == 28 else 0.5})
    text = Page(section(html(journals.recover(journal).closed(42.5)), "hypotheses")).text
    assert "9just before it" in text
    assert text.count("just before it") == 1
