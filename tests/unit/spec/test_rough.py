"""A rule says what is so, and nothing that follows from another mistake only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from chaosjc.controller.model import Schedule
from chaosjc.engine.experiment import Experiment
from chaosjc.site.model import SiteFile
from chaosjc.spec import reader
from chaosjc.spec.model import Model
from chaosjc.spec.problems import Loc, Problems
from chaosjc.spec.reader import Document
from chaosjc.spec.validate import validate
from chaosjc.spec.variables import substitute

ROOT = Path(__file__).parents[3]
FILES: dict[str, type[Model]] = {
    "experiments/brick-vm-frozen.yaml": Experiment,
    "experiments/hub-pod-killed.yaml": Experiment,
    "schedules/jupytercloud.yaml": Schedule,
    "sites/jupytercloud.yaml": SiteFile,
}


def read(name: str) -> Document:
    problems = Problems()
    document = reader.load(ROOT / name, problems)
    assert document
    document, _ = substitute(document, problems)
    problems.check()
    return document


def places(data: object, loc: Loc = ()) -> Iterator[Loc]:
    """Of all keys and entries."""
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType, reportUnknownMemberType]
    for step, value in cast("Iterator[tuple[Any, object]]", inside):
        yield (*loc, step)
        yield from places(value, (*loc, step))


def broken(document: Document, loc: Loc) -> Document:
    """With something at `loc` that is right nowhere."""
    data: Any = json.loads(json.dumps(document.data))
    around = data
    for step in loc[:-1]:
        around = around[step]
    around[loc[-1]] = [[[]]]
    return replace(document, data=data)


def told_first(document: Document, model: type[Model]) -> int:
    try:
        model.model_validate_json(json.dumps(document.data))
    except ValidationError as error:
        return len({each["loc"] for each in error.errors()})
    return 0


@pytest.mark.parametrize("name", FILES)
def test_one_mistake_makes_no_rule_complain_that_held_before(name: str) -> None:
    document, model = read(name), FILES[name]
    for loc in places(document.data):
        problems, wrong = Problems(), broken(document, loc)
        validate(wrong, model, problems)
        assert len(problems) <= told_first(wrong, model), (loc, [str(each) for each in problems])


@pytest.mark.parametrize("name", FILES)
def test_what_is_right_is_told_nothing_about(name: str) -> None:
    problems = Problems()
    assert validate(read(name), FILES[name], problems) and not len(problems)
