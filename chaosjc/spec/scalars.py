"""Durations and percentages: one syntax everywhere, and a bare number is never one of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from chaosjc.errors import UsageError
from chaosjc.spec.problems import describe, quote

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
"""Milliseconds, largest first: the order in which they are written."""

# Seven digits keep every sum exact in a float, and are 27,000 years in days.
_PARTS = "".join(rf"(?:(?P<{unit}>[0-9]{{1,7}}){unit})?" for unit in _UNITS)
_DURATION = re.compile(_PARTS)
_DURATION_SCHEMA = "^(?=[0-9$])" + "".join(f"([0-9]{{1,7}}{unit})?" for unit in _UNITS) + r"$|^\$"
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%")
_BARE_NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]+")


def parse_duration(text: str) -> float:
    """Seconds of `250ms`, `15s`, `1m30s`, `2h`, `1d`; units descend and come once. Raises UsageError."""
    match = _DURATION.fullmatch(text)
    if match and text:
        return sum(int(match[unit] or 0) * size for unit, size in _UNITS.items()) / 1000
    if _BARE_NUMBER.fullmatch(text):
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


def parse_percent(text: str) -> float:
    """30.0 for `30%`; between 0 and 100. Raises UsageError."""
    match = _PERCENT.fullmatch(text)
    if match and float(match[1]) <= 100:
        return float(match[1])
    if _BARE_NUMBER.fullmatch(text):
        raise UsageError(f"expected a percentage, found {quote(text)}: write {text}%")
    raise UsageError(f"expected a percentage from 0% to 100%, found {quote(text)}")


def format_percent(percent: float) -> str:
    """`30%` for 30.0."""
    return f"{percent:.6f}".rstrip("0").rstrip(".") + "%"


def _from_file(parse: Callable[[str], float], example: str) -> BeforeValidator:
    """Text, or a file's bare number that gets the parser's advice; code may hand over the parsed number itself."""

    def read(value: Any, info: ValidationInfo) -> Any:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and info.mode == "python":
            return float(value)
        try:
            if is_number or isinstance(value, str):
                return parse(str(value))
            message = f"expected {example}, found {describe(value)}"
        except UsageError as error:
            message = error.message
        raise PydanticCustomError("scalar", "{message}", {"message": message})

    return BeforeValidator(read)


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
