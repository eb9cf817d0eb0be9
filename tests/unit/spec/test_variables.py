from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from chaosjc.spec.problems import Problems
from chaosjc.spec.reader import MAX_BYTES, parse
from chaosjc.spec.variables import alternation, expand, planned_names, substitute

FILE = """\
vars: {volume: homes, count: 3, ratio: 0.5, on: true, list: [a, b], gone: , odd: a$$b, later: x$targets}
text: TEXT
"""


def text(written: str, **given: Mapping[str, object]) -> object:
    problems = Problems()
    document = parse(FILE.replace("TEXT", written), "f", problems)
    assert document
    document, _ = substitute(document, problems, **given)
    problems.check()
    return document.data["text"]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no dollar", "no dollar"),
        ("$volume", "homes"),
        ("${volume}", "homes"),
        ("/$volume/${volume}s", "/homes/homess"),
        ("$count", 3),
        ("${ratio}", 0.5),
        ("$on", True),
        ("$list", ["a", "b"]),
        ("$gone", None),
        ("n=$count r=$ratio on=$on", "n=3 r=0.5 on=true"),
        ("[$count, x$count, {a: $on}]", [3, "x3", {"a": True}]),
        ("^(a|b)$", "^(a|b)$"),
        ("a$|b$", "a$|b$"),
        ("$1-${2}-$", "$1-${2}-$"),
        ("${volume", "${volume"),
        ("$$", "$"),
        ("$$volume", "$volume"),
        ("$$$volume", "$homes"),
        ("$$$$", "$$"),
        ("$odd", "a$b"),
        ("x$odd", "xa$b"),
        ("$targets", "$targets"),
        ("a-${others}-$count", "a-${others}-3"),
        ("$later", "x$targets"),
        ("5", 5),
    ],
)
def test_names_are_replaced_and_other_dollars_stay(written: str, value: object) -> None:
    assert text(written) == value


def test_the_command_line_wins_over_the_site_and_both_over_the_file() -> None:
    assert text("$volume $count $ratio", site={"volume": "s", "count": 4}, overrides={"volume": "o"}) == "o 4 0.5"


def test_what_others_give_is_taken_as_it_is() -> None:
    assert text("$volume", overrides={"volume": "$count$$"}) == "$count$$"
    assert text("x$volume", overrides={"volume": "$count$$"}) == "x$count$$"


def test_the_resolved_values_are_those_that_the_file_declares_or_uses() -> None:
    problems = Problems()
    document = parse("vars: {a: 1, b: 2}\ntext: $region\n", "f", problems)
    assert document
    document, resolved = substitute(document, problems, site={"region": "fr", "unused": 0, "a": 5}, overrides={"b": 7})
    problems.check()
    assert resolved == {"a": 5, "b": 7, "region": "fr"}
    assert document.data == {"vars": resolved, "text": "fr"}


def test_a_file_without_variables_gets_none() -> None:
    problems = Problems()
    document = parse("text: a$\n", "f", problems)
    assert document
    assert substitute(document, problems, site={"unused": 1}) == (document, {})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            "a: x $volum\nvars: {volume: h}",
            'f:1:6: a: unknown variable $volum; did you mean "volume"? (write $$volum for',
        ),
        ("a: $b", "f:1:4: a: unknown variable $b; there are no vars (write $$b for the text $b)"),
        ("a: [0, {b: 'x$c'}]", "f:1:14: a[1].b: unknown variable $c;"),
        ("a: x$b\nvars: {b: [1]}", "f:1:5: a: $b is a list: it cannot stand within a text"),
        ("a: x$b\nvars: {b: }", "f:1:5: a: $b is nothing: it cannot stand within a text"),
        ("vars: {a: 1, b: x$a}", "f:1:18: vars.b: a variable cannot use another, here $a; write $$a for the text $a"),
        ("vars: {a: 1, b: $a}", "f:1:17: vars.b: a variable cannot use another"),
        ("vars: {others: 1}", 'f:1:8: vars.others: "others" is filled in at planning'),
        ("vars: {a.b: 1}", 'f:1:8: vars["a.b"]: "a.b" is no name'),
        ("vars: x", "f:1:7: vars: expected a mapping (name: value), found the text"),
    ],
)
def test_a_wrong_variable_is_told_at_its_place(content: str, told: str) -> None:
    problems = Problems()
    document = parse(content, "f", problems)
    assert document
    substitute(document, problems)
    assert [str(problem)[: len(told)] for problem in problems] == [told]


def test_an_override_of_nothing_is_an_error() -> None:
    problems = Problems()
    document = parse("vars: {volume: h}", "f", problems)
    assert document
    substitute(document, problems, site={"count": 1}, overrides={"volum": "x", "count": 2})
    assert [str(problem) for problem in problems] == ['f: --set volum: no such variable; did you mean "volume"?']


TARGETS = {"targets": "worker-001", "others": "worker-002|worker-003"}


@pytest.mark.parametrize(
    ("written", "filled"),
    [
        ('up{w=~"$targets"}', 'up{w=~"worker-001"}'),
        ("${targets}s $others", "worker-001s worker-002|worker-003"),
        ("$targets_of $target", "$targets_of $target"),
        ("a$ $$ $1", "a$ $$ $1"),
        ("$$targets", "$targets"),
        ("$$$targets", "$worker-001"),
        ("$$ $others$", "$ worker-002|worker-003$"),
    ],
)
def test_targets_are_filled_in_at_planning(written: str, filled: str) -> None:
    assert expand(written, TARGETS) == filled


@pytest.mark.parametrize(
    ("written", "filled"), [("$$targets", "$targets"), ("$$$targets", "$worker-001"), ("$$x $targets", "$x worker-001")]
)
def test_an_escape_outlives_both_steps(written: str, filled: str) -> None:
    substituted = text(written)
    assert isinstance(substituted, str)
    assert expand(substituted, TARGETS) == filled


def test_planned_names_are_those_that_a_text_uses() -> None:
    assert planned_names("$targets ${others} $x") == {"targets", "others"}
    assert planned_names("$$targets $target others") == frozenset()


def test_an_alternation_matches_its_names_alone_and_has_no_backslash() -> None:
    names = ["worker-001", "a.b", "x+y", "p|q", "$(z)"]
    pattern = alternation(names)
    assert "\\" not in pattern
    assert all(re.fullmatch(pattern, name) for name in names)
    assert not any(re.fullmatch(pattern, name) for name in ["axb", "p", "q", "xxy", "worker-0011", ""])
    assert alternation(reversed(names)) == pattern


def test_an_empty_alternation_matches_nothing() -> None:
    assert not any(re.fullmatch(alternation([]), name) for name in ["", "x", "x^", "worker"])


@pytest.mark.parametrize("use", ["text: '" + "$a" * 300 + "'", "list: [" + "$a, " * 300 + "]"])
def test_a_long_value_that_is_named_often_is_not_filled_in_without_end(use: str) -> None:
    problems = Problems()
    document = parse(f"vars: {{a: {'x' * 10_000}}}\n{use}\n", "f", problems)
    assert document
    document, _ = substitute(document, problems)
    filled = document.data.get("text") or document.data["list"]
    assert 90 * 10_000 < len(str(filled)) < 2 * MAX_BYTES
    assert {problem.message for problem in problems} == {
        "with its variables filled in the file would be larger than 1024 KiB"
    }
