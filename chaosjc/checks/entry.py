"""What every check of a file may say, whatever it asks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal, cast

from pydantic import ConfigDict, Field, JsonValue, create_model, field_validator
from pydantic_core import PydanticCustomError

from chaosjc.journal.events import PHASES, CheckPlan, Phase
from chaosjc.spec.expect import ANYTHING, Expectation
from chaosjc.spec.model import Model
from chaosjc.spec.scalars import Duration, Share
from chaosjc.spec.variables import alternation, expand

CLAIMS = ("phases", "tolerate", "min_coverage", "stop")
"""Options that make a check a hypothesis; a recovery check has no use for them."""
JUDGED = ("expect", "require", "series", *CLAIMS)
"""Options that make a question a check; an observation has no use for them."""


@dataclass(frozen=True)
class Names:
    """What `$targets` and `$others` stand for once the faults' targets are chosen."""

    targets: Sequence[str] = ()
    others: Sequence[str] = ()

    def fill(self, text: str) -> str:
        """The text with both as regex alternations."""
        return expand(text, self._alternations)

    @cached_property
    def _alternations(self) -> dict[str, str]:
        """Of thousands of names, for every text of a file."""
        return {"targets": alternation(self.targets), "others": alternation(self.others)}


class CheckEntry(Model, ABC):
    """The options that all checks share; a subclass adds its first word and its own."""

    name: str | None = Field(default=None, min_length=1, max_length=200)
    """What people call it; by default, what it asks."""
    expect: Expectation
    """What a good answer is: `== 1`, `<= 15s`, `between 1 and 5`, `within 10% of before`, `matches RE`, `in [..]`."""
    every: Annotated[Duration, Field(ge=0.1)] = 1.0
    """How often to ask."""
    timeout: Annotated[Duration, Field(ge=0.1)] = 5.0
    """How long to wait for an answer; none by then is no data."""
    require: Literal["all", "any"] = "all"
    """Of the series that answer, how many must be as expected."""
    series: int | None = Field(default=None, ge=1)
    """How many series must answer; fewer is no data."""
    phases: tuple[Phase, ...] = Field(default=PHASES, min_length=1)
    """When it must hold."""
    tolerate: Duration = 0.0
    """Violated time in all that is tolerated, from the first injection to recovery."""
    min_coverage: Share = 0.9
    """The part of each phase that must have been measured."""
    stop: bool = False
    """Violated, or without data for 10 s: undo now."""

    @field_validator("phases")
    @classmethod
    def _in_order(cls, phases: tuple[Phase, ...]) -> tuple[Phase, ...]:
        return tuple(phase for phase in PHASES if phase in phases)

    @property
    @abstractmethod
    def kind(self) -> str:
        """Its key in the registry."""

    @abstractmethod
    def title(self, names: Names) -> str:
        """What it asks, in a few words."""

    @abstractmethod
    def options(self, names: Names) -> dict[str, JsonValue]:
        """All that is needed to ask it, as data."""

    @property
    def claims(self) -> tuple[str, ...]:
        """The options given that only a hypothesis has a use for."""
        return tuple(option for option in CLAIMS if option in self.model_fields_set)


def _unclaimed(schema: dict[str, JsonValue]) -> None:
    properties = cast("dict[str, JsonValue]", schema["properties"])
    for option in JUDGED:
        properties.pop(option, None)


class Observed(CheckEntry, ABC):
    """A check of which nothing is expected: its answers are shown, and never judged."""

    model_config = ConfigDict(json_schema_extra=_unclaimed)

    expect: Expectation = ANYTHING

    @field_validator(*JUDGED)
    @classmethod
    def _no_claims(cls, _: object) -> object:
        raise PydanticCustomError("observed", "what is observed is not judged: say it of a hypothesis")


def observed(check: type[CheckEntry]) -> type[CheckEntry]:
    """The model of the same question without a claim."""
    return create_model(f"Observed{check.__name__}", __doc__=check.__doc__, __base__=(Observed, check))


def text(plan: CheckPlan, option: str) -> str:
    """An option of a plan that is text; empty where it is absent."""
    return str(plan.options.get(option) or "")


def texts(plan: CheckPlan, option: str) -> list[str]:
    """An option of a plan that is a list of texts; empty where it is absent."""
    return [str(word) for word in cast("list[object]", plan.options.get(option) or [])]


def mapping(plan: CheckPlan, option: str) -> dict[str, str]:
    """An option of a plan that maps text to text; empty where it is absent."""
    pairs = cast("dict[str, object]", plan.options.get(option) or {})
    return {key: str(value) for key, value in pairs.items()}
