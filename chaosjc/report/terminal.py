"""Finished runs and lists of runs in a terminal, as rich renderables; plans are those of `dryrun`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from chaosjc.journal.effects import control
from chaosjc.journal.events import PHASES, Entry, Planned
from chaosjc.journal.measure import HypothesisResult, PhaseResult, distributions
from chaosjc.journal.repeats import ENOUGH, Spread, Sum
from chaosjc.journal.state import StepState, fold
from chaosjc.report import words
from chaosjc.report.effects import delta_words, never_varied, shift_words
from chaosjc.report.figures import sums
from chaosjc.report.overview import outcome
from chaosjc.report.plot import unit_of
from chaosjc.report.safe import Safe
from chaosjc.report.stalls import NONE_LATE, WRITES, Users, asked, felt, lasted, stalls, watched, with_unknown
from chaosjc.report.story import Story, budget, command, promise, read
from chaosjc.report.why import in_figures

STYLES: dict[str, str] = {
    "PASS": "green", "FAIL": "red", "INCONCLUSIVE": "yellow", "NOT-STARTED": "bright_black", "ABORTED": "dark_orange3",
    "UNDO-FAILED": "magenta", "RUNNING": "blue",
}  # fmt: skip
STATE_STYLES: dict[bool | None, str] = {True: "green", False: "red", None: "yellow"}


INDENT = 16


class Summary:
    """A run at its end: verdict and why, hypotheses by phase, faults, recovery, and where to look next."""

    def __init__(self, entries: Sequence[Entry], *, journal: str = "", report: str = "") -> None:
        self._story = read(entries)
        self._journal, self._report = journal, report

    def __rich__(self) -> RenderableType:
        """Fits 80 columns."""
        story = self._story
        return Safe(
            Text.assemble(label(story.label), "  ", *named(story.planned)),
            Padding(Text("\n".join([story.reason, *in_figures(story)])), (0, 0, 1, 0)),
            _hypotheses(story.judgement.hypotheses),
            Text(),
            *([_observations(story), Text()] if story.planned.observations else []),
            *([groups, Text()] if (groups := _groups(story)) else []),
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
            pairs.insert(0, ("stalls", _stalls(story)))
        for users in asked(story):
            if users is not WRITES:
                pairs.insert(0, ("outages", _outages(story, users)))
        if story.judgement.time_to_detect is not None:
            spent = [("budget", _budget(story))] if budget(story)[0] else []
            pairs[:0] = [("violated", _violated(story)), *spent]
        pairs += [("journal", self._journal)] if self._journal else []
        pairs += [("report", self._report)] if self._report else []
        pairs += [("anew", story.anew)] if story.anew else []
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


def run_list(runs: Iterable[Sequence[Entry]], dead: Collection[str] = ()) -> RenderableType:
    """Two lines a run: what, when and how it ended, and why. Entries may come without their samples.

    `dead` are runs that did not end, and whose process did.
    """
    states = [state for state in (fold(entries) for entries in runs) if state is not None]
    width = max((len(state.run) for state in states), default=0)
    lines: list[RenderableType] = []
    for state in states:
        verdict = state.closed.verdict if state.closed else "RUNNING"
        started = f"{words.day(state.planned_at)[4:10]} {words.moment(state.planned_at, digits=0)}"
        lines.append(Text.assemble(_sign(verdict), f"{state.run:<{width}}  {started}  ", *named(state.planned)))
        unended = "its process died: `chaosjc recover` undoes what it left" if state.run in dead else "under way"
        why = state.closed.reason if state.closed else unended
        lines.append(_below(f"{why} (a debt is open: chaosjc recover)" if state.closed and state.debts else why))
    return Safe(*lines) if lines else Text("no runs yet", style="bright_black")


def suite_summary(runs: Iterable[tuple[Sequence[Entry], str]]) -> RenderableType:
    """Several runs, each with the path of its report: verdict, experiment, recovery, why, report.

    Then what those of each experiment that ran more than once sum up to.
    """
    told = [(read(entries), report) for entries, report in runs]
    lines: list[RenderableType] = []
    for story, report in told:
        recovery = f"  recovery {_recovery(story)}" if promise(story) else ""
        lines.append(Text.assemble(_sign(story.label), *named(story.planned), (recovery, "bright_black")))
        lines.append(_below(story.reason))
        lines += [_below(report, "cyan")] if report else []
        lines.append(Text())
    for each in sums(story for story, _ in told):
        if len(each.runs) > 1:
            lines += [_summed(each), Text()]
    return Safe(*lines[:-1])


# ------------------------------------------------------------------ parts


def _sign(verdict: str) -> tuple[str, str]:
    return f"{words.GLYPHS[verdict]} {verdict:<{INDENT - 2}}", f"bold {STYLES[verdict]}"


def named(planned: Planned) -> tuple[tuple[str, str], tuple[str, str]]:
    """The experiment, and where, each with its style."""
    return (planned.experiment, "bold"), _where(planned)


def _below(text: str, style: str = "") -> Padding:
    return Padding(Text(text, style=style, overflow="fold"), (0, 0, 0, INDENT))


def _recovery(story: Story) -> str:
    took = story.judgement.time_to_recover
    said = words.seconds(took) if took is not None else "not seen"
    return f"{said}, {words.seconds(story.planned.recovery.within)} promised"


def _summed(found: Sum) -> RenderableType:
    """`worker-vm-frozen on lab, 5 runs: 4 PASS, 1 FAIL`, and how the figures were spread."""
    verdicts = [(f"{count} {verdict}", STYLES[verdict]) for verdict, count in found.verdicts.items()]
    parts = [part for number, each in enumerate(verdicts) for part in (", " if number else ": ", each)]
    where = f" on {found.site}" if found.site else ""
    title = Text.assemble((found.experiment, "bold"), (where, "bright_black"), f", {len(found.runs)} runs", *parts)
    kinds = {
        "violated after": found.detect, "recovery": found.recover, "longest violation": found.longest,
        "budget spent": found.spent,
    }  # fmt: skip
    table = columns("", "median", "least", "most", "runs", "median, 95 %")
    for name, spread in kinds.items():
        if spread:
            figures = [words.seconds(value) for value in (spread.median, spread.min, spread.max)]
            table.add_row(name, *figures, str(spread.n), _median(spread))
    return Group(title, Padding(table, (0, 0, 0, 3))) if table.row_count else title


def _median(spread: Spread) -> str:
    if spread.low is None:
        return f"needs {ENOUGH} runs"
    return f"{words.seconds(spread.low)} to {words.seconds(spread.high)}"


def columns(*headings: str) -> Table:
    """A table without lines, whose cells fold where they do not fit."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bright_black")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _where(planned: Planned) -> tuple[str, str]:
    return (f" on {planned.site}" if planned.site else "", "bright_black")


def _hypotheses(results: Sequence[HypothesisResult]) -> Table:
    table = columns("", "hypothesis", *PHASES, "worst")
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
    table = columns("observed at most", *PHASES)
    for check in story.planned.observations:
        found, unit = distributions(check, story.samples, story.judgement.windows), unit_of(check)
        most = [found[phase].max if phase in found else None for phase in PHASES]
        table.add_row(check.name, *(words.number(value, unit=unit if value is not None else "") for value in most))
    return table


def _groups(story: Story) -> Table | None:
    """Targets against others, where a check has both and they ever differed."""
    table = columns("targets against others", "phase", "by the median", "Cliff's delta (95 %)")
    for check in (*story.planned.hypotheses, *story.planned.observations):
        found = control(check, story.planned, story.samples, story.judgement.windows)
        few = Text("too few samples", style="bright_black")
        if found and all(each.effect.few for each in found):
            table.add_row(check.name, "all", few)
        elif not never_varied(found):
            name = iter((check.name,))
            for each in found:
                effect, style = each.effect, "bold" if each.effect.seen else ""
                shift = few if effect.few else shift_words(effect.shift, unit_of(check))
                table.add_row(next(name, ""), each.phase, shift, Text(delta_words(effect.delta), style=style))
    return table if table.row_count else None


def _violated(story: Story) -> str:
    found = story.judgement
    longest = f", for {words.seconds(found.longest_violation)} at the longest"
    return f"{words.seconds(found.time_to_detect)} after the first injection{longest}"


def _budget(story: Story) -> str:
    """Of the hypothesis that spent most beyond what it tolerated; one did."""
    spenders = [result for result in story.judgement.hypotheses if result.spent]
    worst = max(spenders, key=lambda result: result.spent - result.plan.tolerate)
    spent, tolerated = words.seconds(worst.spent), words.seconds(worst.plan.tolerate)
    return f"{spent} of violation spent, {tolerated} tolerated: {worst.name}"


def _stalls(story: Story) -> str:
    found = stalls(story)
    longest = max(found, key=lambda stall: stall.seconds, default=None)
    said = f"{len(found)}, the longest {lasted(longest)}: {longest.who}" if longest else NONE_LATE
    return with_unknown(said, story)


def _outages(story: Story, users: Users) -> str:
    found = felt(story, users)
    longest = max(found, key=lambda stall: stall.seconds, default=None)
    said = f"{users.what}: {len(found)}, the longest {lasted(longest)}: {longest.who}" if longest else users.none
    return with_unknown(said, story, users)


def _faults(story: Story) -> Table:
    table = columns("", "fault", "injected", "undo", "verified", "outcome")
    for step in story.steps:
        over = story.over(step) is not None
        good = step.settled or step.intent_at is None or (over and bool(step.plan.irreversible))
        sign = Text("✓" if step.settled else words.NONE if good else "!", style="green" if step.settled else "magenta")
        why = step.inject_failed or (step.outcome_why if step.outcome != "whole" else "") or step.undo_failed
        said = Text(outcome(step, over=over), style="" if good else "bold magenta")
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
