"""What more can be said of a document that is no model, so that its mistakes do not come one after another.

Two things hide others. A misspelt key or first word hides all that is within it: it is looked at as what was meant. And
pydantic asks a rule of a model (a validator of several fields, or of a whole list) only where all beneath it is right:
here it is asked about what there is. What is wrong is absent there, so that a rule that needs it ends with an
AttributeError, and has nothing to say.
"""

from __future__ import annotations

import functools
import inspect
import json
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Annotated, Any, TypeAlias, Union, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from chaosjc.spec.model import FirstWord, Model
from chaosjc.spec.problems import Loc, closest
from chaosjc.spec.reader import Document, Place

Complaint: TypeAlias = tuple[Loc, str]

_NEEDS_MORE = (AttributeError, TypeError, LookupError, AssertionError, StopIteration)
"""How a rule ends that needs what is wrong or absent."""


def meant(document: Document, model: type[BaseModel]) -> Document:
    """The document with the keys and first words that were meant; itself where none is misspelt.

    What is within a misspelt one may be misspelt too: that is left to the next call, for until then nobody knows it.
    """
    reading = _Reading(dict(document.keys), dict(document.values))
    data = cast("dict[str, object]", reading.value(model, document.data, ()))
    if not reading.changed:
        return document
    return replace(document, data=data, keys=reading.keys, values=reading.values)


def complaints(document: Document, model: type[BaseModel], wrong: Collection[Loc]) -> list[Complaint]:
    """What the rules of all models in it say; `wrong` is where pydantic found something, also a rule's complaint."""
    asking = _Asking(frozenset(loc[:end] for loc in wrong for end in range(len(loc) + 1)))
    asking.built(model, document.data, ())
    return asking.complaints


def annotated(info: FieldInfo) -> Any:
    """A field's type with the annotations that pydantic has taken off it."""
    annotation: Any = info.annotation
    for extra in info.metadata:
        annotation = Annotated[annotation, extra]
    return annotation


@functools.cache
def _fields(model: type[BaseModel]) -> Mapping[str, tuple[str, Any]]:
    """Name and type of each field, by what a file calls it."""
    return {info.alias or name: (name, annotated(info)) for name, info in model.model_fields.items()}


def _words(shape: Any) -> FirstWord | None:
    """What chooses the model of an entry of this type."""
    arguments = get_args(shape)
    if get_origin(shape) is Annotated:
        found = next((extra for extra in arguments[1:] if isinstance(extra, FirstWord)), None)
        return found or _words(arguments[0])
    return next(filter(None, map(_words, arguments)), None) if _is_union(shape) else None


def _resolved(shape: Any, data: object) -> Any:
    """Of all that a type allows, the model, list or mapping that `data` is meant to be; None if that is not clear."""
    arguments = get_args(shape)
    if get_origin(shape) is Annotated:
        words = next((extra for extra in arguments[1:] if isinstance(extra, FirstWord)), None)
        return words.model_for(data) if words else _resolved(arguments[0], data)
    if _is_union(shape):
        branches = (_resolved(branch, data) for branch in arguments)
        return next((branch for branch in branches if _is_model(branch) or _inner(branch, data)), None)
    return shape


def _inner(shape: Any, data: object) -> Any:
    """The type of the entries of a list, or of the values of a mapping, if `data` is the like of it; else None."""
    origin, arguments = get_origin(shape), get_args(shape)
    if not (isinstance(origin, type) and arguments):
        return None
    if issubclass(origin, Mapping):
        return arguments[1] if isinstance(data, dict) else None
    return arguments[0] if isinstance(data, list) else None


def _inside(value: object) -> Iterable[tuple[str | int, object]]:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).items()
    return enumerate(cast("list[object]", value)) if isinstance(value, list) else ()


def _is_union(shape: Any) -> bool:
    return get_origin(shape) in (Union, types.UnionType)


def _is_model(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, BaseModel)


@dataclass
class _Reading:
    """One pass over a document, in which misspelt keys get their right names, and keep their places."""

    keys: dict[Loc, Place]
    values: dict[Loc, Place]
    changed: bool = False

    def value(self, shape: Any, data: object, loc: Loc) -> object:
        if isinstance(data, dict):
            return self._mapping(shape, cast("dict[str, object]", data), loc)
        inner = _inner(_resolved(shape, data), data)
        if inner is None or not isinstance(data, list):
            return data
        entries = enumerate(cast("list[object]", data))
        return [self.value(inner, each, (*loc, index)) for index, each in entries]

    def _mapping(self, shape: Any, data: dict[str, object], loc: Loc) -> object:
        words = _words(shape)
        if words and (entry := words.meant(data)) and entry != data:
            return self._renamed(data, entry, loc)
        resolved = _resolved(shape, data)
        if _is_model(resolved):
            fields = _fields(resolved)
            if (spelt := _spelt(data, fields)) != data:
                return self._renamed(data, spelt, loc)
            return {
                key: self.value(fields[key][1], each, (*loc, key)) if key in fields else each
                for key, each in data.items()
            }
        inner = _inner(resolved, data)
        return {key: self.value(inner, each, (*loc, key)) for key, each in data.items()} if inner else data

    def _renamed(self, data: dict[str, object], better: dict[str, object], loc: Loc) -> dict[str, object]:
        """`better`, whose keys and values come in the same order."""
        self.changed = True
        for (old, value), new in zip(data.items(), better, strict=True):
            if old != new:
                self._move(value, (*loc, old), (*loc, new))
        return better

    def _move(self, value: object, old: Loc, new: Loc) -> None:
        for places in (self.keys, self.values):
            if old in places:
                places[new] = places[old]
        for step, each in _inside(value):
            self._move(each, (*old, step), (*new, step))


def _spelt(data: dict[str, object], fields: Mapping[str, object]) -> dict[str, object]:
    """With unknown keys as the fields that were meant, where these are not there as well."""
    found: dict[str, object] = {}
    for key, value in data.items():
        word = None if key in fields else closest(key, fields)
        found[key if word is None or word in data or word in found else word] = value
    return found


_ABSENT = object()


@dataclass
class _Asking:
    """Builds what can be built of a document, from within, and asks each rule on the way."""

    tainted: frozenset[Loc]
    """Where something is wrong, or beneath it."""
    complaints: list[Complaint] = field(default_factory=list[Complaint])
    holders: dict[int, tuple[Any, type[Model]]] = field(default_factory=dict[int, tuple[Any, type[Model]]])
    """Models of one value, by its type's identity: not all types are hashable."""

    def built(self, shape: Any, data: object, loc: Loc) -> Any:
        """A value of that type, of which parts may be absent; _ABSENT where it is none at all."""
        resolved = _resolved(shape, data)
        inner = _inner(resolved, data)
        if isinstance(data, dict) and _is_model(resolved):
            return self._model(resolved, cast("dict[str, object]", data), loc)
        if isinstance(data, list) and inner:
            found = [self.built(inner, each, (*loc, at)) for at, each in enumerate(cast("list[object]", data))]
            entries = tuple(each for each in found if each is not _ABSENT)
            return entries if _is_model(inner) or _words(inner) or len(entries) == len(found) else _ABSENT
        if isinstance(data, dict) and inner:
            values = cast("dict[str, object]", data).items()
            named = {key: self.built(inner, each, (*loc, key)) for key, each in values}
            return _ABSENT if _ABSENT in named.values() else named
        return _ABSENT if loc in self.tainted else self._leaf(shape, cast("object", data))

    def _leaf(self, shape: Any, data: object) -> Any:
        if id(shape) not in self.holders:
            self.holders[id(shape)] = shape, create_model("Holder", __base__=Model, value=(shape, ...))
        try:
            return cast("Any", self.holders[id(shape)][1].model_validate_json(json.dumps({"value": data}))).value
        except ValidationError:
            return _ABSENT

    def _model(self, model: type[BaseModel], data: dict[str, object], loc: Loc) -> Any:
        if loc not in self.tainted:
            return self._leaf(model, data)
        given = {name: (key, shape) for key, (name, shape) in _fields(model).items() if key in data}
        values = {name: self.built(shape, data[key], (*loc, key)) for name, (key, shape) in given.items()}
        known = {name: value for name, value in values.items() if value is not _ABSENT}
        made = model.model_construct(_fields_set=set(given), **known)
        for name in values.keys() - known.keys():
            cast("dict[str, object]", made.__dict__).pop(name, None)
        for rule in model.__pydantic_decorators__.field_validators.values():
            for name in known.keys() & set(rule.info.fields) if rule.info.mode == "after" else ():
                self._ask((*loc, given[name][0]), _of_field(rule.func, made, name), known[name])
        for rule in model.__pydantic_decorators__.model_validators.values():
            if rule.info.mode == "after":
                self._ask(loc, rule.func, made)
        return made

    def _ask(self, loc: Loc, rule: Callable[[Any], object], value: object) -> None:
        try:
            rule(value)
        except PydanticCustomError as error:
            self.complaints.append((loc, error.message()))
        except ValueError as error:
            if type(error) is ValueError:  # what a library says of an absent value is not for people
                self.complaints.append((loc, str(error)))
        except _NEEDS_MORE:
            pass


def _of_field(rule: Callable[..., object], made: BaseModel, name: str) -> Callable[[Any], object]:
    """A field's rule as a function of its value; some want to see the other fields too."""
    if len(inspect.signature(rule).parameters) < 2:
        return rule
    return lambda value: rule(value, SimpleNamespace(data=made.__dict__, field_name=name))
