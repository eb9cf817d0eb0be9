"""What an expression rests on is read without ever being too deep for the parser, which would end the process."""

from __future__ import annotations

import pytest

from chaosjc.drivers import promql
from chaosjc.drivers.promql import MAX_PARTS, Selector, basis_of, selectors
from chaosjc.errors import UsageError

TOO_MUCH = {
    "sum": "+".join(["up"] * 500),
    "parentheses": "(" * 1000 + "up" + ")" * 1000,
    "signs": "-" * 9000 + "up",
    "words": " or ".join(["up"] * 500),
    "comparisons": "up" + "<1" * 500,
    "calls": "abs(" * 500 + "up" + ")" * 500,
    "subqueries": "up" + "[1m:]" * 500,
    "braces": "up{" * 500,
}


@pytest.mark.parametrize("text", TOO_MUCH.values(), ids=TOO_MUCH)
def test_what_is_too_deep_is_never_parsed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import promql_parser

    monkeypatch.setattr(promql_parser, "parse", lambda text: pytest.fail("parsed"))  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType]
    with pytest.raises(UsageError, match=f"more than {MAX_PARTS} operators and brackets") as error:
        basis_of(text)
    assert len(error.value.message) < 1000


@pytest.mark.parametrize(
    "text",
    [
        "+".join(["up"] * MAX_PARTS),
        "(" * (MAX_PARTS - 1) + "up" + ")" * (MAX_PARTS - 1),
        'up{a=~"' + "|".join(["(x-y)+"] * 2000) + '"}',
        "up{a='" + "(-+" * 300 + "', b=`" + "(-+" * 300 + "`}",
        "up # " + "(" * 1000,
    ],
    ids=["sum", "parentheses", "regular expression", "quotes", "comment"],
)
def test_texts_and_comments_are_no_structure(text: str) -> None:
    assert {each.metric for each in selectors(basis_of(text))} == {"up"}


def test_a_parser_out_of_stack_is_an_error_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def parts(node: object, offset: float) -> list[Selector]:
        raise RecursionError("maximum recursion depth exceeded")

    monkeypatch.setattr(promql, "_parts", parts)
    with pytest.raises(UsageError, match="recursion depth"):
        basis_of("up / on() down")
