"""An experiment in small, built from the parts under test as the engine builds its own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from chaosjc.spec.expect import Expectation, parse
from chaosjc.spec.model import FirstWord, Model
from chaosjc.spec.scalars import Duration, Percent, Share


class Check(Model):
    name: Annotated[str, Field(max_length=80)] = ""
    tolerate: Duration = 0.0
    every: Annotated[Duration, Field(gt=0)] = 1.0
    min_coverage: Share = 0.9
    phases: tuple[Literal["before", "during", "after"], ...] = ("before", "during", "after")
    stop: bool = False


class Promql(Check):
    promql: str
    expect: Expectation
    series: int | None = None


class Http(Check):
    http: str
    expect: Expectation = parse("== 200")
    headers: dict[str, str] = Field(default_factory=dict)


class VmCheck(Check):
    check: Literal["vm"]
    vm: Annotated[str, Field(min_length=1)]


class SplitBrain(Check):
    check: Literal["gluster.split_brain"]
    volume: str
    expect: Expectation


class Target(Model):
    """What a fault may hit: exactly one way to choose."""

    role: Annotated[str, Field(pattern="^[a-z]+$")] | None = None
    count: Annotated[int, Field(ge=1)] | None = None
    percent: Percent | None = None
    names: str | tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _one_amount(self) -> Target:
        if self.count is not None and self.percent is not None:
            raise ValueError("count and percent exclude each other")
        return self


class Fault(Model):
    target: Target
    start: Duration = 0.0
    duration: Duration = 60.0


class VmPause(Fault):
    fault: Literal["vm.pause"]


class VmStop(Fault):
    fault: Literal["vm.stop"]
    hard: bool = False


AnyCheck = Annotated[
    Check, FirstWord({"promql": Promql, "http": Http, "check": {"vm": VmCheck, "gluster.split_brain": SplitBrain}})
]
AnyFault = Annotated[Fault, FirstWord({"fault": {"vm.pause": VmPause, "vm.stop": VmStop}})]


class Recovery(Model):
    within: Duration
    until: tuple[AnyCheck, ...] = ()


class Experiment(Model):
    api_version: Literal["chaosjc/v1"] = Field(alias="apiVersion")
    kind: Literal["Experiment"]
    name: str
    vars: dict[str, str | int | float | bool | tuple[str, ...]] = Field(default_factory=dict)
    hypotheses: Annotated[tuple[AnyCheck, ...], Field(min_length=1)]
    faults: tuple[AnyFault, ...] = ()
    recovery: Recovery | None = None
