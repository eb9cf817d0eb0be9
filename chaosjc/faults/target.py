"""Who is broken: a pure, seeded choice among what the site's policy allows."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from pydantic import Field, model_validator

from chaosjc.journal.events import Target
from chaosjc.site.model import BASTION, MONITOR
from chaosjc.site.topology import Topology, Vm
from chaosjc.spec.model import Model
from chaosjc.spec.scalars import Percent

ESSENTIAL = {MONITOR: "it measures", BASTION: "every way back goes through it"}
"""Roles that are never drawn: who breaks one of these has to name it."""


class TargetChoice(Model):
    """The `target` of a fault: by name, or some of a role."""

    name: str | tuple[str, ...] | None = None
    role: str | None = None
    count: int | None = Field(default=None, ge=1)
    percent: Percent | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.name is None) == (self.role is None):
            raise ValueError("expected `name`, or `role` with `count` or `percent`")
        if self.name is not None and (self.count is not None or self.percent is not None):
            raise ValueError("`count` and `percent` choose among a role; with `name` the choice is made")
        if self.count is not None and self.percent is not None:
            raise ValueError("expected `count` or `percent`, not both")
        if len(set(self.names)) < len(self.names):
            raise ValueError("a VM is named twice")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The names asked for; none when a role is."""
        if self.name is None:
            return ()
        return (self.name,) if isinstance(self.name, str) else self.name


@dataclass(frozen=True)
class Refusal:
    """A candidate that may not be broken, and why; `code` is that of the guard that says so."""

    name: str
    code: str
    why: str


@dataclass(frozen=True)
class Chosen:
    """Targets and eligible peers left alone, both sorted by name; refusals; and how many were asked for."""

    targets: tuple[Target, ...]
    others: tuple[str, ...]
    refused: tuple[Refusal, ...]
    wanted: int


def choose(choice: TargetChoice, topology: Topology, rng: random.Random) -> Chosen:
    """Draw the targets. What may not be broken is never drawn, and every such candidate is told with its reason."""
    if choice.names:
        candidates, missing = _named(choice.names, topology)
    else:
        candidates, missing = list(topology.of_role(choice.role or "")), []
    named = bool(choice.names)
    refused = [*missing, *(r for vm in candidates if (r := _refusal(vm, named=named)) is not None)]
    eligible = sorted((vm for vm in candidates if _refusal(vm, named=named) is None), key=_name)
    wanted = len(choice.names) or _wanted(choice, len(eligible))
    drawn = eligible if choice.names else sorted(rng.sample(eligible, min(wanted, len(eligible))), key=_name)
    names = {vm.name for vm in drawn}
    why = "named in the file" if choice.names else f"drawn from {len(eligible)} of role {choice.role}"
    return Chosen(
        tuple(Target(id=vm.uuid, name=vm.name, role=vm.role, address=vm.address, why=why) for vm in drawn),
        tuple(vm.name for vm in _peers(drawn, topology) if vm.name not in names),
        tuple(refused),
        wanted,
    )


def _named(names: tuple[str, ...], topology: Topology) -> tuple[list[Vm], list[Refusal]]:
    found = [vm for name in names if (vm := topology.named(name)) is not None]
    known = {vm.name for vm in found}
    return found, [Refusal(name, "target-missing", "the site has no such VM") for name in names if name not in known]


def _refusal(vm: Vm, *, named: bool = False) -> Refusal | None:
    if not named and vm.role in ESSENTIAL:
        return Refusal(vm.name, "protected", f"{ESSENTIAL[vm.role]}: name it to break it all the same")
    if vm.protected:
        return Refusal(vm.name, "protected", "the site's policy protects it")
    if not vm.opted_in:
        return Refusal(vm.name, "not-opted-in", "the site's policy does not name it as a target")
    return None


def _wanted(choice: TargetChoice, eligible: int) -> int:
    if choice.percent is not None:
        return max(1, math.floor(eligible * choice.percent / 100))
    return choice.count or 1


def _peers(drawn: list[Vm], topology: Topology) -> list[Vm]:
    roles = {vm.role for vm in drawn}
    return sorted((vm for vm in topology.vms if vm.role in roles and _refusal(vm) is None), key=_name)


_name: Callable[[Vm], str] = lambda vm: vm.name  # noqa: E731 - a sort key with a type
