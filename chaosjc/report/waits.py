"""The part of the file that shows each promised limit beside what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chaosjc import names
from chaosjc.journal.measure import HypothesisResult
from chaosjc.report import words
from chaosjc.report.canvas import LEFT, RIGHT, STATE_CLASSES, Canvas, picture, text
from chaosjc.report.markup import Markup, join, tag
from chaosjc.report.plot import unit_of
from chaosjc.report.scale import Scale
from chaosjc.report.stalls import Stall, lasted, rests_on, stalls
from chaosjc.report.story import Track, track

_STORAGE = (names.STORAGE_OLDEST, names.STORAGE_LONGEST)
SETTINGS = (
    (_STORAGE, names.PING_TIMEOUT, "ping-timeout"),
    ((names.LIVE_OUTAGE_AGE,), names.HUB_ROUTES_EVERY, "last_activity_interval"),
)
"""What a limit on some metrics is compared with: the setting, as a run may observe it, and its name."""
_MARGIN = 1.25  # of a bar's axis: room for the label of a limit at its end


@dataclass(frozen=True)
class Promise:
    """A hypothesis whose values must stay on one side of one limit, and the worst that was measured.

    `stall` is the longest one where the hypothesis is about waiting: a gauge is not looked at in its last moment.
    """

    result: HypothesisResult
    limit: float
    worst: float
    stall: Stall | None = None
    settings: tuple[tuple[str, float], ...] = ()  # to compare with


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
    longest = max(stalls(canvas.story), key=lambda each: each.seconds, default=None)
    stall = longest if any(rests_on(result.plan, each) for each in _STORAGE) else None
    settings = [(name, _observed(canvas, at)) for of, at, name in SETTINGS if any(rests_on(result.plan, w) for w in of)]
    return Promise(result, bounds[0], worst, stall, tuple((name, max(seen)) for name, seen in settings if seen))


def _observed(canvas: Canvas, metric: names.Metric) -> list[float]:
    """What the run observed of a setting, if it did."""
    checks = [check for check in canvas.story.planned.observations if rests_on(check, metric)]
    points = [p for check in checks for series in track(canvas.story, check).series.values() for p in series]
    return [p.value for p in points if not isinstance(p.value, str)]


def _promise(promise: Promise) -> Markup:
    unit = unit_of(promise.result.plan)
    reach = max(promise.worst, promise.stall.seconds if promise.stall else 0.0)
    scale = Scale(0.0, max(reach, promise.limit, *(value for _, value in promise.settings)) * _MARGIN, LEFT, RIGHT)
    stall = f", longest stall {lasted(promise.stall)}" if promise.stall else ""
    said = f"worst seen {words.number(promise.worst, unit=unit)}{stall}, promised {promise.result.plan.expect}"
    class_, width = STATE_CLASSES[promise.result.held], round(max(scale(reach) - LEFT, 1.5), 1)
    return join(
        text(LEFT, 11, promise.result.name, "row-name"),
        text(RIGHT, 11, said, "row-note end"),
        tag("rect", x=LEFT, y=17, width=RIGHT - LEFT, height=10, class_="phase"),
        tag("rect", tag("title", said), x=LEFT, y=17, height=10, width=width, class_=class_),
        _mark(scale(promise.limit), f"promised {words.number(promise.limit, unit=unit)}", left=False),
        *(_mark(scale(at), f"{name} {words.number(at, unit=unit)}", left=True) for name, at in promise.settings),
    )


def _mark(x: float, label: str, *, left: bool) -> Markup:
    left = left and x > LEFT + 130
    line = tag("path", d=f"M{x} 13V31", class_="promise")
    return join(line, text(x - 5 if left else x + 5, 38, label, "tick end" if left else "tick"))
