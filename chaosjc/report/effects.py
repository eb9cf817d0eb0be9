"""The part of the file that shows differences: each later phase against the one before, and targets against others."""

from __future__ import annotations

import math
from collections.abc import Sequence

from chaosjc.journal.effects import Compared, Comparison, compared
from chaosjc.journal.statistics import LEAST, Effect, Estimate
from chaosjc.report import tables, words
from chaosjc.report.canvas import Canvas
from chaosjc.report.markup import Child, Markup, join, tag
from chaosjc.report.plot import unit_of
from chaosjc.report.scale import Scale

CHECKS = 60  # whose differences are computed; a report's time is bounded
_WIDTH = 120.0

NOTE = (
    "Cliff's delta: of all pairs of a sample of each, the share in which the first is greater less the share in which "
    f"it is smaller: {words.MINUS}1 to 1, 0 for no difference (Cliff 1993; negligible below 0.147, small below 0.33, "
    "medium below 0.474: Romano 2006). In brackets the interval that covers the true figure in 95 of 100 cases, by a "
    "bootstrap of ten stretches of each phase, widened by how much neighbouring samples resemble each other. Measured "
    "on samples whose truth is known: 92 to 98 of 100 up to a correlation of 0.6 between neighbours; at 0.8, 85 to 91 "
    "with 20 samples and 89 to 95 with 60; at 0.9, 74 to 85 and 89 to 92. "
    "It speaks of the time of this run, not of other servers or other runs. "
    "Before is the minute or more before the run, where its source tells of that and nothing that a run breaks was "
    "broken then; else the baseline. "
    "Targets and others are compared in the same stretches; two phases by the series that were there "
    "for most of both."
)


def effects(canvas: Canvas) -> Markup:
    """All checks of which two phases or two groups can be compared; nothing if there is none."""
    story = canvas.story
    checks = [*story.planned.hypotheses, *story.planned.observations][:CHECKS]
    found = [compared(check, story.planned, story.samples, story.judgement.windows) for check in checks]
    some = [each for each in found if each.all]
    few = [each for each in some if all(comparison.effect.few for comparison in each.all)]
    same = [each for each in some if never_varied(each.all)]
    parts = [_check(each) for each in some if each not in few and each not in same]
    return join(
        *parts,
        _named(f"Too few samples for an interval ({LEAST} of one series in both phases are needed)", few),
        _named("Never varied", same),
        tag("p", NOTE, class_="muted note") if parts else None,
    )


def _named(what: str, found: Sequence[Compared]) -> Markup:
    if not found:
        return join()
    return tag("p", f"{what}: {', '.join(each.check.name for each in found)}.", class_="muted note")


def shift_words(found: Estimate | None, unit: str = "") -> str:
    """`+3.02 s (2.99 to 3.04)`, as exact as the interval deserves; the figure alone where nothing varied."""
    if found is None:
        return words.NONE
    if found.low is None or found.high is None:
        return _signed(words.number(found.value, unit=unit), found.value)
    digits = 1 - math.floor(math.log10(found.high - found.low)) if found.high > found.low else 3
    value, low, high = (round(each, digits) for each in (found.value, found.low, found.high))
    return f"{_signed(words.number(value, unit=unit), value)} ({words.number(low)} to {words.number(high)})"


def delta_words(found: Estimate | None) -> str:
    """`+0.31 (0.22 to 0.39)`."""
    if found is None:
        return words.NONE
    value = _signed(_hundredths(found.value), found.value)
    if found.low is None or found.high is None:
        return value
    return f"{value} ({_hundredths(found.low)} to {_hundredths(found.high)})"


def never_varied(found: Sequence[Comparison]) -> bool:
    """Whether, as far as there were enough samples, every one of them was the same."""
    return any(_flat(each.effect) for each in found) and all(each.effect.few or _flat(each.effect) for each in found)


def _signed(shown: str, value: float) -> str:
    return f"+{shown}" if value > 0 else shown


def _hundredths(value: float) -> str:
    return f"{value + 0.0:.2f}".replace("-", words.MINUS)


def _flat(found: Effect) -> bool:
    delta = found.delta
    return delta is not None and delta.value == 0 and delta.low is None


def _check(found: Compared) -> Markup:
    unit = unit_of(found.check)
    headings = ["compared", "#samples", "#difference of medians", "#Cliff's delta", "", f"{words.MINUS}1 to 1"]
    rows = [_row(each, unit) for each in found.all]
    head = tag("div", tag("h3", found.check.name), class_="head")
    return tag("article", head, tables.table(headings, rows), class_="difference")


def _row(found: Comparison, unit: str) -> list[Child]:
    effect = found.effect
    when = "" if found.one == found.phase else f" {found.phase}"
    compared_ = join(f"{found.one} against {found.other}{when}", _left_out(found.left_out))
    start: list[Child] = [compared_, f"{effect.n_one}, {effect.n_other}"]
    if effect.few:
        return [
            *start,
            words.NONE,
            words.NONE,
            tag("span", "too few samples", class_="state idle", title=effect.few),
            None,
        ]
    size = "the same" if _flat(effect) else effect.magnitude
    said = tag("span", size, class_="state" if effect.seen else "state idle")
    return [
        *start,
        shift_words(effect.shift, unit),
        delta_words(effect.delta),
        said,
        _bar(effect.delta) if effect.delta else None,
    ]


def _left_out(series: int) -> Markup:
    """That not every series is in the figures."""
    return tag("div", f"{series} series left out: not there for most of both", class_="muted") if series else join()


def _bar(delta: Estimate) -> Markup:
    """The interval from -1 to 1 with a mark at the figure, beside a line at no difference."""
    scale = Scale(-1.0, 1.0, 4.0, _WIDTH - 4.0)
    places = [scale(value) for value in (delta.low, delta.value, delta.high) if value is not None]
    width = round(max(max(places) - min(places), 1.0), 1)
    return tag(
        "svg",
        tag("path", d=f"M{scale(-1)} 7H{scale(1)}", class_="whisker"),
        tag("path", d=f"M{scale(0)} 0V14", class_="zero"),
        tag("rect", x=min(places), y=4, width=width, height=6, class_="box"),
        tag("path", d=f"M{scale(delta.value)} 1V13", class_="median"),
        viewBox=f"0 0 {_WIDTH:g} 14",
        role="img",
        aria_label=f"Cliff's delta {delta_words(delta)}",
        class_="spread",
        style=f"width: {_WIDTH:g}px",
    )
