from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosjc.spec.expect import ANYTHING, MAX_LENGTH, ExpectError, Value, of_plan, parse

NAN = math.nan
INF = math.inf

# expectation, value, held
JUDGED: list[tuple[str, Value, bool | None]] = [
    ("== 1", 1.0, True),
    ("==1", 1.0, True),
    ("== 1", 0.0, False),
    ("== 1", "1", None),
    ("!= 0", 1.0, True),
    ("< 5", 5.0, False),
    ("<= 5", 5.0, True),
    ("> -1.5e3", 0.0, True),
    (">= .5", 0.4, False),
    ("<= 15s", 15.0, True),
    ("<= 15s", 15.001, False),
    ("<= 1m30s", 90.0, True),
    ("<= 15s", INF, False),
    ("> 250ms", 0.25, False),
    ("== whole", "whole", True),
    ("== whole", "broken", False),
    ("!= whole", "broken", True),
    ("== whole", 1.0, None),
    ("!= whole", 1.0, None),
    ("== not ready yet", "not ready yet", True),
    ('== "200"', "200", True),
    ('== "200"', 200.0, None),
    (r'== "say \"hi\" \\"', r'say "hi" \ '.rstrip(), True),
    ("== 'a \"b\"'", 'a "b"', True),
    ('== ""', "", True),
    ("between 1 and 5", 1.0, True),
    ("between 1 and 5", 5.0, True),
    ("between 1 and 5", 5.1, False),
    ("between 250ms and 1m", 60.0, True),
    ("between -1 and -1", -1.0, True),
    ("between 1 and 5", "3", None),
    ("matches ^ok", "ok, all is well", True),
    ("matches well$", "ok, all is well", True),
    ("matches ^well", "ok, all is well", False),
    ("matches 2..", 200.0, None),
    (r"matches v\d+\.\d+ \(.*\)", "v1.2 (x)", True),
    ("in [200, 204]", 204.0, True),
    ("in [200,204]", 500.0, False),
    ("in [ 1s ]", 1.0, True),
    ("in [200]", "200", None),
    ("in [whole, gone]", "gone", True),
    ("in ['a, b', \"c]\"]", "c]", True),
    ("in [whole, gone]", "broken", False),
    ("in [whole, gone]", 0.0, None),
    *[
        (text, NAN, None)
        for text in ("== 1", "!= 1", "< 1", ">= 1", "between 1 and 2", "in [1, 2]", "== a", "matches a")
    ],
]


@pytest.mark.parametrize(("text", "value", "held"), JUDGED)
def test_a_value_is_held_violated_or_no_data(text: str, value: Value, held: bool | None) -> None:
    assert parse(text).holds(value) is held


@pytest.mark.parametrize(
    ("value", "before", "held"),
    [
        (110.0, 100.0, True),
        (90.0, 100.0, True),
        (110.1, 100.0, False),
        (-105.0, -100.0, True),
        (0.0, 0.0, True),
        (0.1, 0.0, False),
        (INF, 100.0, False),
        (100.0, None, None),
        (100.0, NAN, None),
        (INF, INF, None),
        (NAN, 100.0, None),
        ("100", 100.0, None),
    ],
)
def test_within_of_before(value: Value, before: float | None, held: bool | None) -> None:
    assert parse("within 10% of before").holds(value, before) is held


@pytest.mark.parametrize(
    ("text", "before", "threshold"),
    [
        ("<= 15s", None, [15.0]),
        ("between 1 and 5", None, [1.0, 5.0]),
        ("within 10% of before", 100.0, [90.0, 110.0]),
        ("within 10% of before", -100.0, [-110.0, -90.0]),
        ("within 10% of before", None, []),
        ("within 10% of before", NAN, []),
        ("in [204, 200, 204]", None, [200.0, 204.0]),
        ("in [a, b]", None, []),
        ("== whole", None, []),
        ("matches x", None, []),
    ],
)
def test_thresholds_for_plots(text: str, before: float | None, threshold: list[float]) -> None:
    assert parse(text).threshold(before) == threshold


@pytest.mark.parametrize(
    ("text", "kind"),
    [("== 1", "number"), ("== a", "text"), ("in [1]", "number"), ("in [a]", "text"), ("matches a", "text"),
     ("between 1 and 2", "number"), ("within 1% of before", "number")],
)  # fmt: skip
def test_the_kind_says_which_value_of_a_check_is_judged(text: str, kind: str) -> None:
    assert parse(text).kind == kind


BAD = [
    ("", 0, "found nothing"),
    ("   ", 0, "found nothing"),
    ("1", 0, 'found "1"'),
    ("= 1", 0, "did you mean ==?"),
    ("=> 1", 0, "did you mean >=?"),
    ("=~ x", 0, "did you mean matches?"),
    ("betwen 1 and 2", 0, "did you mean between?"),
    ("==", 2, "expected a value, found nothing"),
    ("<= ", 2, "expected a value, found nothing"),
    ("<= fast", 3, "compares numbers"),
    ('<= "15"', 3, "compares numbers"),
    ("== 15 s", 3, "no number and no duration"),
    ("== 1.5s", 3, "no number and no duration"),
    ("== 1e999", 3, "too large"),
    ("== -1e999", 3, "too large"),
    ('== "a', 3, "a quote without its end"),
    ('== "a" b', 7, 'expected nothing more, found "b"'),
    ("between 1", 9, 'expected "and", found nothing'),
    ("between 1 and", 13, "expected a number or a duration, found nothing"),
    ("between one and 2", 8, 'found "one"'),
    ("between 2 and 1", 14, "below the first"),
    ("between 1 and 2 or 3", 16, "nothing more"),
    ("within 10 of before", 7, "expected a percentage"),
    ("within 10%", 10, 'expected "of"'),
    ("within 10% of after", 14, 'expected "before"'),
    ("within -10% of before", 7, "expected a percentage"),
    ("matches", 7, "expected a regular expression"),
    ("matches a(b", 9, "missing )"),
    ("matches *a", 8, "no argument for repetition operator"),
    ("matches x(?=a)", 9, "RE2 has no look-around"),
    ("within 1000000% of before", 7, "from 0% to 999999%"),
    ("in 1, 2", 3, "expected ["),
    ("in []", 4, "found nothing"),
    ("in [1, ]", 7, "found nothing"),
    ("in [1 2]", 4, "no number and no duration"),
    ("in [1, 2", 8, "expected ]"),
    ("in [1, 2] or 3", 10, "nothing more"),
    ("in [1, a]", 3, "either all are numbers"),
    ("== " + "x" * MAX_LENGTH, MAX_LENGTH, "longer than"),
]


@pytest.mark.parametrize(("text", "offset", "message"), BAD)
def test_an_error_points_into_the_text(text: str, offset: int, message: str) -> None:
    with pytest.raises(ExpectError) as error:
        parse(text)
    assert message in error.value.message
    assert error.value.offset == offset


def test_no_expression_goes_back() -> None:
    """With Python's own engine neither of these would end."""
    assert parse("matches (a+)+$").holds("a" * 1_000_000 + "b") is True  # only the beginning is looked at
    assert parse("matches (a{0,9}){9}b").holds("a" * 2000) is False


NUMBERS = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.sampled_from(
    ["15s", "1m30s", "0", "-3", ".5"]
)
WORDS = st.from_regex(r"[a-z_]+( [a-z]+)?", fullmatch=True)
OPERATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
EXPECTATIONS = st.one_of(
    st.tuples(OPERATORS, NUMBERS).map(" ".join),
    st.tuples(st.sampled_from(["==", "!="]), WORDS).map(" ".join),
    st.lists(NUMBERS, min_size=1).map(lambda members: f"in [{', '.join(members)}]"),
    st.lists(WORDS, min_size=1).map(lambda members: f"in [{', '.join(members)}]"),
    st.integers(0, 999).map(lambda percent: f"within {percent}% of before"),
    st.tuples(st.integers(), st.integers(0)).map(lambda pair: f"between {pair[0]} and {pair[0] + pair[1]}"),
    st.from_regex(r"[a-z]+[.$]?", fullmatch=True).map("matches {}".format),
).filter(lambda text: len(f"  {text} ") <= MAX_LENGTH)


@given(EXPECTATIONS)
def test_what_is_parsed_writes_itself(text: str) -> None:
    expect = parse(f"  {text} ")
    assert str(expect) == text
    assert parse(str(expect)) == expect


@given(EXPECTATIONS, st.floats() | st.text(), st.none() | st.floats())
def test_every_value_is_judged(text: str, value: Value, before: float | None) -> None:
    held = parse(text).holds(value, before)
    assert held in (True, False, None)
    if isinstance(value, float) and math.isnan(value):
        assert held is None


@given(st.text(max_size=60) | st.from_regex(r"(==|<|in|matches|between|within) [\[\]()0-9a-z\"',. *+|\\%]{0,30}"))
def test_any_text_is_an_expectation_or_an_error_within_it(text: str) -> None:
    try:
        parse(text)
    except ExpectError as error:
        assert 0 <= error.offset <= len(text)
        assert error.message


def test_a_plan_that_expects_nothing_is_content_with_every_value() -> None:
    assert of_plan("") is ANYTHING
    assert [ANYTHING.holds(value) for value in (0.0, INF, "text", NAN)] == [True, True, True, None]
    assert (str(ANYTHING), ANYTHING.kind, ANYTHING.threshold()) == ("", "number", [])
    assert of_plan("<= 15s") == parse("<= 15s")


def test_no_file_can_ask_for_it() -> None:
    with pytest.raises(ExpectError, match="found nothing"):
        parse("")
