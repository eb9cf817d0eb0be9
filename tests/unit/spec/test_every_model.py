"""Every model of a file: frozen, and no key that it does not know."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from chaosjc.controller.model import Schedule
from chaosjc.engine.experiment import Experiment
from chaosjc.site.model import SiteFile
from chaosjc.spec.model import FirstWord, Model
from tests.unit.spec.sample import Target


def inside(shape: Any) -> Iterator[type[BaseModel]]:
    """The models that a type is made of."""
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        yield shape
    if isinstance(shape, FirstWord):
        for choice in shape.choices.values():
            for model in [choice] if isinstance(choice, type) else choice.values():
                yield from inside(model)
    if get_origin(shape) is Annotated or get_origin(shape) in (Union, types.UnionType) or get_args(shape):
        for part in get_args(shape):
            yield from inside(part)


def reached(*roots: type[BaseModel]) -> dict[str, type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {}
    left = list(roots)
    while left:
        model = left.pop()
        if found.setdefault(f"{model.__module__}.{model.__name__}", model) is not model:
            continue
        for field in model.model_fields.values():
            parts = (field.annotation, *field.metadata)
            left += [each for part in parts for each in inside(part) if each not in found.values()]
    return found


EVERY = reached(Experiment, SiteFile, Schedule)


def test_the_walk_reaches_what_is_deep_in_a_file() -> None:
    names = {name.rpartition(".")[2] for name in EVERY}
    assert names >= {"PromqlCheck", "ObservedHttpCheck", "SecretHeader", "TargetChoice", "PodChoice", "Recovery"}
    assert names >= {"Window", "Rule", "Volume", "HealthMonitor", "Match", "Cron", "Often"}
    assert len(EVERY) > 60


@pytest.mark.parametrize("name", sorted(EVERY))
def test_it_is_frozen_and_refuses_unknown_keys(name: str) -> None:
    model = EVERY[name]
    assert issubclass(model, Model)
    assert (model.model_config.get("frozen"), model.model_config.get("extra")) == (True, "forbid")
    assert (model.model_config.get("strict"), model.model_config.get("allow_inf_nan")) == (True, False)
    with pytest.raises(ValidationError) as error:
        model.model_validate_json('{"no key of ours": 1}')
    assert "extra_forbidden" in {each["type"] for each in error.value.errors()}


def test_frozen_and_forbid_are_what_they_say() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Target(role="a").role = "b"  # pyright: ignore[reportAttributeAccessIssue]
