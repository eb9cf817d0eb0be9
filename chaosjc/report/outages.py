"""The part of the file that shows outages as users saw them, whatever was promised."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chaosjc.report import tables, words
from chaosjc.report.canvas import LEFT, RIGHT, Canvas, picture, text
from chaosjc.report.markup import Child, Markup, join, tag
from chaosjc.report.stalls import Stall, Users, asked, felt, lasted, with_unknown
from chaosjc.report.story import Story

ROWS = 24  # of the drawing, those with the longest; the table is of all
SHOWN = 200  # rows of the table, the longest
_ROW = 30.0


def outages(canvas: Canvas) -> Markup:
    """Every one; nothing if the run asked for none of the gauges that show them."""
    story = canvas.story
    found = {users: felt(story, users) for users in asked(story)}
    said = [tag("p", _said(story, users, bool(of)), class_="muted") for users, of in found.items()]
    every = sorted((stall for of in found.values() for stall in of), key=lambda stall: stall.start)
    if not every:
        return join(*said)
    return join(*said, tag("div", _drawing(canvas, every), class_="overview"), _table(canvas, every))


def longest(story: Story) -> Stall | None:
    """The longest of all that users saw."""
    every = (stall for users in asked(story) for stall in felt(story, users))
    return max(every, key=lambda stall: stall.seconds, default=None)


def _said(story: Story, users: Users, any_: bool) -> str:
    said = with_unknown(users.lead if any_ else users.none, story, users)
    return f"{said[0].upper()}{said[1:]}."


def _drawing(canvas: Canvas, found: Iterable[Stall]) -> Markup:
    """A row for each of the users, with their outages on the run's time axis."""
    by_who: dict[tuple[str, str], list[Stall]] = {}
    for stall in sorted(found, key=lambda stall: -stall.seconds):
        by_who.setdefault((stall.users.what, stall.who), []).append(stall)
    shown = list(by_who.items())[:ROWS]
    bottom = 8.0 + _ROW * len(shown)
    rows = [_row(canvas, f"{what}: {who}", of, 8.0 + _ROW * n) for n, ((what, who), of) in enumerate(shown)]
    faults, grid = canvas.faults(4, bottom - 4), canvas.grid(4, bottom, label=bottom + 15)
    return picture(bottom + 22, "Outages over time, by who saw them", faults, grid, *rows)


def _row(canvas: Canvas, who: str, found: Sequence[Stall], top: float) -> Markup:
    bars = [
        canvas.rect(stall.start, stall.start + stall.seconds, top + 15, 9, "violated", lasted(stall)) for stall in found
    ]
    note = f"longest {lasted(found[0])}"
    return join(*bars, text(LEFT, top + 11, who, "row-name"), text(RIGHT, top + 11, note, "row-note end"))


def _table(canvas: Canvas, found: Sequence[Stall]) -> Markup:
    kept = sorted(sorted(found, key=lambda stall: -stall.seconds)[:SHOWN], key=lambda stall: stall.start)
    rows = [_cells(canvas, stall) for stall in kept]
    more = tag("p", f"The {SHOWN} longest of {len(found)}.", class_="muted") if len(found) > SHOWN else None
    return join(more, tables.table(["of", "where", "@began", "#offset", "phase", "#lasted"], rows))


def _cells(canvas: Canvas, stall: Stall) -> list[Child]:
    start = stall.start
    windows = canvas.story.judgement.windows.items()
    phase = next((name for name, window in windows if window.start <= start <= window.end), words.NONE)
    offset = words.offset(start - canvas.story.zero)
    return [stall.users.what, stall.who, words.moment(start), offset, phase, lasted(stall)]
