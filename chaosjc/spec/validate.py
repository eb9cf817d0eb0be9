"""A document becomes a model; what pydantic finds becomes problems in the words of the file."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from chaosjc.errors import Problem
from chaosjc.spec import rough
from chaosjc.spec.model import TAG, FirstWord
from chaosjc.spec.problems import Loc, Problems, closest, describe, did_you_mean, quote
from chaosjc.spec.reader import Document

M = TypeVar("M", bound=BaseModel)

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "none_required": "nothing",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
}
_BEYOND = {
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "too_short": "{min_length} or more entries",
    "too_long": "{max_length} or fewer entries",
    "string_too_short": "{min_length} or more characters",
    "string_too_long": "{max_length} or fewer characters",
    "string_pattern_mismatch": "text that matches {pattern}",
}
# Booleans in YAML 1.1 alone: what Ansible and older tools taught people to write.
_YAML_1_1: Mapping[str, str] = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_MANY = 1000
"""With more errors than these nobody mends all at once, and a hostile file would take its time."""
_CHOICES = re.compile(r"'((?:[^'\\]|\\.)*)'")


def choose(document: Document, models: Mapping[str, type[M]], problems: Problems) -> type[M] | None:
    """The model for the document's `kind`; with a problem, the one that was meant, where that is missing or unknown.

    None where nobody can tell which that is.
    """
    kind = document.data.get("kind")
    if isinstance(kind, str) and kind in models:
        return models[kind]
    if isinstance(kind, str):
        message = f"unknown kind {quote(kind)}; {did_you_mean(kind, models)}"
    else:
        found = "missing" if "kind" not in document.data else f"not {describe(kind)}"
        message = f"expected one of {', '.join(models)}: kind is {found}"
    problems.add(document.problem(("kind",), message))
    close = closest(kind, models) if isinstance(kind, str) else None
    return models[close] if close else _likest(document.data, models.values())


def _likest(data: Mapping[str, object], models: Iterable[type[M]]) -> type[M] | None:
    """The model that has most of these keys, if it has the greater part."""

    def shared(model: type[M]) -> int:
        return sum(_key_of(name, info) in data for name, info in model.model_fields.items())

    best = max(models, key=shared, default=None)
    return best if best and shared(best) * 2 > len(data) else None


def validate(document: Document, model: type[M], problems: Problems) -> M | None:
    """The document as a `model`; None, with every problem added, where it is none.

    It is validated as JSON, whose types are those of a file: a list may become a tuple, a text an Enum, and nothing
    else is converted. A place and field that an earlier step complained about is not complained about again.
    """
    known = {(p.line, p.field) for p in problems if p.path == document.path}
    try:
        return model.model_validate_json(json.dumps(document.data))
    except ValidationError:
        found = dict.fromkeys(_found(document, model))
    for problem in found:
        if (problem.line, problem.field) not in known:
            problems.add(problem)
    return None


def _found(document: Document, model: type[BaseModel]) -> Iterator[Problem]:
    """What is wrong, what would be if nothing were misspelt, and what the rules say that were not asked."""
    while errors := _errors(document, model):
        translation = _Translation(document, model)
        yield from translation.problems(errors)
        if len(errors) > _MANY:
            return
        better = rough.meant(document, model)
        if better is document:
            wrong = [translation.loc(error) for error in errors]
            yield from (document.problem(*complaint) for complaint in rough.complaints(document, model, wrong))
            return
        document = better


def _errors(document: Document, model: type[BaseModel]) -> list[ErrorDetails]:
    try:
        model.model_validate_json(json.dumps(document.data))
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


class _Translation:
    """Pydantic's errors about one document, in its own words and places."""

    def __init__(self, document: Document, model: type[BaseModel]) -> None:
        self.document = document
        self.model = model

    def problems(self, errors: list[ErrorDetails]) -> Iterator[Problem]:
        """One problem for each wrong place: what the branches of a union say about it is said once."""
        at: dict[Loc, list[ErrorDetails]] = {}
        for error in errors:
            at.setdefault(self.loc(error), []).append(error)
        enclosing = {loc[:end] for loc in at for end in range(len(loc))}
        for loc, together in at.items():
            precise = [error for error in together if error["type"] not in _EXPECTED]
            if not precise and loc in enclosing:
                continue  # another branch of the union took the value, and found more inside
            if not self._only_bad_entries(loc, together[0]):
                yield self._problem(loc, precise or together)

    def _only_bad_entries(self, loc: Loc, error: ErrorDetails) -> bool:
        """Pydantic counts good entries alone: a list of one bad entry is "too short", and is not."""
        entries = self._value(loc)
        if error["type"] != "too_short" or not isinstance(entries, list):
            return False
        return len(cast("list[object]", entries)) >= error.get("ctx", {})["min_length"]

    def loc(self, error: ErrorDetails) -> Loc:
        """The location in the file: without the names that pydantic gives to the branches of unions."""
        data: object = self.document.data
        loc: Loc = ()
        last = len(error["loc"]) - 1
        for index, step in enumerate(error["loc"]):
            inside = _inside(data, step)
            if inside is not _NOTHING:
                loc, data = (*loc, step), inside
            elif index == last and error["type"] == "missing":
                loc = (*loc, step)
        key = error.get("ctx", {}).get("key")
        return (*loc, key) if key else loc

    def _problem(self, loc: Loc, errors: list[ErrorDetails]) -> Problem:
        error = errors[0]
        document = self.document
        if error["type"] == "missing":
            return document.problem(loc, "required, but missing", document.key_place(loc[:-1]))
        if error["type"] == "extra_forbidden":
            hint = did_you_mean(str(loc[-1]), self._siblings(loc))
            return document.problem(loc, f"unknown key; {hint}", document.key_place(loc))
        if error["type"] == "expect" and isinstance(value := self._value(loc), str):
            place = document.place_within(loc, value, error.get("ctx", {})["offset"])
            return document.problem(loc, error["msg"], place)
        return document.problem(loc, self._message(loc, errors))

    def _message(self, loc: Loc, errors: list[ErrorDetails]) -> str:
        error, found = errors[0], self._value(loc)
        kind, context = error["type"], error.get("ctx", {})
        if kind in _EXPECTED:
            return _wrong_kind(list(dict.fromkeys(_EXPECTED[error["type"]] for error in errors)), found)
        if kind in ("literal_error", "enum"):
            return _wrong_choice(context["expected"], found)
        if kind in _BEYOND:
            return f"expected {_BEYOND[kind].format(**context)}, found {describe(found)}"
        return str(context.get("error", error["msg"]))

    def _value(self, loc: Loc) -> object:
        data: object = self.document.data
        for step in loc:
            data = _inside(data, step)
        return data

    def _siblings(self, loc: Loc) -> set[str]:
        """The keys that could stand where the one at `loc` does."""
        names: set[str] = set()
        for model in _models_at(self.model, loc[:-1], self.document.data):
            names |= {_key_of(name, field) for name, field in model.model_fields.items()}
        return names


_NOTHING = object()


def _inside(data: object, step: str | int) -> object:
    if isinstance(step, str) and step.startswith(TAG):
        return _NOTHING
    if isinstance(data, dict):
        return cast("dict[str | int, object]", data).get(step, _NOTHING)
    if isinstance(data, list) and isinstance(step, int) and step < len(entries := cast("list[object]", data)):
        return entries[step]
    return _NOTHING


def _wrong_kind(expected: list[str], found: object) -> str:
    advice = ""
    if "text" in expected and isinstance(found, int | float):
        advice = " (quote it)"
    elif "a list" in expected and isinstance(found, str):
        advice = f" (write [{quote(found)}])"
    elif "true or false" in expected and isinstance(found, str) and found.lower() in _YAML_1_1:
        advice = f" (write {_YAML_1_1[found.lower()]})"
    *most, last = (kind for kind in expected if kind != "a whole number" or "a number" not in expected)
    listed = f"{', '.join(most)} or {last}" if most else last
    return f"expected {listed}, found {describe(found)}{advice}"


def _wrong_choice(expected: str, found: object) -> str:
    choices = [choice.replace("\\'", "'") for choice in _CHOICES.findall(expected)]
    if isinstance(found, str) and choices:
        return f"unknown value {quote(found)}; {did_you_mean(found, choices)}"
    return f"expected {expected}, found {describe(found)}"


def _key_of(name: str, field: FieldInfo) -> str:
    return field.alias or name


def _models_at(shape: Any, loc: Loc, data: object) -> Iterator[type[BaseModel]]:
    """The models that a type has at a location; `data` chooses where a first word does."""
    origin, arguments = get_origin(shape), get_args(shape)
    if origin is Annotated:
        words = next((extra for extra in arguments[1:] if isinstance(extra, FirstWord)), None)
        yield from _models_at(words.model_for(data) if words else arguments[0], loc, data)
    elif origin in (Union, types.UnionType):
        for branch in arguments:
            yield from _models_at(branch, loc, data)
    elif isinstance(shape, type) and issubclass(shape, BaseModel):
        if not loc:
            yield shape
        for name, field in shape.model_fields.items() if loc else ():
            if _key_of(name, field) == loc[0]:
                yield from _models_at(rough.annotated(field), loc[1:], _inside(data, loc[0]))
    elif loc and arguments:
        inner = arguments[1] if issubclass(origin or object, Mapping) else arguments[0]
        yield from _models_at(inner, loc[1:], _inside(data, loc[0]))
