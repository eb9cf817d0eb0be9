"""Outages as users saw them are whole; violations are only what came after the promise was broken."""

from __future__ import annotations

import pytest

from chaosjc.journal.events import CheckPlan
from chaosjc.report.data import run_object
from chaosjc.report.html import html
from chaosjc.report.stalls import HUB, NOTEBOOKS, asked, felt, lasted
from chaosjc.report.story import read
from chaosjc.report.terminal import Summary
from tests.unit.report import hub, journals, storage
from tests.unit.report.test_html import Page
from tests.unit.report.test_observed import section
from tests.unit.report.test_terminal import show


def test_an_outage_begins_when_users_were_first_without_not_when_the_promise_was_broken() -> None:
    story = read(hub.away())
    login = next(each for each in felt(story, HUB) if each.who == "login")
    assert login.start - journals.START == pytest.approx(hub.DUE)
    assert login.most is not None
    assert login.least <= hub.LENGTH <= login.most
    assert lasted(login) == "17.1 s to 18.1 s"
    (violation,) = [each for each in story.judgement.outages if "login" in each.series]
    assert violation.seconds < hub.LENGTH - hub.PROMISED + 1


def test_what_two_gauges_saw_is_one_outage_called_by_what_says_most() -> None:
    assert [each.who for each in felt(read(hub.away()), HUB)] == ["login", "hub"]
    assert [each.who for each in felt(read(hub.away()), NOTEBOOKS)] == ["worker-002"]


def test_the_page_has_both_and_says_which_is_which() -> None:
    text = html(hub.away())
    seen = Page(section(text, "stalls"))
    assert "Outages as users saw them" in seen.text
    assert "17.1 s to 18.1 s" in seen.text
    assert "hub: login" in seen.text
    assert "notebook: worker-002" in seen.text
    assert seen.count("rect", "violated") == 3
    violations = Page(section(text, "violations")).text
    assert "Violations" in violations
    assert "17.1 s" not in violations
    assert ">Outages<" not in text
    assert "Longest outage17.1 s to 18.1 shub: login" in Page(text).text


def test_the_terminal_says_it_too() -> None:
    lines = [line.strip() for line in show(Summary(hub.away()), 120)]
    assert "outages   hub: 2, the longest 17.1 s to 18.1 s: login" in lines
    assert "outages   notebook: 1, the longest 2.4 s to 3.4 s: worker-002" in lines


def test_they_are_in_the_run_as_data_besides_stalls() -> None:
    found = run_object(hub.away())
    assert found["stalls"] == []
    assert [(each["what"], each["who"], each["exact"]) for each in found["felt"]] == [
        ("hub", "login", False), ("hub", "hub", False), ("notebook", "worker-002", False),
    ]  # fmt: skip
    assert found["outages"], "the violations keep their key"


@pytest.mark.parametrize(
    ("promql", "told"),
    [
        ("chaosjc_hub_live_outage_age_seconds", True),
        ('chaosjc_hub_live_outage_age_seconds{worker="worker-002"}', True),
        ("max(chaosjc_hub_live_outage_age_seconds)", True),
        ("max by (worker) (chaosjc_hub_live_outage_age_seconds)", True),
        ("max(chaosjc_hub_live_outage_age_seconds) by (worker)", True),
        ("sum(chaosjc_hub_live_outage_age_seconds)", False),
        ("max_over_time(chaosjc_hub_live_outage_age_seconds[1m])", False),
        ("chaosjc_hub_live_outage_age_seconds / 60", False),
        ("chaosjc_hub_live_outage_age_seconds > 5", False),
    ],
)
def test_of_what_else_is_made_of_an_age_nobody_knows_when_it_began(promql: str, told: bool) -> None:
    check = CheckPlan(id="o2", name="notebook", kind="promql", options={"promql": promql}, expect="")
    story = read(hub.away(notebook=check))
    assert (NOTEBOOKS in asked(story)) is told
    assert bool(felt(story, NOTEBOOKS)) is told


def test_a_selector_names_users_where_the_series_do_not() -> None:
    plan = journals.planned(hypotheses=(journals.UP,), observations=(hub.LOGIN,))
    journal = journals.begin(plan).samples(hub.LOGIN, journals.seconds(0, 42), {"{}": hub.age()})
    (outage,) = felt(read(journals.undo(journal).closed(42.5)), HUB)
    assert outage.who == "login"


def test_no_outage_is_said() -> None:
    plan = journals.planned(hypotheses=(hub.AWAY,))
    journal = journals.begin(plan).samples(hub.AWAY, journals.seconds(0, 42), {'{rung="login"}': lambda _: 0.0})
    entries = journals.recover(journals.undo(journal)).closed(42.5)
    assert "No outage of the hub in what was measured." in section(html(entries), "stalls")
    assert "Longest outage" not in html(entries)


def test_writes_are_as_before() -> None:
    assert "Writes late by more than 1 s, from when the first of them was due." in section(
        html(storage.frozen()), "stalls"
    )
    assert run_object(storage.frozen())["felt"] == []
