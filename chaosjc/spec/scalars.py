"""Durations and percentages: one syntax everywhere, and a bare number is never one of them.

Shares and working days were bare numbers once, and may still be: see `Share` and `Days`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from chaosjc.errors import UsageError
from chaosjc.spec.problems import describe, quote

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
"""Milliseconds, largest first: the order in which they are written."""

# Seven digits keep every sum exact in a float, and are 27,000 years in days.
_PARTS = "".join(rf"(?:(?P<{unit}>[0-9]{{1,7}}){unit})?" for unit in _UNITS)
_DURATION = re.compile(_PARTS)
_DURATION_SCHEMA = "^(?=[0-9$])" + "".join(f"([0-9]{{1,7}}{unit})?" for unit in _UNITS) + r"$|^\$"
_PERCENT = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)%")
_BARE_NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]+")
MAX_LENGTH = 40
"""No duration and no percentage is longer; a file may hold a megabyte of digits."""


def parse_duration(text: str) -> float:
    """Seconds of `250ms`, `15s`, `1m30s`, `2h`, `1d`; units descend and come once. Raises UsageError."""
    match = _DURATION.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if match and text:
        return sum(int(match[unit] or 0) * size for unit, size in _UNITS.items()) / 1000
    if _is_bare_number(text):
        raise UsageError(f"expected a duration with its unit, found {quote(text)}: write {text}s for seconds")
    raise UsageError(f"expected a duration such as 250ms, 15s, 1m30s, 2h or 1d, found {quote(text)}")


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads as `seconds`; whole milliseconds, not negative."""
    left = round(seconds * 1000)
    parts: list[str] = []
    for unit, size in _UNITS.items():
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_percent(text: str, *, most: float = 100.0) -> float:
    """30.0 for `30%`; between 0 and `most`. Raises UsageError."""
    match = _PERCENT.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if match and float(match[1]) <= most:
        return float(match[1])
    if _is_bare_number(text):
        raise UsageError(f"expected a percentage, found {quote(text)}: write {text}%")
    raise UsageError(f"expected a percentage from 0% to {most:.0f}%, found {quote(text)}")


def format_percent(percent: float) -> str:
    """`30%` for 30.0."""
    return f"{percent:.6f}".rstrip("0").rstrip(".") + "%"


def _is_bare_number(text: str) -> bool:
    return len(text) <= MAX_LENGTH and _BARE_NUMBER.fullmatch(text) is not None


def _from_file(parse: Callable[[str], float], example: str) -> BeforeValidator:
    """Text, or a file's bare number that gets the parser's advice; code may hand over the parsed number itself."""

    def read(value: Any, info: ValidationInfo) -> Any:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and info.mode == "python":
            return float(value)
        if is_number or isinstance(value, str):
            return _parsed(parse, str(value))
        raise _wrong(f"expected {example}, found {describe(value)}")

    return BeforeValidator(read)


def _or_text(parse: Callable[[str], float]) -> BeforeValidator:
    """A number as it is, or text."""
    return BeforeValidator(lambda value: _parsed(parse, value) if isinstance(value, str) else value)


def _parsed(parse: Callable[[str], float], text: str) -> float:
    try:
        return parse(text)
    except UsageError as error:
        raise _wrong(error.message) from None


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("scalar", "{message}", {"message": message})


def _days(text: str) -> int:
    if _is_bare_number(text):
        raise UsageError(f"expected working days, found {quote(text)}: write {text}d")
    days = parse_duration(text) / 86_400
    if not days.is_integer():
        raise UsageError(f"expected whole working days such as 5d, found {quote(text)}")
    return int(days)


Duration = Annotated[
    float,
    _from_file(parse_duration, "a duration such as 15s"),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _DURATION_SCHEMA, "examples": ["15s", "1m30s"]}),
]
"""Seconds as float; `1m30s` in files and JSON."""

Percent = Annotated[
    float,
    _from_file(parse_percent, "a percentage such as 30%"),
    PlainSerializer(format_percent, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,6})?%$|^\$", "examples": ["30%"]}),
]
"""Percent as float, 30.0; `30%` in files and JSON."""

_DAYS_SCHEMA = {"type": "string", "pattern": "^[0-9]{1,7}d$", "examples": ["5d"]}

Share = Annotated[
    float,
    _or_text(lambda text: parse_percent(text) / 100),
    Field(ge=0, le=1),
    WithJsonSchema({"anyOf": [
        {"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,6})?%$|^\$", "examples": ["90%"]},
        {"type": "number", "minimum": 0, "maximum": 1},
    ]}),
]  # fmt: skip
"""A part of 1: `90%`. A bare number is that part, 0.9, as DESIGN and the first files have it."""

Days = Annotated[
    float, _or_text(_days), Field(ge=1), WithJsonSchema({"anyOf": [_DAYS_SCHEMA, {"type": "number", "minimum": 1}]})
]
"""Working days: `5d`. A bare number is so many, as the first schedules have it: their mean may be 2.5."""

WholeDays = Annotated[
    int, _or_text(_days), Field(ge=1), WithJsonSchema({"anyOf": [_DAYS_SCHEMA, {"type": "integer", "minimum": 1}]})
]
"""The same, without a fraction."""
