"""Whole files: what is wrong in each of tests/cases/spec/bad, and what the good ones become."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chaosjc.errors import SpecError
from chaosjc.spec.problems import Problems
from chaosjc.spec.reader import load
from chaosjc.spec.validate import validate
from chaosjc.spec.variables import substitute
from tests.unit.spec.sample import Experiment

CASES = Path(__file__).parents[2] / "cases" / "spec"
BAD = sorted((CASES / "bad").glob("*.yaml"))
GOOD = sorted((CASES / "good").glob("*.yaml"))


def read(path: Path, problems: Problems) -> Experiment | None:
    document = load(path, problems)
    if document is None:
        return None
    document, _ = substitute(document, problems)
    return validate(document, Experiment, problems)


def told(path: Path) -> list[str]:
    """The problems of a file, one a line, as they are printed; the directory taken off."""
    problems = Problems()
    read(path, problems)
    with pytest.raises(SpecError) as error:
        problems.check()
    return [str(problem).removeprefix(f"{path.parent}/") for problem in error.value.problems]


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_tells_everything_that_is_wrong(path: Path) -> None:
    assert told(path) == path.with_suffix(".txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_file_becomes_a_model(path: Path) -> None:
    problems = Problems()
    model = read(path, problems)
    problems.check()
    assert model
    dumped = json.loads(model.model_dump_json(by_alias=True, exclude_defaults=True))
    assert dumped == json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_model_reads_what_it_wrote(path: Path) -> None:
    model = read(path, Problems())
    assert model
    assert Experiment.model_validate_json(model.model_dump_json(by_alias=True)) == model
    assert Experiment.model_validate(model.model_dump(by_alias=True)) == model


def test_problems_of_all_files_are_raised_at_once_in_the_order_of_files_and_lines() -> None:
    problems = Problems()
    for path in reversed(BAD):
        read(path, problems)
    with pytest.raises(SpecError) as error:
        problems.check()
    places = [(problem.path, problem.line, problem.column) for problem in error.value.problems]
    assert places == sorted(places)
    assert {path for path, _, _ in places} == {str(path) for path in BAD}
