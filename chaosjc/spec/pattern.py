"""Regular expressions from files: compiled once, errors that point into them, none that backtracks for ever."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

from chaosjc.errors import UsageError

MAX_LENGTH = 300

_MANY = 10
"""A group repeated fewer times than this cannot explode."""

_TOKEN = re.compile(
    r"""
      \\. | \[\^?\]?(?:\\.|[^\]\\])*\] | \(\?\#[^)]*\)      # what is no structure: escapes, sets, comments
    | (?P<open>\((?:\?(?:P?<\w+>|<[=!]|[=!:>]))?)
    | (?P<close>\))
    | (?P<either>\|)
    | (?P<repeat>[*+?]|\{(?=[\d,])(?P<low>\d*)(?P<comma>,?)(?P<high>\d*)\})(?P<mode>[+?]?)
    | .
    """,
    re.VERBOSE | re.DOTALL,
)


class PatternError(UsageError):
    """The text is no regular expression that we run; `offset` is the character, from 0, where it goes wrong."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


def compile_pattern(text: str) -> re.Pattern[str]:
    """The compiled form of Python's regular expression `text`. Raises PatternError.

    A repeated group in which something varies can take time exponential in the value's length, and Python cannot
    interrupt it: it is refused unless it gives nothing back, `(...)*+` or `(?>...)*`.
    """
    if len(text) > MAX_LENGTH:
        raise PatternError(f"a regular expression longer than {MAX_LENGTH} characters", MAX_LENGTH)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            pattern = re.compile(text)
    except re.error as error:
        raise PatternError(f"bad regular expression: {error.msg}", error.pos or 0) from None
    except (Warning, OverflowError, RecursionError) as error:
        raise PatternError(f"bad regular expression: {error}", 0) from None
    explosive = _explosive_group(text)
    if explosive is not None:
        why = "a repeated group that holds a repeat or a | can take for ever: write (?>...) for (...)"
        raise PatternError(why, explosive)
    return pattern


@dataclass
class _Group:
    start: int
    atomic: bool = False
    varies: bool = False


def _explosive_group(text: str) -> int | None:
    """Where the first group begins that is repeated, gives back, and can match one text in several ways."""
    groups = [_Group(0)]
    closed: _Group | None = None
    for token in _TOKEN.finditer(text):
        last, closed = closed, None
        if token["open"]:
            groups.append(_Group(token.start(), atomic=token["open"] == "(?>"))
        elif token["close"]:
            closed = groups.pop()
            groups[-1].varies |= closed.varies and not closed.atomic
        elif token["either"]:
            groups[-1].varies = True
        elif token["repeat"] and token["mode"] != "+":
            if last and last.varies and not last.atomic and _is_many(token):
                return last.start
            groups[-1].varies |= token["repeat"] in "*+?" or bool(token["comma"])
    return None


def _is_many(token: re.Match[str]) -> bool:
    """Whether a repeat has no upper end, or one that is large."""
    if token["repeat"] in "*+?":
        return token["repeat"] != "?"
    high = token["high"] if token["comma"] else token["low"]
    return not high or int(high) >= _MANY
