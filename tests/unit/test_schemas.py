"""The committed JSON Schemas, with which editors complete files, are those of the models."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaosjc.controller.model import Schedule
from chaosjc.engine.experiment import Experiment
from chaosjc.site.model import SiteFile
from chaosjc.spec.schema import schema_text

SCHEMAS = Path(__file__).parents[2] / "schemas"
TEXTS = {
    "experiment.json": schema_text(Experiment, variables=True),
    "schedule.json": schema_text(Schedule),
    "site.json": schema_text(SiteFile),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_schema_is_what_its_model_says(name: str) -> None:
    assert (SCHEMAS / name).read_text() == TEXTS[name], "make schemas"


if __name__ == "__main__":
    for each, text in TEXTS.items():
        (SCHEMAS / each).write_text(text)
