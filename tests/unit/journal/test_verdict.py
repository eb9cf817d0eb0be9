"""The rules of judging, case by case: small journals in tests/cases/verdict, and what must hold for all journals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from chaosjc.errors import JournalError
from chaosjc.journal.events import (
    Closed,
    DebtCleared,
    Entry,
    NotRecovered,
    Planned,
    Reading,
    RecoveryPlan,
    Sample,
)
from chaosjc.journal.verdict import RULES, judge
from tests.unit.journal.story import journal, story

CASES = Path(__file__).parents[2] / "cases" / "verdict"
RANK = ["UNDO-FAILED", "ABORTED", "NOT-STARTED", "FAIL", "INCONCLUSIVE", "PASS"]


def cases() -> list[Any]:
    found: list[Any] = []
    for path in sorted(CASES.glob("*.yaml")):
        told = yaml.safe_load(path.read_text())
        found.extend(pytest.param(case, id=f"{path.stem}: {case['case']}") for case in told)
    return found


@pytest.mark.parametrize("case", cases())
def test_case(case: dict[str, Any]) -> None:
    judged = judge(journal(story(case)))
    assert (judged.verdict, judged.code) == (case["verdict"], case["code"]), judged.reason
    for words in case.get("says", []):
        assert words in judged.reason
    for name, phases in case.get("phases", {}).items():
        result = next(result for result in judged.hypotheses if result.name == name)
        for phase, figures in phases.items():
            for key, value in figures.items():
                assert getattr(result.phases[phase], key) == pytest.approx(value), (name, phase, key)
    if "outages" in case:
        assert [[o.hypothesis, o.series, o.start, o.end] for o in judged.outages] == case["outages"]


def test_every_rule_has_a_case() -> None:
    told = {(case.values[0]["verdict"], case.values[0]["code"]) for case in cases()}
    assert {(rule.verdict, rule.code) for rule in RULES} <= told | {("NOT-STARTED", "not-started")}


def test_rules_are_in_order_of_rank() -> None:
    ranks = [RANK.index(rule.verdict) for rule in RULES]
    assert ranks == sorted(ranks)
    assert len({rule.code for rule in RULES}) == len(RULES)


def test_only_what_came_before_closed_counts() -> None:
    entries = journal(story({"change": {"verified": {"outcome": "unknown"}}}))
    judged = judge(entries)
    assert judged.verdict == "UNDO-FAILED"
    later = [Closed(verdict=judged.verdict, code=judged.code, reason=judged.reason), DebtCleared(step="f1.hub")]
    entries += [Entry(seq=900 + i, at=100 + i, run="r1", event=event) for i, event in enumerate(later)]
    assert judge(entries) == judged


def test_a_run_without_a_plan_cannot_be_judged() -> None:
    with pytest.raises(JournalError):
        judge([])


def test_figures() -> None:
    judged = judge(journal(story({"hypotheses": {"hub": {"tolerate": 5}}, "samples": {"hub": "+8 -3 +22"}})))
    assert judged.verdict == "PASS"
    assert (judged.time_to_detect, judged.time_to_recover, judged.longest_violation) == (1.0, 3.0, 3.0)
    assert judged.hypotheses[0].worst == 0
    shown = judged.hypotheses[0].distributions["during"]
    assert (shown.n, shown.min, shown.median, shown.max) == (14, 0.0, 1.0, 1.0)
    assert [(f.id, t.name, t.intent_at, t.outcome) for f in judged.faults for t in f.targets] == [
        ("f1", "hub-vm", 1.0, "whole")
    ]


ANY = {"hub": {"require": "any", "tolerate": 5}}


@pytest.mark.parametrize(
    ("other", "detect", "longest"),
    [("+33", None, None), ("+12 -2 +19", 5.0, 2.0)],
    ids=["the other holds", "both at once"],
)
def test_of_any_series_only_what_violates_the_hypothesis_counts(
    other: str, detect: float | None, longest: float | None
) -> None:
    """An outage of one of them is told, and is none of the hypothesis."""
    judged = judge(journal(story({"hypotheses": ANY, "samples": {"hub/a": other, "hub/b": "+8 -9 +16"}})))
    assert judged.verdict == "PASS"
    assert ("hub", "b", 9.0) in [(each.hypothesis, each.series, each.seconds) for each in judged.outages]
    assert (judged.time_to_detect, judged.longest_violation) == (detect, longest)


def test_of_all_series_a_violation_lasts_while_any_is_away() -> None:
    samples = {"hub/a": "+8 -3 +22", "hub/b": "+10 -5 +18"}
    judged = judge(journal(story({"hypotheses": {"hub": {"tolerate": 9}}, "samples": samples})))
    assert [each.seconds for each in judged.outages] == [3.0, 5.0]
    assert (judged.time_to_detect, judged.longest_violation) == (1.0, 7.0)


@pytest.mark.parametrize(
    ("planned_at", "asked_from"), [(-26.0, -25.0), (3600.0, -5.0)], ids=["a late admission", "a clock set back since"]
)
def test_recovery_is_compared_with_all_that_was_asked_before_admission(planned_at: float, asked_from: float) -> None:
    """A quick check is paused with the others, and admission comes only once the slowest of them has answered."""
    told = story({"change": {"recovered": None, "settling": None}, "add": [[40, "not-recovered", {"why": "deadline"}]]})
    first, *later = journal(told)
    assert isinstance(first.event, Planned)
    check = first.event.recovery.until[0].model_copy(update={"expect": "within 10% of before"})
    planned = first.event.model_copy(update={"recovery": RecoveryPlan(within=5, until=(check,))})
    asked = [(asked_from + n, 4.0) for n in range(5)] + [(15.0 + n, 9.0) for n in range(25)]
    answers = [
        Entry(seq=900 + n, at=at, run="r1", event=Sample(check="r1", readings=(Reading(time=at, value=value),)))
        for n, (at, value) in enumerate(asked)
    ]
    changed = first.model_copy(update={"at": planned_at, "event": planned})
    judged = judge([changed, *sorted([*later, *answers], key=lambda entry: entry.at)])
    assert (judged.verdict, judged.code) == ("FAIL", "not-recovered")


def test_the_time_of_what_nothing_can_undo_is_not_over_before_it_is() -> None:
    case = {
        "step": {"irreversible": "a test", "duration": 60},
        "change": {"undo-claimed": None, "undone": None, "verified": None, "recovered": None, "settling": None},
    }
    entries = journal(story(case))
    assert judge(entries).moments.first_undo is None
    later = Entry(seq=900, at=62.0, run="r1", event=NotRecovered(why="deadline"))
    assert judge([*entries, later]).moments.first_undo == 62.0


SIGNS = st.lists(st.sampled_from("+-?."), min_size=33, max_size=33)


@given(SIGNS, st.integers(0, 32), st.integers(0, 5))
def test_one_more_violation_never_improves_a_verdict(signs: list[str], place: int, tolerate: int) -> None:
    worse = [*signs[:place], "-", *signs[place + 1 :]]
    verdicts = [
        judge(
            journal(story({"hypotheses": {"hub": {"tolerate": tolerate}}, "samples": {"hub": "".join(each)}}))
        ).verdict
        for each in (signs, worse)
    ]
    assert RANK.index(verdicts[1]) <= RANK.index(verdicts[0])


@given(SIGNS, st.integers(0, 32))
def test_losing_a_held_sample_never_makes_a_pass(signs: list[str], place: int) -> None:
    lost = [*signs[:place], ".", *signs[place + 1 :]]
    if signs[place] == "+" and judge(journal(story({"samples": {"hub": "".join(lost)}}))).verdict == "PASS":
        assert judge(journal(story({"samples": {"hub": "".join(signs)}}))).verdict == "PASS"


@given(st.sampled_from(["before", "during", "recovering", "after"]), st.floats(0, 1), st.integers(2, 20))
def test_no_data_in_a_phase_is_never_a_pass(phase: str, min_coverage: float, recovering: int) -> None:
    since = 14 + recovering
    signs = {
        "before": f".5 +{since + 13}",
        "during": f"+5 .20 +{since}",
        "recovering": f"+19 .{recovering + 1} +12",
        "after": f"+{since + 7} .11",
    }[phase]
    case = {
        "hypotheses": {"hub": {"min_coverage": min_coverage}},
        "samples": {"hub": signs},
        "change": {"recovered": {"at": since + 2, "since": since}, "settling": since + 3},
    }
    assert judge(journal(story(case))).verdict == "INCONCLUSIVE"


@given(st.permutations(range(4)))
def test_the_order_of_answers_to_one_question_does_not_matter(order: list[int]) -> None:
    signs = {"hub/a": "+8 -3 +22", "hub/b": "+10 -3 +20", "hub/c": "+33", "hub/a backfill": "+7 -2 +24"}
    shuffled = {name: signs[name] for name in (list(signs)[i] for i in order)}
    assert judge(journal(story({"samples": shuffled}))).outages == judge(journal(story({"samples": signs}))).outages
