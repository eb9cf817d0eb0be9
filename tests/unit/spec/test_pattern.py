from __future__ import annotations

import pytest

from chaosjc.spec.pattern import MAX_LENGTH, PatternError, compile_pattern

SAFE = [
    "", "abc", "a+b*c?", "(ab)+", "(?:ab)*", "a{3,}", "[(+*)]+", r"\(a+\)+", "(a|b)", "(a+)?", r"(\d{1,3}\.){3}\d{1,3}",
    "(?>a+)+", "(a+)++", "(?:a|b)*+", "(a{3})*", "(?P<x>ab)+(?P=x)", "(?#(a+)b+", "[]a+]*", "(?=a+)b", "((?>a+)b)+",
    "a{,}", "a{}+",
]  # fmt: skip
EXPLOSIVE = {
    "(a+)+": 0,
    "x(a*)*y": 1,
    "(a|b)*": 0,
    "(?:a|aa)+$": 0,
    "((a+))+": 0,
    "((a)+b(c))*": 0,
    "(a?){25}": 0,
    "(a+){2,}": 0,
    "(a+){,99}": 0,
    "(a{1,9})+": 0,
    "(?P<x>a+)+": 0,
    r"\((a+)+\)": 2,
    "[(](a+?)+?": 3,
}


@pytest.mark.parametrize("text", SAFE)
def test_an_expression_that_gives_back_little_is_compiled(text: str) -> None:
    assert compile_pattern(text).pattern == text


@pytest.mark.parametrize(("text", "offset"), EXPLOSIVE.items())
def test_a_group_that_may_explode_is_refused_where_it_begins(text: str, offset: int) -> None:
    with pytest.raises(PatternError, match="can take for ever") as error:
        compile_pattern(text)
    assert error.value.offset == offset


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("a(b", 1, "missing )"),
        ("a)", 1, "unbalanced"),
        ("[[a]", 0, "nested set"),
        ("a{99999999999}", 0, "too large"),
        ("a(?i)b", 1, "global flags"),
        ("x" * (MAX_LENGTH + 1), MAX_LENGTH, "longer than"),
    ],
)
def test_no_expression_at_all(text: str, offset: int, message: str) -> None:
    with pytest.raises(PatternError, match=message.replace(")", r"\)")) as error:
        compile_pattern(text)
    assert error.value.offset == offset
