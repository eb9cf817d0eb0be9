"""What is wrong, collected over any number of files, in the words of the people who wrote them."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import TypeAlias

from chaosjc.errors import Problem, SpecError

Loc: TypeAlias = tuple[str | int, ...]
"""The way from a document's top to a key or value: `("faults", 0, "target")`."""

MAX_TOLD = 100
"""Problems of one file that are told one by one: whoever mends these will be told the rest."""
MAX_WORD = 60
MAX_KNOWN = 50
"""Names that are listed where none is close."""
MAX_COMPARED = 1000
"""Among more nobody looks for the one that was meant: each takes its time."""
MAX_MESSAGE = 1000

_PLAIN_KEY = re.compile(rf"[A-Za-z_][\w-]{{0,{MAX_WORD - 1}}}")


class Problems:
    """Everything found wrong so far; `check()` raises it all at once."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def add(self, problem: Problem) -> None:
        """Remember one more."""
        self._found.append(replace(problem, message=shorten(problem.message, MAX_MESSAGE)))

    def told(self) -> list[Problem]:
        """In the order of files and lines; of a file with too many the first, and how many more there are."""
        by_path: dict[str, list[Problem]] = {}
        for problem in sorted(self._found):
            by_path.setdefault(problem.path, []).append(problem)
        return [problem for found in by_path.values() for problem in _first(found)]

    def check(self) -> None:
        """Raise SpecError with every problem, if there is any."""
        if self._found:
            raise SpecError(self.told())


def _first(found: list[Problem]) -> list[Problem]:
    if len(found) <= MAX_TOLD:
        return found
    more = replace(found[MAX_TOLD], field="", message=f"and {len(found) - MAX_TOLD} more from here on")
    return [*found[:MAX_TOLD], more]


def field_path(loc: Loc) -> str:
    """`faults[0].target.count`: a place as people write it; keys that are no plain word are quoted in brackets."""
    path = ""
    for step in loc:
        if isinstance(step, int):
            path += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            path += f".{step}" if path else step
        else:
            path += f"[{quote(step)}]"
    return path


def shorten(text: str, limit: int = MAX_WORD) -> str:
    """Its beginning, in the middle of nowhere when long."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def quote(text: str, limit: int = MAX_WORD) -> str:
    """`"text"` on one line, shortened when long, control characters made visible."""
    shown = shorten(text, limit)
    return '"' + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown) + '"'


def repeated(names: Iterable[str]) -> list[str]:
    """Those that come more than once, sorted."""
    return sorted(name for name, times in Counter(names).items() if times > 1)


def closest(word: str, known: Collection[str]) -> str | None:
    """What somebody who wrote `word` may have meant; case does not matter."""
    if len(word) > MAX_WORD or len(known) > MAX_COMPARED:
        return None
    lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    return lower[close[0]] if close else None


def did_you_mean(word: str, known: Collection[str]) -> str:
    """`did you mean "X"?` where something known is close, else the list of what is known."""
    close = closest(word, known)
    if close:
        return f"did you mean {quote(close)}?"
    if len(known) > MAX_COMPARED:
        return f"{len(known)} others are known here"
    listed = ", ".join([*sorted(known)[:MAX_KNOWN], *(["…"] if len(known) > MAX_KNOWN else [])])
    return f"known here: {listed}" if known else "nothing is known here"


def describe(value: object) -> str:
    """A value of a file as a reader would call it: `the number 3`, `the text "3"`, `a list`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {quote(str(value))[1:-1]}"
    if isinstance(value, str):
        return f"the text {quote(value)}"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return "a mapping"
