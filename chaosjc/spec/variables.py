"""`$name` and `${name}` in a file's texts: replaced before the file is looked at; `$targets` and `$others` at planning.

A `$` that no name follows stays as it is (`^(a|b)$`, `$1`), and `$$` is the character `$`. A value that is nothing but
`$name` takes the variable's own type; inside a text, numbers and booleans are written as in the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from chaosjc.errors import Problem
from chaosjc.spec.problems import Loc, Problems, describe, did_you_mean, quote
from chaosjc.spec.reader import MAX_BYTES, Document

PLANNED = ("targets", "others")
"""Names whose values are known once targets are chosen."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_USE = re.compile(rf"\$(?:(?P<escaped>\$)|(?P<name>{_NAME.pattern})|\{{(?P<braced>{_NAME.pattern})\}})")
_PLANNED_USE = re.compile(rf"\$\{{?({'|'.join(PLANNED)})\b")
_TOO_MUCH = f"with its variables filled in the file would be larger than {MAX_BYTES // 1024} KiB"
_META = re.compile(r"[.+*?()\[\]{}|$]|[\\^]")


def substitute(
    document: Document,
    problems: Problems,
    *,
    site: Mapping[str, object] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> tuple[Document, dict[str, object]]:
    """The document with its variables replaced, and the values of those that it declares or uses.

    `overrides` (--set) win over `site`, and both over the file's own `vars`. The places of all values stay.
    """
    overrides, site = overrides or {}, site or {}
    declared = _declared(document, problems)
    run = _Substitution(document, problems, declared | dict(site) | dict(overrides))
    data = {key: value if key == "vars" else run.value(value, (key,)) for key, value in document.data.items()}
    resolved = {name: value for name, value in run.values.items() if name in declared or name in run.used}
    if declared:
        data["vars"] = resolved
    for name in overrides:
        if name not in resolved and name not in site:
            hint = did_you_mean(name, {*declared, *run.used})
            problems.add(Problem(document.path, 0, 0, f"--set {name}", f"no such variable; {hint}"))
    return replace(document, data=data), resolved


def planned_names(text: str) -> frozenset[str]:
    """Which of `$targets` and `$others` a text uses."""
    return frozenset(_name(match) for match in _USE.finditer(text)).intersection(PLANNED)


def expand(text: str, values: Mapping[str, str]) -> str:
    """A substituted text with `$targets` and `$others` filled in; any other `$` was settled before, and stays.

    `substitute` left the `$$` of such texts alone: else `$$targets` would be read as `$targets` here.
    """

    def fill(match: re.Match[str]) -> str:
        return "$" if match["escaped"] else values.get(_name(match), match[0])

    return _USE.sub(fill, text) if _PLANNED_USE.search(text) else text


def alternation(names: Iterable[str]) -> str:
    """A regular expression that matches these names and nothing else, for use within the quotes of a PromQL selector.

    It has no backslash, which PromQL would read as an escape of its own. Without names it matches nothing at all.
    """
    return "|".join(_META.sub(_literal, name) for name in sorted(names)) or "x^"


def _name(use: re.Match[str]) -> str:
    return use["name"] or use["braced"] or ""


def _literal(match: re.Match[str]) -> str:
    return "." if match[0] in "\\^" else f"[{match[0]}]"


def _declared(document: Document, problems: Problems) -> dict[str, object]:
    """The file's own variables; one may not use another, so that their order means nothing."""
    section = document.data.get("vars")
    if not isinstance(section, dict):
        if section is not None:
            message = f"expected a mapping (name: value), found {describe(section)}"
            problems.add(document.problem(("vars",), message))
        return {}
    declared: dict[str, object] = {}
    for name, value in cast("dict[str, object]", section).items():
        loc = ("vars", name)
        if not _NAME.fullmatch(name) or name in PLANNED:
            why = "is filled in at planning" if name in PLANNED else "is no name: letters, digits and _ only"
            problems.add(document.problem(loc, f"{quote(name)} {why}", document.key_place(loc)))
        declared[name] = _Substitution(document, problems, None).value(value, loc)
    return declared


@dataclass
class _Substitution:
    """One pass over a document; `values` is None within `vars` itself."""

    document: Document
    problems: Problems
    known: Mapping[str, object] | None
    used: set[str] = field(default_factory=set[str])
    left: int = MAX_BYTES
    """What may still be filled in, in characters: a short file that names a long value often would be a huge one."""
    sizes: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def values(self) -> Mapping[str, object]:
        return self.known or {}

    def value(self, value: object, loc: Loc) -> object:
        if isinstance(value, dict):
            items = cast("dict[str, object]", value).items()
            return {key: self.value(inner, (*loc, key)) for key, inner in items}
        if isinstance(value, list):
            return [self.value(inner, (*loc, index)) for index, inner in enumerate(cast("list[object]", value))]
        return self._text(value, loc) if isinstance(value, str) and "$" in value else value

    def _text(self, text: str, loc: Loc) -> object:
        whole = _USE.fullmatch(text)
        name = _name(whole) if whole else ""
        if name not in self.values:
            return self._filled(text, loc)
        if self._too_much(name):
            self.problems.add(self.document.problem(loc, _TOO_MUCH))
            return text
        self.used.add(name)
        return self.values[name]

    def _filled(self, text: str, loc: Loc) -> str:
        later = _PLANNED_USE.search(text)
        wrong: dict[str, int] = {}

        def fill(match: re.Match[str]) -> str:
            name = _name(match)
            if match["escaped"]:
                return "$$" if later else "$"
            if name in PLANNED:
                return match[0]
            if message := self._wrong(name) or (self._too_much(name) and _TOO_MUCH):
                wrong.setdefault(message, match.start())
                return match[0]
            self.used.add(name)
            value = self.values[name]
            return json.dumps(value) if isinstance(value, bool) else str(value)

        filled = _USE.sub(fill, text)
        for message, offset in wrong.items():
            self.problems.add(self.document.problem(loc, message, self.document.place_within(loc, text, offset)))
        return filled

    def _too_much(self, name: str) -> bool:
        """Count one use of a variable: whether it is one too many."""
        if name not in self.sizes:
            self.sizes[name] = len(json.dumps(self.values[name], default=str))
        self.left -= self.sizes[name]
        return self.left < 0

    def _wrong(self, name: str) -> str:
        """Why a variable cannot stand within a text; empty if it can."""
        literal = f"write $${name} for the text ${name}"
        if self.known is None:
            return f"a variable cannot use another, here ${name}; {literal}"
        if name not in self.values:
            hint = did_you_mean(name, self.values) if self.values else "there are no vars"
            return f"unknown variable ${name}; {hint} ({literal})"
        value = self.values[name]
        return (
            ""
            if isinstance(value, str | int | float)
            else f"${name} is {describe(value)}: it cannot stand within a text"
        )
