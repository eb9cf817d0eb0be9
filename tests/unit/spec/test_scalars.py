from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chaosjc.errors import UsageError
from chaosjc.spec import scalars
from chaosjc.spec.model import Model
from chaosjc.spec.scalars import (
    Days,
    Duration,
    Percent,
    Share,
    WholeDays,
    format_duration,
    format_percent,
    parse_duration,
    parse_percent,
)

DURATIONS = {
    "250ms": 0.25,
    "15s": 15.0,
    "0s": 0.0,
    "5m": 300.0,
    "2h": 7200.0,
    "1d": 86400.0,
    "1m30s": 90.0,
    "1d2h3m4s5ms": 93784.005,
    "90s": 90.0,
}
NO_DURATIONS = [
    "",
    " ",
    "s",
    "15",
    "1.5",
    "-5s",
    "+5s",
    "1.5s",
    "15 s",
    "15S",
    "1s1m",
    "1s1s",
    "5w",
    "15s ",
    "1m 30s",
    "٣s",
]


@pytest.mark.parametrize(("text", "seconds"), DURATIONS.items())
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", [*NO_DURATIONS, "12345678s", "1s\n"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="expected a duration"):
        parse_duration(text)


def test_a_bare_number_is_told_to_take_a_unit() -> None:
    with pytest.raises(UsageError, match='found "15": write 15s for seconds'):
        parse_duration("15")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0s"), (0.25, "250ms"), (1.5, "1s500ms"), (90.0, "1m30s"), (86400.0, "1d"), (0.1 + 0.2, "300ms")],
)
def test_durations_are_written_in_their_largest_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(min_value=0, max_value=10**12))
def test_formatting_is_the_inverse_of_parsing(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.text(max_size=20) | st.from_regex(r"[0-9dhms.]{1,12}", fullmatch=True))
def test_any_text_is_a_duration_or_an_error(text: str) -> None:
    try:
        assert parse_duration(text) >= 0
    except UsageError as error:
        assert "expected a duration" in error.message


@pytest.mark.parametrize(("text", "percent"), {"30%": 30.0, "0%": 0.0, "100%": 100.0, "12.5%": 12.5}.items())
def test_a_percentage_is_its_number(text: str, percent: float) -> None:
    assert parse_percent(text) == percent
    assert format_percent(percent) == text


@pytest.mark.parametrize("text", ["", "%", "30", "101%", "-1%", "30 %", "0.3", "1e1%", "100.1%"])
def test_anything_else_is_no_percentage(text: str) -> None:
    with pytest.raises(UsageError, match="expected a percentage"):
        parse_percent(text)


class Both(Model):
    duration: Duration = 60.0
    percent: Percent = 50.0


@pytest.mark.parametrize("json", ['{"duration": 15}', '{"duration": true}', '{"duration": null}', '{"percent": 30}'])
def test_a_file_gives_scalars_as_text_only(json: str) -> None:
    with pytest.raises(ValidationError, match="expected a"):
        Both.model_validate_json(json)


def test_code_gives_them_as_numbers() -> None:
    assert Both(duration=1, percent=0.5) == Both.model_validate_json('{"duration": "1s", "percent": "0.5%"}')
    with pytest.raises(ValidationError, match="expected a duration such as 15s, found true"):
        Both(duration=True)


def test_json_has_them_as_text() -> None:
    assert Both(duration=90, percent=12.5).model_dump_json() == '{"duration":"1m30s","percent":"12.5%"}'


class Worked(Model):
    part: Share = 0.9
    mean: Days = 5.0
    least: WholeDays = 1


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"part": "90%"}, Worked(part=0.9)),
        ({"part": 0.5}, Worked(part=0.5)),
        ({"part": "12.5%"}, Worked(part=0.125)),
        ({"mean": "5d", "least": "2d"}, Worked(mean=5, least=2)),
        ({"mean": 2.5, "least": 2}, Worked(mean=2.5, least=2)),
    ],
)
def test_shares_and_days_have_the_one_syntax_and_are_bare_numbers_too(written: dict[str, object], read: Worked) -> None:
    model = Worked.model_validate_json(json.dumps(written))
    assert model == read
    assert Worked.model_validate_json(model.model_dump_json()) == model


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ({"part": "101%"}, "from 0% to 100%"),
        ({"part": 90}, "less than or equal to 1"),
        ({"part": "0.9"}, "expected a percentage"),
        ({"mean": "5"}, "write 5d"),
        ({"mean": "12h"}, "expected whole working days"),
        ({"mean": "0d"}, "greater than or equal to 1"),
        ({"least": 1.5}, "valid integer"),
        ({"least": True}, "valid integer"),
    ],
)
def test_no_share_and_no_days(written: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Worked.model_validate_json(json.dumps(written))


def test_percent_may_be_more_than_the_whole_where_that_means_something() -> None:
    assert parse_percent("300%", most=999.0) == 300.0


@pytest.mark.parametrize("parse", [parse_duration, parse_percent])
def test_a_megabyte_of_digits_is_not_looked_through(parse: Callable[[str], float], monkeypatch: Any) -> None:
    for pattern in ("_DURATION", "_PERCENT", "_BARE_NUMBER"):
        monkeypatch.setattr(scalars, pattern, None)
    with pytest.raises(UsageError, match="…"):
        parse("1" * 1_000_000 + "s")
