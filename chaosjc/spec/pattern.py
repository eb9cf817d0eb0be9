"""Regular expressions from files: RE2's syntax, whose engine never goes back, so that none takes long.

Python's own takes exponential time for some, and keeps the whole process waiting meanwhile, halts and deadlines too.
RE2's time grows with the value times the compiled expression, and both have an end here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, cast

from chaosjc.errors import UsageError

MAX_LENGTH = 300
MAX_MATCHED = 10_000
"""How many characters of a value are looked at."""
MAX_MEMORY = 128 * 1024
"""Bytes of a compiled expression; the largest that fits needs some tenths of a second for MAX_MATCHED characters."""

_ADVICE = {
    "invalid perl operator": "RE2 has no look-around and no (?>...)",
    "invalid escape sequence": "RE2 has no back-references; the end of the text is $ or \\z",
    "bad repetition operator": "RE2 has no possessive repeats: write one sign",
    "invalid repetition size": "1000 times at most, in all",
    "pattern too large": "repeat fewer times",
}
# What is a parenthesis, and what only looks like one.
_PARENTHESIS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(?P<open>\()|(?P<close>\))", re.DOTALL)


class PatternError(UsageError):
    """The text is no regular expression that we run; `offset` is the character, from 0, where it goes wrong."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True)
class Pattern:
    """A regular expression that was found good; those of the same text are equal."""

    text: str
    engine: Any = field(compare=False, repr=False)

    def found_in(self, value: str) -> bool:
        """Whether it matches anywhere in the value's beginning; `$` is also before a last line break."""
        looked_at = value[:MAX_MATCHED].removesuffix("\n")
        return self.engine.search(looked_at.encode(errors="replace")) is not None


def compile_pattern(text: str) -> Pattern:
    """The compiled form of the regular expression `text`. Raises PatternError."""
    import re2 as untyped  # noqa: PLC0415 # pyright: ignore[reportMissingTypeStubs] - few files need it

    re2 = cast("Any", untyped)
    if len(text) > MAX_LENGTH:
        raise PatternError(f"a regular expression longer than {MAX_LENGTH} characters", MAX_LENGTH)
    options = re2.Options()
    options.max_mem, options.never_capture, options.log_errors = MAX_MEMORY, True, False
    try:
        return Pattern(text, re2.compile(text.encode(errors="surrogatepass"), options))
    except re2.error as error:
        said: str = error.args[0].decode(errors="replace")
    why, _, part = said.partition(": ")
    advice = next((f" ({each})" for begin, each in _ADVICE.items() if why.startswith(begin)), "")
    raise PatternError(f"bad regular expression: {said}{advice}", _offset(text, part)) from None


def _offset(text: str, part: str) -> int:
    """Where the part that RE2 names begins; it names all where a parenthesis has no other."""
    if part != text:
        return max(text.find(part), 0)
    begun: list[int] = []
    for token in _PARENTHESIS.finditer(text):
        if token["open"]:
            begun.append(token.start())
        elif token["close"]:
            if not begun:
                return token.start()
            begun.pop()
    return begun[-1] if begun else 0
