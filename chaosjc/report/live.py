"""A run while it goes on: a calm view for a terminal, and plain lines for a pipe or a log."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from chaosjc.journal.events import PHASES, Entry, Planned, Sample
from chaosjc.journal.state import RunState, StepState
from chaosjc.report import words
from chaosjc.report.markup import clean
from chaosjc.report.overview import outcome
from chaosjc.report.safe import Safe
from chaosjc.report.terminal import STATE_STYLES, STYLES, label
from chaosjc.report.tracker import Gauge, Look, Tracker, transitions

LINES = 22  # of the view: it keeps its height, so that nothing jumps
EVENTS = 4  # lines at least, before what is observed only is shown
DIM = "bright_black"
_BLOCKS = "▁▂▃▄▅▆▇█"


class LiveView:
    """Feed it with `update`, render it as often as you like. `now` is the time, seconds since 1970."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._tracker = Tracker()
        self._lock = threading.Lock()  # rich draws from a thread of its own

    def update(self, entries: Iterable[Entry]) -> None:
        """Take in new entries, in order; those seen already are ignored."""
        with self._lock:
            self._tracker.update(entries)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """At most as high as the terminal, less the line of its prompt; as wide as it is."""
        height = min(LINES, (options.height or console.size.height) - 1)
        with self._lock:
            run = self._tracker.run
            lines = list(self._lines(run, height, wide=options.max_width >= 110)) if run else []
        yield Safe(*lines) if lines else Text("planning …", style=DIM)

    def _lines(self, run: RunState, height: int, *, wide: bool) -> Iterable[RenderableType]:
        tracker = self._tracker
        now = self._now() if run.closed_at is None else run.closed_at
        tracker.pass_time(now)
        room = max(height - 8, 4)
        faults = min(len(run.steps), max(1, room // 3))
        faults_height = faults + (len(run.steps) > faults)
        shown = min(len(tracker.hypotheses), max(1, room - faults_height - 2))
        used = faults_height + shown + (len(tracker.hypotheses) > shown)
        observed = tracker.observations[: max(room - used - EVENTS, 0)]
        used += len(observed)
        yield _row(_title(run), Text(f"seed {run.planned.seed}   {words.countdown(now - run.planned_at)}", style=DIM))
        yield _row(_phases(tracker), Text(_awaited(tracker, run, now), style=DIM))
        yield Text()
        yield _faults(sorted(run.steps.values(), key=lambda step: step.settled), faults, tracker, now)
        yield Text()
        gauges = sorted(tracker.hypotheses, key=lambda gauge: gauge.state(now) is not False)
        yield _hypotheses(gauges, shown, observed, now, wide=wide)
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
    return f"{words.moment(at)} {kind:<14} {clean(' '.join(said.split()))}".rstrip()


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


def _title(run: RunState) -> Text:
    site = f" on {run.planned.site}" if run.planned.site else ""
    sign = label(run.closed.verdict if run.closed else "RUNNING")
    return Text.assemble(sign, "  ", (run.planned.experiment, "bold"), (site, DIM))


def _phases(tracker: Tracker) -> Text:
    """The four phases, the present one marked."""
    between = {"recovered": 2, "not recovered": 2, "closed": 4}
    position = between[tracker.phase] if tracker.phase in between else [*PHASES].index(tracker.phase)
    line = Text()
    for i, name in enumerate(PHASES):
        line.append(" ─ " if i else "", style=DIM)
        line.append(name, style="bold blue" if i == position else "" if i < position else DIM)
    return line


def _awaited(tracker: Tracker, run: RunState, now: float) -> str:
    """How the run stands, and until when."""
    if run.closed:
        return run.closed.code
    if run.stopping:
        return f"stopping: {run.stopping.cause}"
    claimed = [step.claimed_at for step in run.steps.values() if step.claimed_at is not None]
    plan, since = run.planned, tracker.phase_since
    until = {
        "before": ("baseline", since + plan.baseline),
        "during": ("deadline in", (tracker.admitted_at or run.planned_at) + plan.deadline),
        "recovering": ("promised in", min(claimed, default=since) + plan.recovery.within),
        "after": ("settling", since + plan.settle),
    }
    what, at = until.get(tracker.phase, (tracker.phase, now))
    if what == "promised in" and at < now:
        return f"late by {words.countdown(now - at)}"
    return f"{what} {words.countdown(at - now)}" if tracker.phase in until else what


def _grid(*columns: tuple[str, int]) -> Table:
    """Columns of a heading and a width; 0 takes what is left. So nothing moves as values change."""
    table = Table(box=None, expand=True, pad_edge=False, padding=(0, 2, 0, 0), header_style=DIM)
    for heading, width in columns:
        table.add_column(heading, width=width or None, ratio=None if width else 1, no_wrap=True, overflow="ellipsis")
    return table


def _faults(steps: Sequence[StepState], shown: int, tracker: Tracker, now: float) -> Table:
    table = _grid(("", 1), ("fault", 0), ("state", 18), ("next", 26))
    for step in steps[:shown]:
        sign, style, state, note = _step(step, tracker, now)
        name = f"{step.plan.fault} {step.plan.target.name}"
        table.add_row(Text(sign, style=style), name, Text(state, style=style), Text(note, style=DIM))
    if len(steps) > shown:
        whole = sum(step.settled for step in steps)
        table.add_row("", Text(f"{len(steps) - shown} more, {whole} of {len(steps)} whole", style=DIM))
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
        return "·", DIM, "not begun", due
    if step.claimed_at is not None:
        failed = step.undo_failed or (step.outcome_why if step.outcome else "")
        return "↺", "magenta" if failed else "cyan", f"undoing, try {step.epoch}", failed or step.plan.undo
    if step.injected_at is not None:
        left = step.injected_at + step.plan.duration - now
        if step.plan.irreversible:
            over = left <= 0 or (tracker.run is not None and tracker.run.stopping is not None)
            why = f"irreversible: {step.plan.irreversible}"
            return ("·", DIM, "over", why) if over else ("●", "yellow", "broken", f"over in {words.countdown(left)}")
        return "●", "yellow", "broken", f"undo in {words.countdown(left)}"
    return "○", "yellow", "inject failed" if step.inject_failed else "injecting", step.inject_failed or step.plan.inject


def _hypotheses(gauges: Sequence[Gauge], shown: int, observed: Sequence[Gauge], now: float, *, wide: bool) -> Table:
    spark = 20 if wide else 10
    expected = ("expected", 16 if wide else 10)
    table = _grid(("", 1), ("hypothesis", 0), ("now", 8), ("value", 7), expected, ("", spark), ("violated", 8))
    for gauge in gauges[:shown]:
        held = gauge.state(now)
        style = STATE_STYLES[held]
        table.add_row(
            Text(words.STATE_GLYPHS[held], style=style),
            gauge.plan.name,
            Text(words.STATES[held], style=style),
            words.number(gauge.last.value if gauge.last else None),
            Text(gauge.plan.expect, style=DIM),
            sparkline(list(gauge.looks), spark),
            Text(words.seconds(gauge.violated) if gauge.violated >= 0.05 else "", style="red"),
        )
    if len(gauges) > shown:
        table.add_row("", Text(f"{len(gauges) - shown} more", style=DIM))
    for gauge in observed:
        value = words.number(gauge.last.value if gauge.last else None)
        line = sparkline(list(gauge.looks), spark, style="")
        table.add_row("", Text(gauge.plan.name, style=DIM), "", value, Text("observed", style=DIM), line)
    return table


def sparkline(looks: Sequence[Look], width: int, *, style: str | None = None) -> Text:
    """The newest looks: each as high as its value among all, in `style` or the colour of its state; a dot: no data."""
    numbers = [look.value for look in looks if isinstance(look.value, float | int) and math.isfinite(look.value)]
    low, high = min(numbers, default=0.0), max(numbers, default=0.0)
    line = Text(" " * (width - len(looks)))
    for look in looks[-width:]:
        if look.held is None:
            line.append("·", style=STATE_STYLES[None])
            continue
        part = 0.0
        if isinstance(look.value, float | int) and high > low:
            part = (min(max(look.value, low), high) - low) / (high - low)
        line.append(
            _BLOCKS[round(part * (len(_BLOCKS) - 1))], style=STATE_STYLES[look.held] if style is None else style
        )
    return line


def _events(tracker: Tracker, room: int) -> Iterable[Text]:
    entries = tracker.entries[-room:]
    for entry in entries:
        line = Text(plain_line(entry, tracker.planned) or "", style=DIM, no_wrap=True, overflow="ellipsis")
        if entry.event.type in ("closed", "refused", "undo-failed", "inject-failed", "stopping"):
            closed = tracker.run.closed if tracker.run else None
            line.style = STYLES[closed.verdict] if closed and entry.event.type == "closed" else "yellow"
        yield line
    for _ in range(room - len(entries)):
        yield Text()
