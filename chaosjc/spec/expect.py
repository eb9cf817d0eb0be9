"""What a check's value should be: a small grammar, parsed once, and total: every value is held, violated or no data.

== N   != N   < N   <= N   > N   >= N      N is a number, or a duration in seconds: `<= 15s`
== TEXT   != TEXT                          TEXT is a word, the rest of the line, or quoted
between A and B                            both included
within P% of before                        before is the value in the phase before the faults; P may be above 100
matches RE                                 RE2's syntax, found anywhere in the value
in [A, B, ...]                             numbers, or texts
"""

from __future__ import annotations

import math
import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias, TypeGuard

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from chaosjc.errors import UsageError
from chaosjc.spec.pattern import Pattern, PatternError, compile_pattern
from chaosjc.spec.problems import closest, describe, quote
from chaosjc.spec.scalars import parse_duration, parse_percent

MAX_LENGTH = 500

Value: TypeAlias = float | str
Kind: TypeAlias = Literal["number", "text"]

_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_MISSPELT = {"=": "==", "=<": "<=", "=>": ">=", "<>": "!=", "===": "==", "!": "!=", "=~": "matches", "~": "matches"}

_FORMS = (*_OPERATORS, "between", "within", "matches", "in")
_EXAMPLES = ["== 1", "<= 15s", "between 1 and 5", "within 10% of before", "matches ^ok", "in [200, 204]"]

_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"[=<>!~]+|[^\s=<>!~]+")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_LIKE_A_NUMBER = re.compile(r"[-+.]?[0-9]")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'', re.DOTALL)
_REST = re.compile(r".*", re.DOTALL)
_MEMBER = re.compile(r"[^,\]]*")
_MOST_OF_BEFORE = 999_999.0  # percent
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class ExpectError(UsageError):
    """The text is no expectation; `offset` is the character, from 0, where it goes wrong."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True)
class Expect(ABC):
    """A parsed expectation; `text` is how it was written, and two that mean the same are equal."""

    text: str = field(compare=False)

    def __str__(self) -> str:
        return self.text

    @property
    def kind(self) -> Kind:
        """Which kind of value can be judged: a check that has both (status and body) picks by this."""
        return "number"

    @abstractmethod
    def holds(self, value: Value, before: float | None = None) -> bool | None:
        """True if `value` is as expected, False if not, None if nobody can say: NaN, wrong kind, no `before`."""

    def threshold(self, before: float | None = None) -> list[float]:
        """The numbers between held and violated, ascending, for plots; may be empty."""
        del before
        return []


@dataclass(frozen=True)
class Compare(Expect):
    """`<= 15s`: one of six operators and a number."""

    operator: str
    bound: float

    def holds(self, value: Value, before: float | None = None) -> bool | None:
        """See Expect."""
        return _OPERATORS[self.operator](value, self.bound) if _is_number(value) else None

    def threshold(self, before: float | None = None) -> list[float]:
        """See Expect."""
        return [self.bound]


@dataclass(frozen=True)
class CompareText(Expect):
    """`== whole`, or with `negated` `!= whole`."""

    wanted: str
    negated: bool

    @property
    def kind(self) -> Kind:
        """See Expect."""
        return "text"

    def holds(self, value: Value, before: float | None = None) -> bool | None:
        """See Expect."""
        return (value == self.wanted) is not self.negated if isinstance(value, str) else None


@dataclass(frozen=True)
class Between(Expect):
    """`between 1 and 5s`, both included."""

    low: float
    high: float

    def holds(self, value: Value, before: float | None = None) -> bool | None:
        """See Expect."""
        return self.low <= value <= self.high if _is_number(value) else None

    def threshold(self, before: float | None = None) -> list[float]:
        """See Expect."""
        return [self.low, self.high]


@dataclass(frozen=True)
class Within(Expect):
    """`within 10% of before`."""

    percent: float

    def holds(self, value: Value, before: float | None = None) -> bool | None:
        """See Expect."""
        if not _is_number(value) or before is None or not math.isfinite(before):
            return None
        return abs(value - before) <= self._margin(before)

    def threshold(self, before: float | None = None) -> list[float]:
        """See Expect; empty until `before` is known."""
        if before is None or not math.isfinite(before):
            return []
        return [before - self._margin(before), before + self._margin(before)]

    def _margin(self, before: float) -> float:
        return self.percent / 100 * abs(before)


@dataclass(frozen=True)
class Matches(Expect):
    """`matches RE`."""

    pattern: Pattern

    @property
    def kind(self) -> Kind:
        """See Expect."""
        return "text"

    def holds(self, value: Value, before: float | None = None) -> bool | None:
        """See Expect."""
        return self.pattern.found_in(value) if isinstance(value, str) else None


@dataclass(frozen=True)
class OneOf(Expect):
    """`in [200, 204]` or `in [whole, gone]`; `members` are of one kind."""

    members: tuple[float, ...] | tuple[str, ...]

    @property
    def kind(self) -> Kind:
        """See Expect."""
        return "text" if isinstance(self.members[0], str) else "number"

    def holds(self, value: Value, before: float | None = None) -> bool | None:
        """See Expect."""
        judged = isinstance(value, str) if self.kind == "text" else _is_number(value)
        return value in self.members if judged else None

    def threshold(self, before: float | None = None) -> list[float]:
        """See Expect."""
        return sorted({member for member in self.members if not isinstance(member, str)})


@dataclass(frozen=True)
class Anything(Expect):
    """What is observed only: every number and every text will do. No file can ask for it."""

    def holds(self, value: Value, before: float | None = None) -> bool | None:
        """See Expect."""
        return True if isinstance(value, str) or _is_number(value) else None


ANYTHING = Anything("")


def of_plan(text: str) -> Expect:
    """What a plan expects, which is nothing where it says nothing. Raises ExpectError."""
    return parse(text) if text else ANYTHING


def parse(text: str) -> Expect:
    """Read one expectation. Raises ExpectError, whose offset points into `text`."""
    if len(text) > MAX_LENGTH:
        raise ExpectError(f"longer than {MAX_LENGTH} characters", MAX_LENGTH)
    return _Parser(text).expectation()


class _Parser:
    """Reads from left to right; `at` is the next character."""

    def __init__(self, text: str) -> None:
        self.text = text.rstrip()
        self.shown = text.strip()
        self.at = 0

    def expectation(self) -> Expect:
        start, word = self._word()
        if word in _OPERATORS:
            return self._compare(word)
        if word == "between":
            return self._between()
        if word == "within":
            return self._within()
        if word == "matches":
            return self._matches()
        if word == "in":
            return self._one_of()
        meant = _MISSPELT.get(word) or closest(word, _FORMS)
        advice = f": did you mean {meant}?" if meant else ""
        found = quote(word) if word else "nothing"
        raise ExpectError(f"expected one of {' '.join(_FORMS)}, found {found}{advice}", start)

    def _compare(self, sign: str) -> Expect:
        start = self._skip_space()
        operand = self._operand(_REST)
        self._end()
        if not isinstance(operand, str):
            return Compare(self.shown, sign, operand)
        if sign in ("==", "!="):
            return CompareText(self.shown, operand, sign == "!=")
        raise ExpectError(f"{sign} compares numbers and durations, found {quote(operand)}", start)

    def _between(self) -> Expect:
        low = self._number()
        self._keyword("and")
        start = self._skip_space()
        high = self._number()
        self._end()
        if low > high:
            raise ExpectError("the second bound is below the first: nothing is between them", start)
        return Between(self.shown, low, high)

    def _within(self) -> Expect:
        start, word = self._word()
        try:
            percent = parse_percent(word, most=_MOST_OF_BEFORE)
        except UsageError as error:
            raise ExpectError(error.message, start) from None
        self._keyword("of")
        self._keyword("before")
        self._end()
        return Within(self.shown, percent)

    def _matches(self) -> Expect:
        start = self._skip_space()
        if start == len(self.text):
            raise ExpectError("expected a regular expression after matches", start)
        try:
            return Matches(self.shown, compile_pattern(self.text[start:]))
        except PatternError as error:
            raise ExpectError(error.message, start + error.offset) from None

    def _one_of(self) -> Expect:
        start = self._skip_space()
        self._punctuation("[")
        members = [self._operand(_MEMBER)]
        while self.text[self._skip_space() :].startswith(","):
            self.at += 1
            members.append(self._operand(_MEMBER))
        self._punctuation("]")
        self._end()
        numbers = tuple(member for member in members if not isinstance(member, str))
        texts = tuple(member for member in members if isinstance(member, str))
        if numbers and texts:
            raise ExpectError("either all are numbers or all are texts (quote a number that is text)", start)
        return OneOf(self.shown, numbers or texts)

    def _operand(self, bare: re.Pattern[str]) -> Value:
        """A number, a duration, a quoted text, or what `bare` matches."""
        start = self._skip_space()
        quoted = _QUOTED.match(self.text, start)
        if quoted:
            self.at = quoted.end()
            inner = quoted[0][1:-1]
            return _ESCAPE.sub(r"\1", inner) if quoted[0][0] == '"' else inner
        match = bare.match(self.text, start)
        word = match[0].rstrip() if match else ""
        if not word or word[0] in "\"'":
            raise ExpectError("a quote without its end" if word else "expected a value, found nothing", start)
        self.at = start + len(word)
        number = _read_number(word, start)
        return word if number is None else number

    def _number(self) -> float:
        start, word = self._word()
        number = _read_number(word, start)
        if number is None:
            raise ExpectError(f"expected a number or a duration, found {quote(word) if word else 'nothing'}", start)
        return number

    def _keyword(self, keyword: str) -> None:
        start, word = self._word()
        if word != keyword:
            raise ExpectError(f"expected {quote(keyword)}, found {quote(word) if word else 'nothing'}", start)

    def _punctuation(self, sign: str) -> None:
        start = self._skip_space()
        if not self.text.startswith(sign, start):
            found = quote(self.text[start : start + 1]) if start < len(self.text) else "nothing"
            raise ExpectError(f"expected {sign}, found {found}", start)
        self.at += 1

    def _word(self) -> tuple[int, str]:
        start = self._skip_space()
        match = _WORD.match(self.text, start)
        self.at = match.end() if match else start
        return start, match[0] if match else ""

    def _skip_space(self) -> int:
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.at

    def _end(self) -> None:
        start = self._skip_space()
        if start < len(self.text):
            raise ExpectError(f"expected nothing more, found {quote(self.text[start:])}", start)


def _read_number(word: str, start: int) -> float | None:
    """A number, or a duration's seconds; None for text. What only begins like a number is an error, not text."""
    if not _LIKE_A_NUMBER.match(word):
        return None
    if _NUMBER.fullmatch(word):
        if math.isinf(number := float(word)):
            raise ExpectError(f"the number is too large: {quote(word)}", start)
        return number
    try:
        return parse_duration(word)
    except UsageError:
        raise ExpectError(
            f"{quote(word)} is no number and no duration such as 15s (quote it if it is text)", start
        ) from None


def _is_number(value: Value) -> TypeGuard[float]:
    return not isinstance(value, str) and not math.isnan(value)


def _from_file(value: Any) -> Expect:
    if isinstance(value, Expect):
        return value
    if not isinstance(value, str):
        advice = f": write == {value}" if isinstance(value, int | float) and not isinstance(value, bool) else ""
        message = f'expected text such as "== 1" or "<= 15s", found {describe(value)}{advice}'
        raise PydanticCustomError("expect", "{message}", {"message": message, "offset": 0})
    try:
        return parse(value)
    except ExpectError as error:
        raise PydanticCustomError("expect", "{message}", {"message": error.message, "offset": error.offset}) from None


Expectation = Annotated[
    Expect,
    PlainValidator(_from_file),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "minLength": 1, "examples": _EXAMPLES}),
]
"""A model's field of type `Expect`, written as text."""
