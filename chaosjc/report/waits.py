"""The part of the file that shows stalls as users saw them, and each promised limit beside what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chaosjc import names
from chaosjc.journal.measure import HypothesisResult
from chaosjc.report import tables, words
from chaosjc.report.canvas import LEFT, RIGHT, STATE_CLASSES, Canvas, picture, text
from chaosjc.report.markup import Child, Markup, join, tag
from chaosjc.report.plot import unit_of
from chaosjc.report.scale import Scale
from chaosjc.report.stalls import LATE, NONE_LATE, Stall, lasted, rests_on, stalls, watched, with_unknown
from chaosjc.report.story import Track, track

ROWS = 24  # of the drawing, those with the longest stalls; the table is of all
STALLS = 200  # rows of the table, the longest
_ROW = 30.0
_MARGIN = 1.25  # of a bar's axis: room for the label of a limit at its end


def waits(canvas: Canvas) -> Markup:
    """Every stall; nothing if the run asked for none of the gauges that show them."""
    if not watched(canvas.story):
        return join()
    found = stalls(canvas.story)
    if not found:
        return tag("p", f"{with_unknown(NONE_LATE, canvas.story).capitalize()}.", class_="muted")
    lead = f"Writes late by more than {words.seconds(LATE)}, from when the first of them was due"
    said = tag("p", f"{with_unknown(lead, canvas.story)}.", class_="muted")
    return join(said, tag("div", _drawing(canvas, found), class_="overview"), _table(canvas, found))


def _drawing(canvas: Canvas, found: Sequence[Stall]) -> Markup:
    """A row for each volume and VM, its stalls on the run's time axis."""
    by_who: dict[str, list[Stall]] = {}
    for stall in sorted(found, key=lambda stall: -stall.seconds):
        by_who.setdefault(stall.who, []).append(stall)
    shown = list(by_who.items())[:ROWS]
    bottom = 8.0 + _ROW * len(shown)
    rows = [_row(canvas, who, of, 8.0 + _ROW * number) for number, (who, of) in enumerate(shown)]
    faults, grid = canvas.faults(4, bottom - 4), canvas.grid(4, bottom, label=bottom + 15)
    return picture(bottom + 22, "Stalls over time, by volume and VM", faults, grid, *rows)


def _row(canvas: Canvas, who: str, found: Sequence[Stall], top: float) -> Markup:
    bars = [
        canvas.rect(stall.start, stall.start + stall.seconds, top + 15, 9, "violated", lasted(stall)) for stall in found
    ]
    longest = f"longest {lasted(found[0])}"
    return join(*bars, text(LEFT, top + 11, who, "row-name"), text(RIGHT, top + 11, longest, "row-note end"))


def _table(canvas: Canvas, found: Sequence[Stall]) -> Markup:
    zero = canvas.story.zero
    longest = sorted(sorted(found, key=lambda stall: -stall.seconds)[:STALLS], key=lambda stall: stall.start)
    rows: list[list[Child]] = [
        [stall.who, words.moment(stall.start), words.offset(stall.start - zero), _phase(canvas, stall), lasted(stall)]
        for stall in longest
    ]
    more = tag("p", f"The {STALLS} longest of {len(found)}.", class_="muted") if len(found) > STALLS else None
    return join(more, tables.table(["volume and VM", "@began", "#offset", "phase", "#lasted"], rows))


def _phase(canvas: Canvas, stall: Stall) -> str:
    windows = canvas.story.judgement.windows.items()
    return next((name for name, window in windows if window.start <= stall.start <= window.end), words.NONE)


# ------------------------------------------------------------------ promised and measured


@dataclass(frozen=True)
class Promise:
    """A hypothesis whose values must stay on one side of one limit, and the worst that was measured.

    `stall` is the longest one where the hypothesis is about waiting: a gauge is not looked at in its last moment.
    """

    result: HypothesisResult
    limit: float
    worst: float
    stall: Stall | None = None
    timeouts: tuple[tuple[str, float], ...] = ()  # settings to compare with


def promises(canvas: Canvas, tracks: Sequence[Track]) -> Markup:
    """A bar for each; nothing where there is none."""
    pairs = zip(canvas.story.judgement.hypotheses, tracks, strict=True)
    found = [promise for result, each in pairs if (promise := _of(canvas, result, each))]
    if not found:
        return join()
    rows = [tag("g", _promise(each), transform=f"translate(0 {46 * i})") for i, each in enumerate(found)]
    drawn = picture(46 * len(found) + 2, "Promised limits and the worst values measured", *rows)
    return tag("div", drawn, class_="overview")


def _of(canvas: Canvas, result: HypothesisResult, found: Track) -> Promise | None:
    bounds, worst = found.thresholds, result.worst
    if len(bounds) != 1 or isinstance(worst, str | None) or not math.isfinite(worst) or bounds[0] <= 0 or worst < 0:
        return None
    step = bounds[0] * 1e-3
    if found.expect.holds(bounds[0] - step, found.before) == found.expect.holds(bounds[0] + step, found.before):
        return None  # a value to be met, not a limit
    if not rests_on(result.plan, names.STORAGE_OLDEST) and not rests_on(result.plan, names.STORAGE_LONGEST):
        return Promise(result, bounds[0], worst)
    stall = max(stalls(canvas.story), key=lambda each: each.seconds, default=None)
    return Promise(result, bounds[0], worst, stall, _timeouts(canvas))


def _timeouts(canvas: Canvas) -> tuple[tuple[str, float], ...]:
    """ping-timeout as the run observed it, if it did."""
    checks = [check for check in canvas.story.planned.observations if rests_on(check, names.PING_TIMEOUT)]
    points = [p for check in checks for series in track(canvas.story, check).series.values() for p in series]
    values = [p.value for p in points if not isinstance(p.value, str)]
    return (("ping-timeout", max(values)),) if values else ()


def _promise(promise: Promise) -> Markup:
    unit = unit_of(promise.result.plan)
    reach = max(promise.worst, promise.stall.seconds if promise.stall else 0.0)
    scale = Scale(0.0, max(reach, promise.limit, *(value for _, value in promise.timeouts)) * _MARGIN, LEFT, RIGHT)
    stall = f", longest stall {lasted(promise.stall)}" if promise.stall else ""
    said = f"worst seen {words.number(promise.worst, unit=unit)}{stall}, promised {promise.result.plan.expect}"
    class_, width = STATE_CLASSES[promise.result.held], round(max(scale(reach) - LEFT, 1.5), 1)
    return join(
        text(LEFT, 11, promise.result.name, "row-name"),
        text(RIGHT, 11, said, "row-note end"),
        tag("rect", x=LEFT, y=17, width=RIGHT - LEFT, height=10, class_="phase"),
        tag("rect", tag("title", said), x=LEFT, y=17, height=10, width=width, class_=class_),
        _mark(scale(promise.limit), f"promised {words.number(promise.limit, unit=unit)}", left=False),
        *(_mark(scale(at), f"{name} {words.number(at, unit=unit)}", left=True) for name, at in promise.timeouts),
    )


def _mark(x: float, label: str, *, left: bool) -> Markup:
    left = left and x > LEFT + 130
    line = tag("path", d=f"M{x} 13V31", class_="promise")
    return join(line, text(x - 5 if left else x + 5, 38, label, "tick end" if left else "tick"))
