"""A plan in a terminal, before anything of it happens: what would be broken, why that, and whom it reaches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from chaosjc.journal.events import CheckPlan, HypothesisPlan, Planned, Refused, StepPlan
from chaosjc.report import words
from chaosjc.report.safe import Safe
from chaosjc.report.terminal import columns, named
from chaosjc.spec.scalars import format_duration

SHOWN = 12
"""Names of one kind that are printed; `--json` has all of them."""
LATER = "steady state"
"""The guard that has nothing to look at before the baseline was measured."""
UNDO = "undo path"
"""The guard that knows the ways back, and of no undo whether it works: that is the watchdog's to prove."""


@dataclass(frozen=True)
class Forecast:
    """What is known besides the plan: the guards' answers, and what a look at the site told.

    `guards` are names with what they say, `refused` candidates (name, why) that were not chosen, `reached` kinds of
    things with those of them that are hit, and why nobody can say; `storage` what would become of each replica set and
    volume (name, what, whether that is well).
    """

    guards: Sequence[tuple[str, Refused | None]] = ()
    refused: Sequence[tuple[str, str]] = ()
    reached: Sequence[tuple[str, Sequence[str], str]] = ()
    storage: Sequence[tuple[str, str, bool]] = ()


def dry_run(planned: Planned, forecast: Forecast) -> RenderableType:
    """The whole plan, and what each guard says of it."""
    first = next((answer for _, answer in forecast.guards if answer is not None), None)
    starts = ("green", "would start if its steady state holds")
    style, said = ("red", f"would be refused: {first.reason}") if first else starts
    return Safe(
        Text.assemble((" DRY RUN ", "bold reverse blue"), "  ", *named(planned)),
        Padding(Text.assemble((said, style), f"; nothing was touched (seed {planned.seed})"), (0, 0, 1, 0)),
        _targets(planned, forecast.refused),
        Text(),
        _reached(planned, forecast.reached),
        Text(),
        _steps(planned.steps),
        Text(),
        _claims(planned),
        Text(),
        *([_storage(forecast.storage), Text()] if forecast.storage else []),
        _guards(planned, forecast.guards),
    )


def _targets(planned: Planned, refused: Sequence[tuple[str, str]]) -> Table:
    table = columns("target", "", "why")
    chosen = {step.target.name: step.target for step in planned.steps}
    for target in chosen.values():
        table.add_row(Text(target.name, style="bold"), Text("chosen", style="yellow"), target.why or words.NONE)
    for name in planned.others[:SHOWN]:
        table.add_row(name, "left alone", "eligible, not drawn")
    _rest(table, len(planned.others), "left alone", "eligible, not drawn")
    by_reason: dict[str, list[str]] = {}
    for name, why in refused:
        by_reason.setdefault(why, []).append(name)
    for why in list(by_reason)[:SHOWN]:
        for name in by_reason[why][:SHOWN]:
            table.add_row(name, _refused(), why)
        _rest(table, len(by_reason[why]), _refused(), why)
    others = sum(len(names) for names in list(by_reason.values())[SHOWN:])
    _rest(table, others + SHOWN, _refused(), "for other reasons")
    return table


def _refused() -> Text:
    return Text("refused", style="red")


def _rest(table: Table, number: int, what: RenderableType, why: str) -> None:
    if number > SHOWN:
        table.add_row(f"and {number - SHOWN} more", what, why)


def _reached(planned: Planned, reached: Iterable[tuple[str, Sequence[str], str]]) -> Table:
    """The blast radius: what is hit of each kind."""
    table = columns("blast radius", "")
    chosen = {step.target.name for step in planned.steps}
    table.add_row("targets", f"{len(chosen)} of {len(chosen) + len(planned.others)} eligible")
    reached = list(reached)
    for kind, hit, unknown in reached:
        if not unknown:
            table.add_row(kind, f"{len(hit)}: {_listed(hit)}" if hit else "none")
    for why in dict.fromkeys(unknown for _, _, unknown in reached if unknown):
        kinds = ", ".join(kind for kind, _, unknown in reached if unknown == why)
        table.add_row(kinds, Text(f"not known: {why}", style="yellow"))
    return table


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest


def _steps(steps: Sequence[StepPlan]) -> Table:
    table = columns("step", "when", "inject", "undo")
    for step in steps:
        undo = f"irreversible: {step.irreversible}" if step.irreversible else step.undo
        when = f"{words.offset(step.start)} for {words.seconds(step.duration)}"
        table.add_row(step.id, when, f"{step.fault}: {step.inject}" if step.inject else step.fault, undo)
    return table


def _claims(planned: Planned) -> Table:
    table = columns("check", "expect", "rules")
    for plan in planned.hypotheses:
        table.add_row(plan.name, Text(plan.expect), _rules(plan))
    for observed in planned.observations:
        table.add_row(observed.name, words.NONE, f"observed {_rules(observed)}")
    for check in planned.recovery.until:
        table.add_row(check.name, Text(check.expect), f"recovery, within {words.seconds(planned.recovery.within)}")
    return table


def _rules(check: CheckPlan) -> str:
    """How a check is asked and judged, in a line."""
    parts = [f"every {format_duration(check.every)}"]
    if isinstance(check, HypothesisPlan):
        parts += [f"{format_duration(check.tolerate)} tolerated"] if check.tolerate else []
        parts += ["stops the run"] if check.stop else []
    return ", ".join(parts)


def _storage(storage: Sequence[tuple[str, str, bool]]) -> Table:
    table = columns("storage", "", "with this run")
    for name, what, well in storage:
        table.add_row(name, Text("✓", style="green") if well else Text("✗", style="red"), what)
    return table


def _guards(planned: Planned, guards: Sequence[tuple[str, Refused | None]]) -> Table:
    table = columns("guard", "", "answer")
    for name, answer in guards:
        if answer:
            table.add_row(name, Text("✗", style="red"), f"{answer.code}: {answer.reason}")
        elif name == LATER:
            when = f"asked once its {format_duration(planned.baseline)} are measured"
            table.add_row(name, Text(words.NONE, style="bright_black"), when)
        else:
            untried = "; whether each undo can be done is tried by the run, before it breaks anything"
            told = f"agrees{untried if name == UNDO and planned.steps else ''}"
            table.add_row(name, Text("✓", style="green"), told)
    return table
