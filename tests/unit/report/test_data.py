from __future__ import annotations

import json
import math
from xml.etree import ElementTree

import pytest

from chaosjc.errors import JournalError
from chaosjc.journal.events import Closed, DebtCleared, Intent
from chaosjc.report.data import list_object, run_object
from chaosjc.report.html import html
from chaosjc.report.junit import junit
from chaosjc.report.terminal import Summary
from tests.unit.report import journals
from tests.unit.report.test_html import hostile
from tests.unit.report.test_terminal import show

TOP = ["schema", "run", "experiment", "sha256", "site", "state", "verdict", "code", "reason", "seed", "vars", "started_at", "ended_at"]  # fmt: skip  # noqa: E501


def test_the_object_has_the_keys_of_the_contract() -> None:
    found = run_object(journals.failed())
    assert list(found) == [
        *TOP,
        "hypotheses",
        "faults",
        "outages",
        "debts",
        "debt_cleared_at",
        "observations",
        "stalls",
        "felt",
        "reached",
        "facts",
        "recomputed",
        "statistics",
    ]
    hypothesis = found["hypotheses"][1]
    assert list(hypothesis) == ["name", "held", "phases"]
    assert list(hypothesis["phases"]) == ["before", "during", "recovering", "after"]
    assert list(hypothesis["phases"]["during"]) == ["held", "samples", "expected", "violated_s", "unknown_s", "worst"]
    fault = found["faults"][0]
    assert list(fault) == ["id", "fault", "targets"]
    assert list(fault["targets"][0]) == [
        "id",
        "name",
        "intent_at",
        "injected_at",
        "undone_at",
        "verified_at",
        "outcome",
    ]
    assert list(found["outages"][0]) == ["hypothesis", "series", "start", "end", "seconds"]


def test_values_of_a_failed_run() -> None:
    found = run_object(journals.failed())
    assert (found["verdict"], found["code"], found["state"]) == ("FAIL", "violated", "closed")
    assert found["started_at"] == "2026-11-24T16:34:56.000Z"
    assert found["ended_at"] == "2026-11-24T16:35:38.500Z"
    assert found["outages"][0]["seconds"] == 9.0
    assert found["hypotheses"][0]["held"] is True
    assert found["hypotheses"][1]["phases"]["during"]["violated_s"] == 9.0
    assert found["faults"][0]["targets"][0]["outcome"] == "whole"
    assert found["debts"] == []


@pytest.mark.parametrize("name", journals.ALL)
def test_it_is_json_and_says_what_was_recorded(name: str) -> None:
    entries = journals.ALL[name]()
    found = json.loads(json.dumps(run_object(entries), allow_nan=False))
    closed = entries[-1].event
    assert isinstance(closed, Closed)
    assert (found["verdict"], found["code"], found["reason"]) == (closed.verdict, closed.code, closed.reason)
    assert found["recomputed"] == {"verdict": closed.verdict, "code": closed.code}


def test_a_verdict_that_does_not_follow_from_the_journal_is_told_as_such() -> None:
    entries = journals.failed()
    wrong = Closed(verdict="PASS", code="", reason="all is well")
    entries = [each if each.event.type != "closed" else each.model_copy(update={"event": wrong}) for each in entries]
    found = run_object(entries)
    assert (found["verdict"], found["recomputed"]["verdict"]) == ("PASS", "FAIL")
    for shown in ("\n".join(show(Summary(entries), width=200)), html(entries)):
        assert "FAIL, by the rules of this version" in shown


def test_a_run_that_goes_on_has_no_verdict() -> None:
    found = run_object(journals.running())
    assert (found["state"], found["verdict"], found["recomputed"], found["ended_at"]) == ("running", None, None, None)


def test_a_debt_stays_until_it_is_cleared() -> None:
    [debt] = run_object(journals.undo_failed())["debts"]
    assert (debt["step"], debt["target"]["name"], debt["why"]) == ("f1.1", "worker-001", "Nova says PAUSED")
    assert run_object(journals.undo_failed())["debt_cleared_at"] is None
    found = run_object(journals.cleared())
    assert (found["debts"], found["debt_cleared_at"]) == ([], "2026-11-24T16:39:56.000Z")
    assert found["verdict"] == "UNDO-FAILED"


def test_one_debt_of_two_cleared_is_not_cleared() -> None:
    other = journals.STEP.model_copy(update={"id": "f1.2"})
    journal = journals.begin(journals.planned(steps=(journals.STEP, other)))
    journal.add(6.0, Intent(step="f1.2", owner=journals.OWNER)).add(60.0, DebtCleared(step="f1.1"))
    found = run_object(journal.entries())
    assert [debt["step"] for debt in found["debts"]] == ["f1.2"]
    assert found["debt_cleared_at"] is None


def test_infinity_is_named_since_json_has_none() -> None:
    journal = journals.begin().samples(journals.STALL, journals.seconds(0, 20), {"": lambda _: math.inf})
    found = run_object(journals.undo(journal).closed(42.0))
    assert found["hypotheses"][1]["phases"]["during"]["worst"] == "+Inf"
    json.dumps(found, allow_nan=False)


def test_the_list_has_the_top_fields_and_debts_alone() -> None:
    found = list_object([journals.passed(), journals.running(), journals.empty()])
    assert [list(each) for each in found] == [[*TOP, "debts"]] * 2
    assert [each["verdict"] for each in found] == ["PASS", None]


def test_the_list_tells_who_owes_what() -> None:
    [found] = list_object([journals.undo_failed()])
    assert [debt["step"] for debt in found["debts"]] == ["f1.1"]


def test_nothing_planned_is_an_error() -> None:
    with pytest.raises(JournalError):
        run_object(journals.empty())
    with pytest.raises(JournalError):
        junit(journals.empty())


# ------------------------------------------------------------------ JUnit

CASES = {
    "PASS": (0, 0, 0), "FAIL": (2, 0, 0), "INCONCLUSIVE": (0, 3, 0), "ABORTED": (0, 3, 0), "UNDO-FAILED": (0, 5, 0),
    "NOT-STARTED": (1, 1, 2),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_junit_counts(name: str) -> None:
    [suite] = ElementTree.fromstring(junit(journals.ALL[name]()))
    counted = tuple(int(suite.attrib[key]) for key in ("failures", "errors", "skipped"))
    assert counted == CASES[name]
    for i, element in enumerate(("failure", "error", "skipped")):
        assert len(suite.findall(f"testcase/{element}")) == counted[i]
    assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))


def test_junit_says_why() -> None:
    [suite] = ElementTree.fromstring(junit(journals.failed()))
    messages = {case.attrib["name"]: [e.attrib["message"] for e in case] for case in suite.findall("testcase")}
    assert messages["undo: vm.pause on worker-001"] == []
    assert "was violated for 9 s" in messages["hypothesis: writes never stall past the promise"][0]


def test_junit_is_xml_whatever_the_names() -> None:
    [suite] = ElementTree.fromstring(junit(hostile()))
    assert "<script>" in suite.attrib["name"]
