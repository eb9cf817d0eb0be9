"""Finished runs, lists of runs and plans in a terminal, as rich renderables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from chaosjc.journal.events import PHASES, CheckPlan, Entry, HypothesisPlan, Planned, Refused, StepPlan
from chaosjc.journal.measure import HypothesisResult, PhaseResult, distributions
from chaosjc.journal.state import StepState, fold
from chaosjc.report import words
from chaosjc.report.markup import clean
from chaosjc.report.overview import outcome
from chaosjc.report.plot import unit_of
from chaosjc.report.stalls import LATE, Stall, lasted, stalls, watched
from chaosjc.report.story import Story, command, promise, read
from chaosjc.spec.scalars import format_duration

STYLES: dict[str, str] = {
    "PASS": "green", "FAIL": "red", "INCONCLUSIVE": "yellow", "NOT-STARTED": "bright_black", "ABORTED": "dark_orange3",
    "UNDO-FAILED": "magenta", "RUNNING": "blue",
}  # fmt: skip
STATE_STYLES: dict[bool | None, str] = {True: "green", False: "red", None: "yellow"}


INDENT = 16


class Safe:
    """What it holds, with control characters made visible: a name must not steer the terminal."""

    def __init__(self, *parts: RenderableType) -> None:
        self._parts = parts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render, then clean: styles are no text yet at this point."""
        for segment in console.render(Group(*self._parts), options):
            yield segment if segment.control else Segment(clean(segment.text), segment.style)


class Summary:
    """A run at its end: verdict and why, hypotheses by phase, faults, recovery, and where to look next."""

    def __init__(self, entries: Sequence[Entry], *, journal: str = "", report: str = "") -> None:
        self._story = read(entries)
        self._journal, self._report = journal, report

    def __rich__(self) -> RenderableType:
        """Fits 80 columns."""
        story = self._story
        return Safe(
            Text.assemble(label(story.label), "  ", *_named(story.planned)),
            Padding(Text(story.reason), (0, 0, 1, 0)),
            _hypotheses(story.judgement.hypotheses),
            Text(),
            *([_observations(story), Text()] if story.planned.observations else []),
            _faults(story),
            Text(),
            _facts(self._pairs()),
        )

    def _pairs(self) -> list[tuple[str, str]]:
        story = self._story
        lasted = words.seconds((story.state.closed_at or story.window.end) - story.state.planned_at)
        pairs = [("run", f"{story.state.run}, {lasted}, seed {story.planned.seed}")]
        if promise(story):
            pairs.insert(0, ("recovery", _recovery(story)))
        if watched(story):
            pairs.insert(0, ("stalls", _stalls(stalls(story))))
        if story.judgement.time_to_detect is not None:
            detected = f"{words.seconds(story.judgement.time_to_detect)} after the first injection"
            pairs.insert(0, ("violated", detected))
        pairs += [("journal", self._journal)] if self._journal else []
        pairs += [("report", self._report)] if self._report else []
        return [*pairs, ("next", self._next())]

    def _next(self) -> str:
        planned, run = self._story.planned, self._story.state.run
        if self._story.state.debts:
            return command(planned, "recover")
        if self._report:
            return command(planned, "runs", "show", run)
        return command(planned, "report", run, "--html", f"{planned.experiment}.html")


def label(verdict: str) -> Text:
    """The verdict as a block of colour with its sign and word."""
    return Text(f" {words.GLYPHS[verdict]} {verdict} ", style=f"bold reverse {STYLES[verdict]}")


def run_list(runs: Iterable[Sequence[Entry]]) -> RenderableType:
    """Two lines a run: what, when and how it ended, and why. Entries may come without their samples."""
    states = [state for state in (fold(entries) for entries in runs) if state is not None]
    width = max((len(state.run) for state in states), default=0)
    lines: list[RenderableType] = []
    for state in states:
        verdict = state.closed.verdict if state.closed else "RUNNING"
        started = f"{words.day(state.planned_at)[4:10]} {words.moment(state.planned_at, digits=0)}"
        lines.append(Text.assemble(_sign(verdict), f"{state.run:<{width}}  {started}  ", *_named(state.planned)))
        why = state.closed.reason if state.closed else "under way"
        lines.append(_below(f"{why} (a debt is open: chaosjc recover)" if state.closed and state.debts else why))
    return Safe(*lines) if lines else Text("no runs yet", style="bright_black")


def suite_summary(runs: Iterable[tuple[Sequence[Entry], str]]) -> RenderableType:
    """Several runs, each with the path of its report: verdict, experiment, recovery, why, report."""
    lines: list[RenderableType] = []
    for entries, report in runs:
        story = read(entries)
        recovery = f"  recovery {_recovery(story)}" if promise(story) else ""
        lines.append(Text.assemble(_sign(story.label), *_named(story.planned), (recovery, "bright_black")))
        lines.append(_below(story.reason))
        lines += [_below(report, "cyan")] if report else []
        lines.append(Text())
    return Safe(*lines[:-1])


def dry_run(
    planned: Planned,
    guards: Sequence[tuple[str, Refused | None]],
    refused: Sequence[tuple[str, str]] = (),
    storage: Sequence[tuple[str, str, bool]] = (),
) -> RenderableType:
    """The whole plan, and what each guard says of it.

    `refused` are candidates (name, why) that were not chosen; `storage` what would become of each replica set and
    volume (name, what, whether that is well).
    """
    first = next((answer for _, answer in guards if answer is not None), None)
    style, said = ("red", f"would be refused: {first.reason}") if first else ("green", "would start")
    return Safe(
        Text.assemble((" DRY RUN ", "bold reverse blue"), "  ", *_named(planned)),
        Padding(Text.assemble((said, style), f"; nothing was touched (seed {planned.seed})"), (0, 0, 1, 0)),
        _targets(planned, refused),
        Text(),
        _steps(planned.steps),
        Text(),
        _claims(planned),
        Text(),
        *([_storage(storage), Text()] if storage else []),
        _guards(guards),
    )


# ------------------------------------------------------------------ parts


def _sign(verdict: str) -> tuple[str, str]:
    return f"{words.GLYPHS[verdict]} {verdict:<{INDENT - 2}}", f"bold {STYLES[verdict]}"


def _named(planned: Planned) -> tuple[tuple[str, str], tuple[str, str]]:
    return (planned.experiment, "bold"), _where(planned)


def _below(text: str, style: str = "") -> Padding:
    return Padding(Text(text, style=style, overflow="fold"), (0, 0, 0, INDENT))


def _recovery(story: Story) -> str:
    took = story.judgement.time_to_recover
    said = words.seconds(took) if took is not None else "not seen"
    return f"{said}, {words.seconds(story.planned.recovery.within)} promised"


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bright_black")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _where(planned: Planned) -> tuple[str, str]:
    return (f" on {planned.site}" if planned.site else "", "bright_black")


def _hypotheses(results: Sequence[HypothesisResult]) -> Table:
    table = _table("", "hypothesis", *PHASES, "worst")
    for result in results:
        sign = Text(words.STATE_GLYPHS[result.held], style=STATE_STYLES[result.held])
        if result.held is None and all(phase.held for phase in result.phases.values()):
            sign = Text(words.NONE, style="bright_black")  # a phase never came: nothing was wrong with the data
        cells = [_phase(result.phases.get(phase)) for phase in PHASES]
        table.add_row(sign, result.name, *cells, Text(_worst(result), overflow="ellipsis", no_wrap=True))
    return table


def _phase(result: PhaseResult | None) -> Text:
    if result is None:
        return Text(words.NONE, style="bright_black")
    note = {
        True: f" ({words.seconds(result.violated_s)})" if result.violated_s else "",
        False: f" {words.seconds(result.violated_s)}",
        None: f" {words.seconds(result.unknown_s)}" if result.unknown_s >= 0.05 else "",
    }
    return Text(f"{words.STATES[result.held]}{note[result.held]}", style=STATE_STYLES[result.held])


def _worst(result: HypothesisResult) -> str:
    return words.NONE if result.worst is None else words.number(result.worst)


def _observations(story: Story) -> Table:
    """The greatest value of each observation in each phase, of all its series."""
    table = _table("observed at most", *PHASES)
    for check in story.planned.observations:
        found, unit = distributions(check, story.samples, story.judgement.windows), unit_of(check)
        most = [found[phase].max if phase in found else None for phase in PHASES]
        table.add_row(check.name, *(words.number(value, unit=unit if value is not None else "") for value in most))
    return table


def _stalls(found: Sequence[Stall]) -> str:
    if not found:
        return f"no write was late by more than {words.seconds(LATE)}"
    longest = max(found, key=lambda stall: stall.seconds)
    return f"{len(found)}, the longest {lasted(longest)}: {longest.who}"


def _faults(story: Story) -> Table:
    table = _table("", "fault", "injected", "undo", "verified", "outcome")
    for step in story.steps:
        good = step.settled or step.intent_at is None
        sign = Text("✓" if step.settled else words.NONE if good else "!", style="green" if step.settled else "magenta")
        why = step.inject_failed or (step.outcome_why if step.outcome != "whole" else "") or step.undo_failed
        said = Text(outcome(step), style="" if good else "bold magenta")
        said.append(f": {why}" if why and not step.settled else "", style="bright_black")
        table.add_row(sign, f"{step.plan.fault} {step.plan.target.name}", *_times(step, story.zero), said)
    return table


def _times(step: StepState, zero: float) -> list[str]:
    injected = words.moment(step.injected_at, digits=0) if step.injected_at is not None else words.NONE
    later = (step.claimed_at, step.verified_at)
    return [injected, *(words.NONE if at is None else words.offset(at - zero) for at in later)]


def _facts(pairs: Iterable[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bright_black")
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(name, Text(value, style="bold" if name == "next" else ""))
    return table


def _targets(planned: Planned, refused: Sequence[tuple[str, str]]) -> Table:
    table = _table("target", "", "why")
    chosen = {step.target.name: step.target for step in planned.steps}
    for target in chosen.values():
        table.add_row(Text(target.name, style="bold"), Text("chosen", style="yellow"), target.why or words.NONE)
    for name in planned.others:
        table.add_row(name, "left alone", "eligible, not drawn")
    for name, why in refused:
        table.add_row(name, Text("refused", style="red"), why)
    users = f"{words.count(len(chosen), 'target')} of {len(chosen) + len(planned.others)} eligible"
    table.add_row(Text("blast radius", style="bright_black"), "", users)
    return table


def _steps(steps: Sequence[StepPlan]) -> Table:
    table = _table("step", "when", "inject", "undo")
    for step in steps:
        undo = f"irreversible: {step.irreversible}" if step.irreversible else step.undo
        when = f"{words.offset(step.start)} for {words.seconds(step.duration)}"
        table.add_row(step.id, when, f"{step.fault}: {step.inject}" if step.inject else step.fault, undo)
    return table


def _claims(planned: Planned) -> Table:
    table = _table("check", "expect", "rules")
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
    table = _table("storage", "", "with this run")
    for name, what, well in storage:
        table.add_row(name, Text("✓", style="green") if well else Text("✗", style="red"), what)
    return table


def _guards(guards: Sequence[tuple[str, Refused | None]]) -> Table:
    table = _table("guard", "", "answer")
    for name, answer in guards:
        sign = Text("✗", style="red") if answer else Text("✓", style="green")
        table.add_row(name, sign, f"{answer.code}: {answer.reason}" if answer else "agrees")
    return table
