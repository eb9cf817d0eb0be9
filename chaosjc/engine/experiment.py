"""The experiment file: its model, and how files are read, all errors at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, cast

from pydantic import Field, JsonValue, StringConstraints, ValidationInfo, field_validator

from chaosjc.checks.entry import CheckEntry
from chaosjc.checks.registry import Check, Observation
from chaosjc.errors import Problem
from chaosjc.faults.fault import FaultEntry
from chaosjc.faults.registry import FAULTS
from chaosjc.journal import clear
from chaosjc.spec import reader
from chaosjc.spec.model import FirstWord, Model
from chaosjc.spec.problems import Problems, repeated
from chaosjc.spec.scalars import Duration
from chaosjc.spec.validate import validate
from chaosjc.spec.variables import substitute

AnyFault = Annotated[FaultEntry, FirstWord({"fault": {name: fault.entry for name, fault in FAULTS.items()}})]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


class Recovery(Model):
    """What must hold again, three samples running, and how soon after the first undo call."""

    within: Duration
    until: tuple[Check, ...] = Field(min_length=1)

    @field_validator("until")
    @classmethod
    def _no_claims(cls, checks: tuple[CheckEntry, ...]) -> tuple[CheckEntry, ...]:
        useless = sorted({option for check in checks for option in check.claims})
        if useless:
            raise ValueError(f"{', '.join(useless)}: only a hypothesis has a use for that")
        return checks


class Experiment(Model):
    """Hypotheses, faults, recovery."""

    api_version: Literal["chaosjc/v1"] = Field(alias="apiVersion")
    kind: Literal["Experiment"]
    name: Name
    description: str = ""
    vars: dict[str, str | int | float | bool] = {}
    hypotheses: tuple[Check, ...] = Field(min_length=1)
    """The steady state. At least one, else PASS would claim nothing."""
    observe: tuple[Observation, ...] = ()
    """What is measured and shown besides, from the baseline to the end, and never judged."""
    faults: tuple[AnyFault, ...] = Field(min_length=1)
    recovery: Recovery | None = None
    """By default the hypotheses themselves, within 60s."""
    baseline: Annotated[Duration, Field(ge=1)] = 5.0
    """How long the steady state is watched before anything is broken."""
    settle: Annotated[Duration, Field(ge=1)] = 10.0
    """How long it is watched after recovery."""
    deadline: Duration | None = None
    """From admission; by default what the plan needs, and some more."""

    @field_validator("vars")
    @classmethod
    def _no_secrets(cls, values: dict[str, str | int | float | bool]) -> dict[str, str | int | float | bool]:
        clear.refuse_variables(values)
        return values

    @field_validator("hypotheses", "observe")
    @classmethod
    def _names_differ(cls, checks: tuple[CheckEntry, ...], info: ValidationInfo) -> tuple[CheckEntry, ...]:
        if twice := repeated(each.name for each in checks if each.name):
            what = "hypotheses" if info.field_name == "hypotheses" else "observations"
            raise ValueError(f"two {what} have the same name: {', '.join(twice)}")
        return checks


@dataclass(frozen=True)
class Loaded:
    """An experiment, the bytes it came from, and the values of its variables."""

    path: str
    sha256: str
    source: str
    experiment: Experiment
    vars: dict[str, JsonValue]


def load(
    paths: Sequence[Path], *, site: Mapping[str, object] | None = None, overrides: Mapping[str, object] | None = None
) -> list[Loaded]:
    """Read experiments; SpecError tells every problem of every file. `overrides` win over `site`, both over a file."""
    problems = Problems()
    loaded = [_load(path, problems, site or {}, overrides or {}) for path in paths]
    problems.check()
    return [each for each in loaded if each is not None]


def _load(path: Path, problems: Problems, site: Mapping[str, object], overrides: Mapping[str, object]) -> Loaded | None:
    document = reader.load(path, problems)
    if document is None:
        return None
    document, values = substitute(document, problems, site=site, overrides=overrides)
    experiment = validate(document, Experiment, problems)
    if experiment is None:
        return None
    try:
        clear.refuse_variables(values)  # also those of the site, and of the command line
    except ValueError as error:
        problems.add(Problem(str(path), 0, 0, "vars", str(error)))
    text = "\n".join(document.lines)
    return Loaded(str(path), document.sha256, text, experiment, cast("dict[str, JsonValue]", values))
