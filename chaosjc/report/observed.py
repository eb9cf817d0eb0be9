"""The part of the file that shows what was watched without a claim: each observation, and its values by phase."""

from __future__ import annotations

from collections.abc import Mapping

from chaosjc.journal.events import CheckPlan, Phase
from chaosjc.journal.measure import Distribution, distributions
from chaosjc.report import tables, words
from chaosjc.report.canvas import Canvas
from chaosjc.report.hypotheses import PLOTS, claim, drawing
from chaosjc.report.markup import Child, Markup, join, tag
from chaosjc.report.plot import unit_of
from chaosjc.report.scale import scale_of
from chaosjc.report.story import track

SPREAD = 200.0  # width of a bar


def observations(canvas: Canvas) -> Markup:
    """Every observation, in the order of the file; nothing if there is none."""
    checks = canvas.story.planned.observations
    return join(*(_observation(canvas, check, drawn=number < PLOTS) for number, check in enumerate(checks)))


def _observation(canvas: Canvas, check: CheckPlan, *, drawn: bool) -> Markup:
    story = canvas.story
    found = distributions(check, story.samples, story.judgement.windows)
    head = tag("div", tag("h3", check.name), class_="head")
    plot = drawing(canvas, track(story, check)) if drawn else None
    return tag(
        "article",
        tag("div", head, claim(check), plot, class_="top"),
        _spreads(found, unit_of(check)),
        class_="hypothesis",
    )


def _spreads(found: Mapping[Phase, Distribution], unit: str) -> Markup:
    """What all series together showed in each phase, in figures and as a bar."""
    if not found:
        return join()
    ends = [value for each in found.values() for value in (each.min, each.max)]
    scale = scale_of(ends, 4.0, SPREAD - 4.0)
    note = ", in decades" if scale.log else ""
    rows: list[list[Child]] = []
    for phase, each in found.items():
        figures = [words.number(value, unit=unit) for value in (each.min, each.median, each.p95, each.max)]
        places = [scale(value) for value in (each.min, each.median, each.p95, each.max)]
        rows.append([phase, str(each.n), *figures, _bar(places, f"{phase}: min, median, p95, max")])
    headings = ["phase", "#samples", "#min", "#median", "#p95", "#max", f"spread{note}"]
    return tables.table(headings, rows)


def _bar(places: list[float], label: str) -> Markup:
    """A thin line from least to greatest, a thick one from the median to p95, and a mark at the median."""
    least, median, p95, greatest = places
    return tag(
        "svg",
        tag("path", d=f"M{least} 7H{greatest}", class_="whisker"),
        tag("rect", x=median, y=3, width=round(max(p95 - median, 1.0), 1), height=8, class_="box"),
        tag("path", d=f"M{median} 1V13", class_="median"),
        tag("path", d=f"M{greatest} 3V11", class_="whisker"),
        viewBox=f"0 0 {SPREAD:g} 14",
        role="img",
        aria_label=label,
        class_="spread",
    )
