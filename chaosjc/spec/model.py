"""The base of every model of a file, and entries whose first word says what they are."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from chaosjc.spec.problems import closest, describe, did_you_mean, quote

TAG = "\0"
"""First character of the tags that a FirstWord puts into pydantic's locations: no key of a file can begin with it."""

_NO_MODEL = TAG


class Model(BaseModel):
    """Frozen, no unknown keys, and no guessing: no number is written "30", or true, or NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


Choice: TypeAlias = "type[Model] | Mapping[str, type[Model]]"
"""The model that a first word means, or, where its value decides, the model of each value."""


@dataclass(frozen=True, eq=False)  # unions hash their annotations, and a dict has no hash
class FirstWord:
    """Annotation of an entry whose model is chosen by the one key that is in `choices`.

    `Annotated[Check, FirstWord({"promql": Promql, "check": {"vm": VmCheck}})]`: an entry with `promql` is a Promql, one
    with `check: vm` a VmCheck. Each model declares its first word as a field; the annotated type is their common base.
    """

    choices: Mapping[str, Choice]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A tagged union of all models, and of one more choice: the error for an entry that is none of them.

        The error is no validator around the union, for that would turn JSON into Python objects, and strict lists into
        errors where a model wants tuples. JSON Schema leaves it out, as it has no type.
        """
        choices: dict[Hashable, CoreSchema] = {TAG + tag: handler(model) for tag, model in self._models().items()}
        choices[_NO_MODEL] = core_schema.no_info_plain_validator_function(self._tag)
        return core_schema.tagged_union_schema(choices, discriminator=self._discriminate)

    def model_for(self, entry: object) -> type[Model] | None:
        """The model that `entry`, a mapping of a file, is meant to be; None where that is not clear."""
        try:
            return self._models()[self._tag(entry)]
        except PydanticCustomError:
            return None

    def meant(self, entry: Mapping[str, object]) -> dict[str, object] | None:
        """The entry with the first word that was meant, its keys in their order; None where that is not clear."""
        if not any(word in entry for word in self.choices):
            close = {key: word for key in entry if (word := closest(key, self.choices))}
            entry = {close.get(key, key): value for key, value in entry.items()} if len(close) == 1 else entry
        words = [word for word in self.choices if word in entry]
        choice = self.choices[words[0]] if len(words) == 1 else None
        if choice is None or not isinstance(choice, Mapping):
            return dict(entry) if choice else None
        value = entry[words[0]]
        known = value if isinstance(value, str) and value in choice else None
        better = known or (closest(value, choice) if isinstance(value, str) else None)
        return {**entry, words[0]: better} if better else None

    def _models(self) -> dict[str, type[Model]]:
        models: dict[str, type[Model]] = {}
        for word, choice in self.choices.items():
            if isinstance(choice, Mapping):
                models |= {f"{word}: {value}": model for value, model in choice.items()}
            else:
                models[word] = choice
        return models

    def _discriminate(self, entry: Any) -> str:
        if isinstance(entry, Model):
            return next((TAG + tag for tag, model in self._models().items() if type(entry) is model), _NO_MODEL)
        try:
            return TAG + self._tag(entry)
        except PydanticCustomError:
            return _NO_MODEL

    def _tag(self, entry: object) -> str:
        """The key of `_models` for an entry; PydanticCustomError says what is wrong with its first word."""
        if not isinstance(entry, Mapping):
            raise _error(f"expected a mapping with {self._words()}, found {describe(entry)}")
        keys = cast("Mapping[str, object]", entry)
        words = [word for word in self.choices if word in keys]
        if len(words) != 1:
            raise _error(self._none_or_several(words, keys))
        choice = self.choices[words[0]]
        if not isinstance(choice, Mapping):
            return words[0]
        value = keys[words[0]]
        if isinstance(value, str) and value in choice:
            return f"{words[0]}: {value}"
        if isinstance(value, str):
            raise _error(f"unknown {words[0]} {quote(value)}; {did_you_mean(value, choice)}", words[0])
        raise _error(f"expected the name of a {words[0]}, found {describe(value)}", words[0])

    def _words(self) -> str:
        *most, last = (quote(word)[1:-1] for word in self.choices)
        return f"one of {', '.join(most)} or {last}" if most else last

    def _none_or_several(self, words: list[str], keys: Mapping[str, object]) -> str:
        if words:
            return f"{' and '.join(words)} in one entry: which is it?"
        meant = [
            f"; for {quote(key)} did you mean {quote(word)}?" for key in keys if (word := closest(key, self.choices))
        ]
        return f"expected {self._words()} in this entry{''.join(meant)}"


def _error(message: str, key: str = "") -> PydanticCustomError:
    return PydanticCustomError("first_word", "{message}", {"message": message, "key": key})
