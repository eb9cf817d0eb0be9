"""The guards: one ordered list of pure functions. The first that refuses wins; one that fails refuses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from chaosjc.faults.target import Chosen
from chaosjc.journal.events import Planned, Refused
from chaosjc.journal.live import Steady
from chaosjc.journal.store import View
from chaosjc.site.model import SiteFile


@dataclass(frozen=True)
class Facts:
    """All that a guard may look at. `steady` is None before the baseline; `alive` are runs whose process lives."""

    run: str
    planned: Planned
    view: View
    chosen: Sequence[Chosen] = ()
    site: SiteFile | None = None
    steady: Steady | None = None
    alive: Collection[str] = field(default_factory=frozenset[str])

    def with_steady(self, steady: Steady) -> Facts:
        """The same once the baseline is over."""
        return replace(self, steady=steady)


Guard = Callable[[Facts], Refused | None]


def halted(facts: Facts) -> Refused | None:
    """Somebody has pressed the kill switch."""
    halt = facts.view.halted
    if halt is None:
        return None
    return Refused(guard="halted", code="halted", reason=f"halted by {halt.who}: {halt.why}; `chaosjc resume` ends it")


def undo_debt(facts: Facts) -> Refused | None:
    """Something may still be broken from before."""
    for other in facts.view.runs:
        if other.run == facts.run or other.run in facts.alive:
            continue
        what = ", ".join(s.plan.inject for s in other.debts) or "it was never closed"
        return Refused(
            guard="undo debt", code="undo-debt", reason=f"run {other.run} left a debt ({what}); run `chaosjc recover`"
        )
    return None


def targets(facts: Facts) -> Refused | None:
    """Nothing is a target unless the site's policy says so, and what it protects never is."""
    for chosen in facts.chosen:
        if len(chosen.targets) >= chosen.wanted:
            continue
        if chosen.refused:
            first = chosen.refused[0]
            return Refused(guard="targets", code=first.code, reason=f"{first.name} may not be broken: {first.why}")
        reason = f"{len(chosen.targets)} eligible targets are there, {chosen.wanted} were asked for"
        return Refused(guard="targets", code="too-few-targets", reason=reason)
    return None


def lost_data(facts: Facts) -> Refused | None:
    """A VM whose data has no copy elsewhere is not deleted."""
    if facts.site is None:
        return None
    for step in facts.planned.steps:
        role = facts.site.roles.get(step.target.role)
        if step.fault == "vm.delete" and role is not None and not role.disposable:
            reason = f"{step.target.name} holds what nothing else does: role {step.target.role} is not disposable"
            return Refused(guard="lost data", code="lost-data", reason=reason)
    return None


def related_run(facts: Facts) -> Refused | None:
    """One target, one run at a time."""
    mine = {step.target.id for step in facts.planned.steps}
    for other in facts.view.runs:
        if other.run == facts.run or other.run not in facts.alive:
            continue
        theirs = {step.target.id for step in other.planned.steps}
        if mine & theirs and (mine != {"local"} or other.planned.experiment == facts.planned.experiment):
            reason = f"run {other.run} ({other.planned.experiment}) is under way on the same target"
            return Refused(guard="related run", code="busy", reason=reason)
    return None


def steady_state(facts: Facts) -> Refused | None:
    """What is not well, or not seen to be, is not broken further."""
    if facts.steady is None or facts.steady.held:
        return None
    return Refused(guard="steady state", code=facts.steady.code, reason=facts.steady.reason)


GUARDS: tuple[Guard, ...] = (halted, undo_debt, targets, lost_data, related_run, steady_state)


def first_refusal(facts: Facts, guards: Sequence[Guard] = GUARDS) -> Refused | None:
    """The first guard that says no."""
    for guard in guards:
        refused = _ask(guard, facts)
        if refused is not None:
            return refused
    return None


def answers(facts: Facts, guards: Sequence[Guard] = GUARDS) -> list[tuple[str, Refused | None]]:
    """Every guard's name and answer, for a dry run."""
    return [(guard.__name__.replace("_", " "), _ask(guard, facts)) for guard in guards]


def _ask(guard: Guard, facts: Facts) -> Refused | None:
    try:
        return guard(facts)
    except Exception as error:  # noqa: BLE001 - a guard that cannot answer has not agreed
        name = guard.__name__.replace("_", " ")
        return Refused(
            guard=name, code="guard-error", reason=f"the guard {name} failed: {type(error).__name__}: {error}"
        )
