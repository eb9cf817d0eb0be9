"""YAML 1.2 core schema on libyaml's events: plain data in which every key and value still has its line and column.

`on`, `no`, `yes`, `1:30`, `0777` and dates are no surprises: true and false are the only booleans, numbers are decimal
(0o and 0x prefixes apart), the rest is text, and a key is always its text. What makes YAML dangerous or ambiguous is
refused: anchors and aliases, tags, duplicate keys, several documents, deep nesting, large files.
"""

from __future__ import annotations

import codecs
import hashlib
import math
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, cast

import yaml

from chaosjc.errors import Problem
from chaosjc.spec.problems import Loc, Problems, field_path, quote, shorten

SUFFIXES = (".yaml", ".yml")
MAX_BYTES = 1024 * 1024
MAX_DEPTH = 50

Place: TypeAlias = tuple[int, int]
"""Line and column, both from 1."""

_TOP: Place = (1, 1)

# Read libyaml's C parser where PyYAML was built with it: ten times faster, same events.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_CONSTANTS: Mapping[str, object] = (
    {"": None, "~": None}
    | {form: None for form in ("null", "Null", "NULL")}
    | {form: True for form in ("true", "True", "TRUE")}
    | {form: False for form in ("false", "False", "FALSE")}
)
# What is longer than these reads as a float, and is refused as too large, or as text.
_DECIMAL = re.compile(r"[-+]?[0-9]{1,300}")
_PREFIXED = re.compile(r"0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"([-+]?)\.(?:inf|Inf|INF)")
_NAN = (".nan", ".NaN", ".NAN")

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
)

_FORBIDDEN_CHARACTER = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Document:
    """One file's data (dict, list, str, int, float, bool, None) and where each part of it stands.

    `keys` and `values` give places by location; `lines` is the text, so that a problem can point into a value; `sha256`
    is that of the bytes that were read, and empty for text at hand.
    """

    path: str
    data: dict[str, object]
    keys: Mapping[Loc, Place]
    values: Mapping[Loc, Place]
    lines: tuple[str, ...]
    sha256: str = ""

    def value(self, loc: Loc) -> object:
        """What is at `loc`; None where nothing is."""
        found: Any = self.data
        for step in loc:
            try:
                found = found[step]
            except (LookupError, TypeError):
                return None
        return found

    def place(self, loc: Loc) -> Place:
        """Where the value at `loc` stands; where it has no place of its own, that of what encloses it."""
        while loc and loc not in self.values:
            loc = loc[:-1]
        return self.values.get(loc, _TOP)

    def key_place(self, loc: Loc) -> Place:
        """Where the key at `loc` stands; the value's place for an entry of a list."""
        return self.keys.get(loc) or self.place(loc)

    def place_within(self, loc: Loc, text: str, offset: int) -> Place:
        """Where a character of `text`, the value at `loc`, stands; the value's start where it is spelt otherwise."""
        line, column = self.place(loc)
        written = self.lines[line - 1] if loc in self.values and line <= len(self.lines) else ""
        for quotes in (0, 1):
            if text and written.startswith(text, column - 1 + quotes):
                return line, column + quotes + offset
        return line, column

    def problem(self, loc: Loc, message: str, place: Place | None = None) -> Problem:
        """A problem with the value at `loc`."""
        return Problem(self.path, *(place or self.place(loc)), field_path(loc), message)


def files_of(path: Path) -> list[Path]:
    """A file as it is named; a directory stands for its YAML files, sorted. Why one cannot be listed `load` tells."""
    try:
        return sorted(each for each in path.iterdir() if each.suffix in SUFFIXES) if path.is_dir() else [path]
    except OSError:
        return [path]


def load(path: Path, problems: Problems) -> Document | None:
    """Read one file; None where nothing usable came out of it, and never an exception."""
    content = _read(path, problems)
    text = None if content is None else _decode(content, str(path), problems)
    if content is None or text is None:
        return None
    document = parse(text, str(path), problems)
    return document and replace(document, sha256=hashlib.sha256(content).hexdigest())


def parse(text: str, path: str, problems: Problems) -> Document | None:
    """`load` for text at hand; `path` is the name that problems carry."""
    forbidden = _FORBIDDEN_CHARACTER.search(text)
    if forbidden:
        name = f"U+{ord(forbidden.group()):04X}"
        problems.add(Problem(path, *_place_of(text, forbidden.start()), "", f"the character {name} is not allowed"))
        return None
    reader = _Reader(path, text, problems)
    try:
        return reader.document()
    except yaml.YAMLError as error:
        problems.add(_syntax_problem(error, path, reader.lines))
        return None


def scalar(text: str) -> object:
    """The value of an unquoted YAML 1.2 scalar: None, bool, int, float, or the text itself."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _PREFIXED.fullmatch(text):
        return int(text[2:], 8 if text[1] == "o" else 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    infinite = _INFINITE.fullmatch(text)
    if infinite:
        return -math.inf if infinite[1] == "-" else math.inf
    return math.nan if text in _NAN else text


def _read(path: Path, problems: Problems) -> bytes | None:
    try:
        if what := _no_file(path):
            problems.add(Problem(str(path), *_TOP, "", f"cannot be read: it is {what}, not a file"))
            return None
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        problems.add(Problem(str(path), *_TOP, "", f"cannot be read: {error.strerror or error}"))
        return None
    if len(content) > MAX_BYTES:
        problems.add(Problem(str(path), *_TOP, "", f"larger than {MAX_BYTES // 1024} KiB, more than any file of ours"))
        return None
    return content


def _no_file(path: Path) -> str:
    """What it is instead of a file: opening a pipe waits for a writer, and a journal could not name it again."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        next(path.iterdir(), None)  # one that may not be listed says so
    return "" if stat.S_ISREG(mode) else next((what for is_one, what in _KINDS if is_one(mode)), "something else")


def _decode(content: bytes, path: str, problems: Problems) -> str | None:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", "replace")
        advice = " (it looks like UTF-16: save it as UTF-8)" if content.startswith(_UTF16) else ""
        message = f"not UTF-8 text: byte 0x{content[error.start]:02x}{advice}"
        problems.add(Problem(path, *_place_of(before, len(before)), "", message))
        return None


class _Reader:
    """Builds the data of one text from its events, and notes the place of each part."""

    def __init__(self, path: str, text: str, problems: Problems) -> None:
        self.path = path
        self.lines = tuple(text.splitlines())
        self.problems = problems
        self.keys: dict[Loc, Place] = {}
        self.values: dict[Loc, Place] = {}
        self._events = cast("Iterator[Any]", yaml.parse(text, Loader=_LOADER))

    def document(self) -> Document | None:
        """The file's one document; None where its top level is not a mapping."""
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return self._refuse((), "the file is empty", _TOP)
        data = self._node(next(self._events), ())
        next(self._events)
        self._refuse_more()
        if not isinstance(data, dict):
            found = "the file is empty" if data is None else "the file must be a mapping (key: value) at its top level"
            return self._refuse((), found, self.values[()])
        return Document(self.path, cast("dict[str, object]", data), self.keys, self.values, self.lines)

    def _refuse_more(self) -> None:
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            self._refuse((), "a second document begins here: write one object a file", _place(event))

    def _node(self, event: Any, loc: Loc) -> object:
        self.values[loc] = _place(event)
        if isinstance(event, yaml.AliasEvent):
            return self._refuse(
                loc, f"aliases are refused: write the value of *{shorten(str(event.anchor))} out, or use vars"
            )
        if event.anchor is not None:
            self._refuse(loc, f"anchors are refused: &{shorten(event.anchor)}")
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._refuse(loc, f"YAML tags are refused: {shorten(tag)} (quote a text that begins with !)")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, loc)
        if len(loc) >= MAX_DEPTH:
            return self._skip(loc)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(loc)
        return [self._node(item, (*loc, index)) for index, item in enumerate(self._until(yaml.SequenceEndEvent))]

    def _mapping(self, loc: Loc) -> dict[str, object]:
        data: dict[str, object] = {}
        for event in self._until(yaml.MappingEndEvent):
            key = self._key(event, loc)
            at = (*loc, "?" if key is None else key)
            if key is None:
                self._look_through(at)
            elif at in self.keys:
                self._refuse(at, f"duplicate key, first in line {self.keys[at][0]}", _place(event))
                self._look_through(at)
            else:
                self.keys[at] = _place(event)
                data[key] = self._node(next(self._events), at)
        return data

    def _key(self, event: Any, loc: Loc) -> str | None:
        if isinstance(event, yaml.ScalarEvent) and event.anchor is None and event.tag is None:
            return event.value
        self._refuse(loc, "a key must be plain text", _place(event))
        if not isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            self._drain()
        return None

    def _look_through(self, loc: Loc) -> None:
        """Find the problems of a value that is not used: its places are not kept."""
        keys, values = self.keys, self.values
        self.keys, self.values = {}, {}
        self._node(next(self._events), loc)
        self.keys, self.values = keys, values

    def _scalar(self, event: Any, loc: Loc) -> object:
        if not event.implicit[0]:
            return event.value
        value = scalar(event.value)
        if isinstance(value, float) and math.isinf(value) and "inf" not in event.value.lower():
            return self._refuse(loc, f"the number is too large: {quote(event.value)}")
        return value

    def _skip(self, loc: Loc) -> None:
        self._drain()
        self._refuse(loc, f"nested deeper than {MAX_DEPTH} levels")

    def _drain(self) -> None:
        """Drop the events of a list or mapping that has just begun."""
        depth = 1
        while depth:
            event = next(self._events)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)

    def _until(self, end: type[yaml.Event]) -> Iterator[Any]:
        while not isinstance(event := next(self._events), end):
            yield event

    def _refuse(self, loc: Loc, message: str, place: Place | None = None) -> None:
        self.problems.add(Problem(self.path, *(place or self.values[loc]), field_path(loc), message))


def _place(event: Any) -> Place:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _place_of(text: str, offset: int) -> Place:
    before = text[:offset]
    return before.count("\n") + 1, offset - before.rfind("\n")


# What libyaml says, in the words of somebody who has to mend the file. Keyed by a part of its context or problem.
_ADVICE = (
    ("nesting depth", "write it less deeply"),
    ("block scalar", "quote a text that begins with > or |"),
    ("cannot start any token", "quote a text that begins with %, @ or `"),
    ("mapping values are not allowed", "quote a text that contains ': ', or mend the indentation"),
    ("could not find expected ':'", "a line without 'key: value', or a text over two lines without quotes"),
    ("anchor", "quote a text that begins with &"),
    ("alias", "quote a text that begins with *"),
    ("tag", "quote a text that begins with !"),
    ("block mapping", "mend the indentation: keys of one mapping begin in one column"),
    ("block collection", "mend the indentation: entries of one list begin in one column"),
    ("quoted scalar", "a quote without its end, or an unknown \\ escape (single quotes take \\ as it is)"),
    ("flow", "a bracket or brace without its end, or a comma missing"),
    ("document start", "what follows is outside of everything: a bracket too many, or a wrong directive"),
)


def _syntax_problem(error: yaml.YAMLError, path: str, lines: tuple[str, ...]) -> Problem:
    if not isinstance(error, yaml.MarkedYAMLError):
        return Problem(path, *_TOP, "", f"not YAML: {' '.join(str(error).split())}")
    since = error.context_mark
    mark = since if "simple key" in (error.context or "") else error.problem_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else _TOP
    said = f"{error.context or ''} {error.problem or ''}".strip()
    if lines[line - 1 : line] and lines[line - 1][column - 1 : column] == "\t":
        return Problem(path, line, column, "", "not YAML: a tab cannot indent; use spaces")
    advice = next((f" ({text})" for part, text in _ADVICE if part in said), "")
    begun = f", begun in line {since.line + 1}" if since and since.line + 1 != line else ""
    return Problem(path, line, column, "", f"not YAML: {error.problem}{begun}{advice}")
