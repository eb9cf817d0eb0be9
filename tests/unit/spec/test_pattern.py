from __future__ import annotations

from typing import Any, cast

import pytest
import re2  # pyright: ignore[reportMissingTypeStubs]

from chaosjc.spec.pattern import MAX_LENGTH, MAX_MATCHED, MAX_MEMORY, PatternError, compile_pattern

COMPILED = [
    "", "abc", "a+b*c?", "(ab)+", "(?:ab)*", "a{3,}", "[(+*)]+", r"\(a+\)+", "(a|b)", r"(\d{1,3}\.){3}\d{1,3}",
    "(?P<x>ab)+", "[]a+]*", "(?i)ok", r"^\w+\z", r"[A-Za-z0-9._%+-]{1,64}@[a-z0-9.-]{1,253}\.[a-z]{2,}",
]  # fmt: skip
SLOW_FOR_OTHERS = [
    "(a+)+", "x(a*)*y", "(a|b)*c", "(?:a|aa)+$", "((a)+b(c))*", "(a?){25}", "(a{0,9}){9}b", "(.*a){9}b",
    "a?" * 26 + "a" * 26, ".*.*.*!", '.*"name".*"status".*"v".*"fail"',
]  # fmt: skip


@pytest.mark.parametrize("text", COMPILED + SLOW_FOR_OTHERS)
def test_an_engine_that_never_goes_back_runs_it_within_bounds(text: str) -> None:
    engine = compile_pattern(text).engine
    assert type(engine) is type(cast("Any", re2).compile("a")), "Python's own engine would go back"
    assert engine.options.max_mem == MAX_MEMORY


@pytest.mark.parametrize("text", ["(?:.?){1000}!", "(?:.*a){100}" * 10, r"(?:\pL|\pN){900}"])
def test_what_would_be_large_is_refused(text: str) -> None:
    with pytest.raises(PatternError, match=r"pattern too large.*repeat fewer times") as error:
        compile_pattern(text)
    assert error.value.offset == 0


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("a(b", 1, "missing )"),
        (r"(a\()[(](b", 8, "missing )"),
        ("a)", 1, "unexpected )"),
        ("(a)b)(", 4, "unexpected )"),
        ("x[a", 1, "missing ]"),
        ("*a", 0, "no argument for repetition operator"),
        ("é(?=a)", 1, "RE2 has no look-around"),
        (r"(a)\1", 3, "RE2 has no back-references"),
        ("a++", 1, "RE2 has no possessive repeats"),
        ("xa{1001}", 2, "1000 times at most"),
        ("((a{10}){11}){11}", 8, "invalid repetition size"),
        ("x" * (MAX_LENGTH + 1), MAX_LENGTH, "longer than"),
    ],
)
def test_no_expression_at_all(text: str, offset: int, message: str) -> None:
    with pytest.raises(PatternError) as error:
        compile_pattern(text)
    assert message in error.value.message
    assert error.value.offset == offset


@pytest.mark.parametrize(
    ("text", "value", "found"),
    [
        ("^ok$", "ok", True),
        ("^ok$", "ok\n", True),
        ("^ok$", "ok\nfailed", False),
        ("(?m)^ok$", "ok\nfailed", True),
        ("^.é$", "xé", True),
        ("b", "a" * MAX_MATCHED + "b", False),
        ("b", "a" * (MAX_MATCHED - 1) + "b", True),
        ("^.x$", "\ud800x", True),
    ],
)
def test_it_is_found_anywhere_in_the_beginning_of_any_text(text: str, value: str, found: bool) -> None:
    assert compile_pattern(text).found_in(value) is found


def test_those_of_one_text_are_equal() -> None:
    assert compile_pattern("a") == compile_pattern("a") != compile_pattern("b")
