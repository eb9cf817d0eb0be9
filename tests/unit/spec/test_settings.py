"""What follows `--set NAME=`: written and read again, every value is the same, and of the same type."""

from __future__ import annotations

import math
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from chaosjc.cli.files import parse_settings
from chaosjc.report.story import repeat_command
from chaosjc.spec import settings
from tests.unit.report import journals

VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.from_regex(r'"?-?[0-9.e]{1,4}"?')


def same(one: object, other: object) -> bool:
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    return type(one) is type(other) and one == other


@given(VALUES)
def test_what_is_written_is_read_as_the_same(value: JsonValue) -> None:
    assert same(parse_settings([f"k={settings.write(value)}"])["k"], value)


@given(VALUES)
def test_the_command_that_repeats_a_run_sets_what_the_run_had(value: JsonValue) -> None:
    words = shlex.split(repeat_command(journals.planned(vars={"k": value})))
    assert same(parse_settings([words[words.index("--set") + 1]])["k"], value)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (True, "true"), (None, "null"), (3, "3"), (2.0, "2.0"), (0.12345678, "0.12345678"), (12345678.5, "12345678.5"),
        (math.inf, ".inf"), (-math.inf, "-.inf"), ("15s", "15s"), ("a b", "a b"),
        ("1.10", '"1.10"'), ("200", '"200"'), ("true", '"true"'), ("", '""'), ('"x"', '""x""'), ('"', '"'),
    ],
)  # fmt: skip
def test_only_what_would_be_taken_for_something_else_has_quotes(value: JsonValue, written: str) -> None:
    assert settings.write(value) == written


def test_for_people_a_text_has_no_quotes() -> None:
    assert [settings.plain(value) for value in ("200", True, 0.5)] == ["200", "true", "0.5"]
