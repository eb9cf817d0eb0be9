"""Which samples a PromQL expression rests on, read from its syntax."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from chaosjc.errors import UsageError
from chaosjc.spec.problems import shorten

MAX_PARTS = 200
"""Operators and opening brackets of one expression: the parser needs stack for each, and copies what is beneath it."""
SHOWN = 300
"""Characters of an expression that an error repeats."""
_PART = re.compile(
    r"""
      "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `[^`]*` | \#[^\n]*     # what is no structure: texts, comments
    | (?P<part>[-+*/%^({\[] | [=!<>][=~]? | \b(?:and|or|unless|atan2)\b)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


@dataclass(frozen=True)
class Selector:
    """A selector without its offset, and how many seconds before the query's time its samples are taken from.

    `metric` is its name; empty where it selects by labels alone.
    """

    text: str
    offset: float = 0.0
    metric: str = ""


@dataclass(frozen=True)
class Parts:
    """Selectors of which `all` must have samples, as in `a / b`, or `any` one, as in `a or b`."""

    need: Literal["all", "any"]
    parts: tuple[Basis, ...]


Basis: TypeAlias = "Selector | Parts"


def selectors(basis: Basis) -> tuple[Selector, ...]:
    """All that are in it, each once, in order."""
    if isinstance(basis, Selector):
        return (basis,)
    return tuple(dict.fromkeys(selector for part in basis.parts for selector in selectors(part)))


def oldest(basis: Basis, time_of: Callable[[Selector], float | None]) -> float | None:
    """The time of the oldest sample that an expression needs; None where one is missing."""
    if isinstance(basis, Selector):
        return time_of(basis)
    times = [oldest(part, time_of) for part in basis.parts]
    known = [time for time in times if time is not None]
    if basis.need == "any":
        return max(known, default=None)
    return min(known) if known and len(known) == len(times) else None


@functools.lru_cache(maxsize=256)
def basis_of(promql: str) -> Basis:
    """Read an expression. Raises UsageError if it has no selector, or is none.

    The right side of `unless` takes away only, and a selector with a fixed time (`@ 1700000000`) never gets older: the
    value rests on neither.
    """
    import promql_parser

    try:
        _bound(promql)
        parts = tuple(_parts(promql_parser.parse(promql), 0.0))
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"PromQL {shorten(promql, SHOWN)!r}: {shorten(str(error), SHOWN)}",
            hint="correct it, or name the samples that it rests on with `data: SELECTOR`",
        ) from None
    if not parts:
        raise UsageError(
            f"PromQL {shorten(promql, SHOWN)!r} rests on no samples, so that nobody can say how old its value is",
            hint="name the samples that it stands for with `data: SELECTOR`",
        )
    return parts[0] if len(parts) == 1 else Parts("all", parts)


def _bound(promql: str) -> None:
    """Raise ValueError for what is too deep to be parsed: the parser itself would end the process."""
    found = (each for each in _PART.finditer(promql) if each["part"])
    if next(itertools.islice(found, MAX_PARTS, None), None):
        raise ValueError(f"more than {MAX_PARTS} operators and brackets: have Prometheus record parts of it by rules")


def _parts(node: Any, offset: float) -> Iterator[Basis]:
    """The bases of one node of the syntax tree; `offset` is that of the subqueries around it, seconds."""
    import promql_parser

    match node:
        case promql_parser.VectorSelector():
            yield from _selector(node, offset)
        case promql_parser.MatrixSelector():
            yield from _selector(node.vector_selector, offset)
        case promql_parser.SubqueryExpr():
            yield from _parts(node.expr, offset + _seconds(node.offset))
        case promql_parser.BinaryExpr():
            yield from _binary(node, offset)
        case promql_parser.Call():
            for argument in node.args:
                yield from _parts(argument, offset)
        case promql_parser.AggregateExpr() | promql_parser.ParenExpr() | promql_parser.UnaryExpr():
            yield from _parts(node.expr, offset)
        case _:
            return


def _binary(node: Any, offset: float) -> Iterator[Basis]:
    operator, left, right = str(node.op), tuple(_parts(node.lhs, offset)), tuple(_parts(node.rhs, offset))
    if operator == "unless":
        yield from left
    elif operator == "or":
        sides = tuple(Parts("all", side) for side in (left, right) if side)
        if sides:
            yield Parts("any", sides)
    else:
        yield from (*left, *right)


def _selector(node: Any, offset: float) -> Iterator[Selector]:
    import promql_parser

    if node.at is not None and node.at.type == promql_parser.AtModifierType.At:
        return
    offset += _seconds(node.offset)
    node.offset = node.at = None  # the tree is ours
    yield Selector(str(node), offset, node.name or "")


def _seconds(delta: Any) -> float:
    return 0.0 if delta is None else float(delta.total_seconds())
