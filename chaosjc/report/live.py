"""A run while it goes on: a calm view for a terminal, and plain lines for a pipe or a log."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from chaosjc.journal.events import PHASES, Entry, Planned, Sample
from chaosjc.journal.state import StepState
from chaosjc.report import words
from chaosjc.report.overview import outcome
from chaosjc.report.terminal import STATE_STYLES, STYLES, label
from chaosjc.report.tracker import Gauge, Look, Tracker, transitions

LINES = 22  # of the view: it keeps its height, so that nothing jumps
SPARK = 12
_BLOCKS = "▁▂▃▄▅▆▇█"


class LiveView:
    """Feed it with `update`, render it as often as you like. `now` is the time, seconds since 1970."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._tracker = Tracker()

    def update(self, entries: Iterable[Entry]) -> None:
        """Take in new entries, in order; those seen already are ignored."""
        self._tracker.update(entries)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """At most as high as the terminal, less the line of its prompt; as wide as it is."""
        height = min(LINES, (options.height or console.size.height) - 1)
        yield from self._lines(height)

    def _lines(self, height: int) -> Iterable[RenderableType]:
        tracker, now = self._tracker, self._now()
        if tracker.planned is None or tracker.run is None:
            yield Text("planning …", style="bright_black")
            return
        yield _head(tracker, now)
        yield _phases(tracker, now)
        yield Text()
        room = max(height - 7, 4)
        steps = sorted(tracker.run.steps.values(), key=lambda step: step.settled)
        faults = min(len(steps), max(1, room // 3))
        yield _faults(steps, faults, tracker, now)
        gauges = sorted(tracker.hypotheses, key=lambda gauge: gauge.state(now) is not False)
        shown = min(len(gauges), max(1, room - faults - (len(steps) > faults) - 3))
        yield Text()
        yield _hypotheses(gauges, shown, now)
        used = faults + (len(steps) > faults) + shown + (len(gauges) > shown)
        yield Text()
        yield from _events(tracker, max(room - used, 1))


class PlainLog:
    """The same as lines: one for each event, and one for each change of a hypothesis."""

    def __init__(self) -> None:
        self._tracker = Tracker()
        self._known: dict[str, bool | None] = {}

    def update(self, entries: Iterable[Entry]) -> list[str]:
        """The lines for new entries; samples speak only where a hypothesis changes."""
        lines: list[str] = []
        for entry in entries:
            self._tracker.update([entry])
            line = plain_line(entry, self._tracker.planned)
            lines += [line] if line else []
            if isinstance(entry.event, Sample):
                changes = transitions(self._tracker, self._known)
                lines += [_line(entry.at, words.STATES[look.held], _said(gauge, look)) for gauge, look in changes]
        return lines


def plain_line(entry: Entry, planned: Planned | None = None) -> str | None:
    """`16:35:02.1 injected        vm.pause worker-001`; None for a sample. With the plan, steps have their names."""
    if isinstance(entry.event, Sample):
        return None
    own = entry.event if isinstance(entry.event, Planned) else planned
    subject, detail = words.what(entry.event, own)
    if isinstance(entry.event, Planned):
        subject = entry.event.experiment
    return _line(entry.at, entry.event.type, ": ".join(part for part in (subject, detail) if part))


def _line(at: float, kind: str, said: str) -> str:
    return f"{words.moment(at)} {kind:<14} {' '.join(said.split())}".rstrip()


def _said(gauge: Gauge, look: Look) -> str:
    if look.held is None:
        return gauge.plan.name
    return f"{gauge.plan.name}: {words.number(look.value)}, expected {gauge.plan.expect}"


# ------------------------------------------------------------------ parts of the view


def _row(left: Text, right: Text) -> Table:
    table = Table.grid(expand=True, padding=(0, 1, 0, 0))
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column(justify="right", no_wrap=True)
    table.add_row(left, right)
    return table


def _head(tracker: Tracker, now: float) -> Table:
    run = tracker.run
    if run is None:
        return _row(Text(), Text())
    site = f" on {run.planned.site}" if run.planned.site else ""
    sign = label(run.closed.verdict if run.closed else "RUNNING")
    left = Text.assemble(sign, "  ", (run.planned.experiment, "bold"), (site, "bright_black"))
    end = run.closed_at if run.closed_at is not None else now
    return _row(left, Text(f"seed {run.planned.seed}   {words.countdown(end - run.planned_at)}", style="bright_black"))


def _phases(tracker: Tracker, now: float) -> Table:
    """The four phases, the present one marked, and what it waits for."""
    position = {"recovered": 2, "not recovered": 2, "closed": 4}.get(tracker.phase)
    position = PHASES.index(tracker.phase) if position is None else position
    line = Text()
    for i, name in enumerate(PHASES):
        line.append(" ─ " if i else "", style="bright_black")
        line.append(name, style="bold blue" if i == position else "" if i < position else "bright_black")
    return _row(line, Text(_awaited(tracker, now), style="bright_black"))


def _awaited(tracker: Tracker, now: float) -> str:
    """How the run stands, and until when."""
    run = tracker.run
    if run is None or run.closed or run.stopping:
        return (
            "" if run is None else run.closed.code if run.closed else f"stopping: {run.stopping and run.stopping.cause}"
        )
    claimed = [step.claimed_at for step in run.steps.values() if step.claimed_at is not None]
    plan, since = run.planned, tracker.phase_since
    until = {
        "before": ("baseline", since + plan.baseline),
        "during": ("deadline in", (tracker.admitted_at or run.planned_at) + plan.deadline),
        "recovering": ("promised in", min(claimed, default=since) + plan.recovery.within),
        "after": ("settling", since + plan.settle),
    }
    if tracker.phase not in until:
        return tracker.phase
    what, at = until[tracker.phase]
    return (
        f"late by {words.countdown(now - at)}"
        if at < now and what == "promised in"
        else f"{what} {words.countdown(at - now)}"
    )


def _grid(*ratios: int) -> Table:
    """Columns without wrap; those of ratio 0 are as wide as they must be."""
    table = Table.grid(expand=True, padding=(0, 2, 0, 0))
    for ratio in ratios:
        table.add_column(ratio=ratio or None, no_wrap=True, overflow="ellipsis")
    return table


def _faults(steps: Sequence[StepState], shown: int, tracker: Tracker, now: float) -> Table:
    table = _grid(0, 1, 0, 0)
    for step in steps[:shown]:
        sign, style, state, note = _step(step, tracker, now)
        name = f"{step.plan.fault} {step.plan.target.name}"
        table.add_row(Text(sign, style=style), name, Text(state, style=style), Text(note, style="bright_black"))
    if len(steps) > shown:
        whole = sum(step.settled for step in steps)
        table.add_row(
            "", Text(f"{len(steps) - shown} more, {whole} of {len(steps)} whole", style="bright_black"), "", ""
        )
    return table


def _step(step: StepState, tracker: Tracker, now: float) -> tuple[str, str, str, str]:
    """A sign, its style, the state, and what comes next."""
    if step.settled:
        return "✓", "green", outcome(step), ""
    if step.intent_at is None:
        over = tracker.phase == "closed" or (tracker.run is not None and tracker.run.stopping is not None)
        first = (
            min((s.intent_at for s in tracker.run.steps.values() if s.intent_at), default=None) if tracker.run else None
        )
        due = "" if over or first is None else f"in {words.countdown(first + step.plan.start - now)}"
        return "·", "bright_black", "not begun", due
    if step.claimed_at is not None:
        failed = step.undo_failed or (step.outcome_why if step.outcome else "")
        return "↺", "magenta" if failed else "cyan", f"undoing, try {step.epoch}", failed[:40] or step.plan.undo
    if step.injected_at is not None:
        left = step.injected_at + step.plan.duration - now
        return "●", "yellow", "broken", f"undo in {words.countdown(left)}"
    return "○", "yellow", "inject failed" if step.inject_failed else "injecting", step.inject_failed or step.plan.inject


def _hypotheses(gauges: Sequence[Gauge], shown: int, now: float) -> Table:
    table = _grid(0, 1, 0, 0, 0, 0, 0)
    for gauge in gauges[:shown]:
        held = gauge.state(now) if gauge.looks else None
        value = gauge.last.value if gauge.last else None
        expected = gauge.plan.expect if len(gauge.plan.expect) <= 16 else f"{gauge.plan.expect[:15]}…"
        lost = f"{words.seconds(gauge.violated)} lost" if gauge.violated >= 0.05 else ""
        table.add_row(
            Text(words.STATE_GLYPHS[held], style=STATE_STYLES[held]),
            gauge.plan.name,
            Text(f"{words.STATES[held]:8}", style=STATE_STYLES[held]),
            Text(f"{words.number(value)[:8]:>8}"),
            Text(expected, style="bright_black"),
            sparkline(list(gauge.looks)[-SPARK:]),
            Text(lost, style="red"),
        )
    if len(gauges) > shown:
        table.add_row("", Text(f"{len(gauges) - shown} more", style="bright_black"))
    return table


def sparkline(looks: Sequence[Look]) -> Text:
    """One block a look, as high as its value among them, in the colour of its state; a dot is no data."""
    numbers = [look.value for look in looks if isinstance(look.value, float | int) and math.isfinite(look.value)]
    low, high = min(numbers, default=0.0), max(numbers, default=0.0)
    line = Text(" " * (SPARK - len(looks)))
    for look in looks:
        if look.held is None:
            line.append("·", style=STATE_STYLES[None])
            continue
        part = 0.0
        if isinstance(look.value, float | int) and high > low:
            part = (min(max(look.value, low), high) - low) / (high - low)
        line.append(_BLOCKS[round(part * (len(_BLOCKS) - 1))], style=STATE_STYLES[look.held])
    return line


def _events(tracker: Tracker, room: int) -> Iterable[Text]:
    entries = tracker.entries[-room:]
    for entry in entries:
        line = Text(plain_line(entry, tracker.planned) or "", style="bright_black", no_wrap=True, overflow="ellipsis")
        if entry.event.type in ("closed", "refused", "undo-failed", "inject-failed", "stopping"):
            closed = tracker.run.closed if tracker.run else None
            line.style = STYLES[closed.verdict] if closed and entry.event.type == "closed" else "yellow"
        yield line
    for _ in range(room - len(entries)):
        yield Text()
