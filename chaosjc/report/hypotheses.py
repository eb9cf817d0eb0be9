"""The part of the file that shows what was measured: each hypothesis, and recovery, with plot, legend and figures."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from chaosjc.journal import violations
from chaosjc.journal.events import CheckPlan, HypothesisPlan, Phase
from chaosjc.journal.measure import Distribution, HypothesisResult, PhaseResult
from chaosjc.journal.verdict import say_unknown
from chaosjc.report import tables, words
from chaosjc.report.canvas import STATE_CLASSES, Canvas
from chaosjc.report.markup import Child, Markup, join, tag
from chaosjc.report.plot import DRAWN, colour, ordered, plot
from chaosjc.report.story import Track, track
from chaosjc.spec import settings
from chaosjc.spec.scalars import format_duration

LEGEND = 8  # names below a plot
PLOTS = 40  # of one report, so that its size is bounded; tables are of all


def hypotheses(canvas: Canvas, tracks: Sequence[Track]) -> Markup:
    """Every hypothesis, in the order of the file."""
    results = canvas.story.judgement.hypotheses
    return join(
        *(
            _hypothesis(canvas, r, t if i < PLOTS else None)
            for i, (r, t) in enumerate(zip(results, tracks, strict=True))
        )
    )


def recovery(canvas: Canvas) -> Markup:
    """What had to hold, and when it did."""
    story = canvas.story
    if story.judgement.moments.first_undo is None:
        return join()
    took, within = story.judgement.time_to_recover, story.planned.recovery.within
    said = f"Took {words.seconds(took)}" if took is not None else "Was not seen"
    reversible = any(not step.plan.irreversible for step in story.steps)
    start = "the first undo call" if reversible else "the end of the fault"
    counted = f"counted from {start}; each check had to hold three samples running."
    lead = tag("p", f"{said}; {words.seconds(within)} were promised, {counted}")
    tracks = [track(story, check) for check in story.planned.recovery.until[:PLOTS]]
    return join(lead, *(_check(canvas, each) for each in tracks))


def _check(canvas: Canvas, found: Track) -> Markup:
    head = tag("div", tag("h3", found.check.name), class_="head")
    return tag(
        "article", tag("div", head, claim(found.check), drawing(canvas, found), class_="top"), class_="hypothesis"
    )


def _hypothesis(canvas: Canvas, result: HypothesisResult, found: Track | None) -> Markup:
    shown, class_ = _state(canvas, result)
    head = tag("div", tag("h3", result.name), tag("span", shown, class_=f"state {class_}"), class_="head")
    why = say_unknown(result) if result.held is None and canvas.story.closed and _unsure(canvas, result) else ""
    unsure = tag("p", why, class_="unsure") if why else None
    top = tag("div", head, claim(result.plan), unsure, drawing(canvas, found) if found else None, class_="top")
    return tag("article", top, _phases(result), _budget(result) if canvas.story.begun else None, class_="hypothesis")


def _unsure(canvas: Canvas, result: HypothesisResult) -> bool:
    """Whether that is worth a word: of a run that did not begin, only what was thin already."""
    return canvas.story.begun or any(phase.held is None for phase in result.phases.values())


def _budget(result: HypothesisResult) -> Markup:
    """What was spent of what was tolerated, where either is anything."""
    spent, tolerated = violations.spent([result]), result.plan.tolerate
    if not spent and not tolerated:
        return join()
    said = f"Error budget: {words.seconds(spent)} spent of {words.seconds(tolerated)}"
    share = f" ({spent / tolerated:.0%})" if tolerated and spent is not None else ""
    return tag("p", f"{said}{share}, from the first injection to recovery.", class_="muted note")


def _state(canvas: Canvas, result: HypothesisResult) -> tuple[str, str]:
    """What to say of a hypothesis, and its class. Not judged: some phase never came, and nothing else was wrong."""
    if result.held is None and not any(phase.held is None for phase in result.phases.values()):
        ended = "? not judged" if canvas.story.begun or not result.phases else "held before the fault"
        return (ended if canvas.story.closed else "held so far"), "idle"
    return f"{words.STATE_GLYPHS[result.held]} {words.STATES[result.held]}", STATE_CLASSES[result.held]


def claim(check: CheckPlan) -> Markup:
    """What was asked and what was expected, if anything was, in a line."""
    asked = ", ".join(_option(key, value) for key, value in check.options.items() if value not in ("", None, {}, []))
    rules = [f"every {format_duration(check.every)}"]
    if isinstance(check, HypothesisPlan):
        rules += [f"{format_duration(check.tolerate)} tolerated"] if check.tolerate else []
        rules += [f"coverage at least {check.min_coverage:.0%}"]
        rules += ["stops the run"] if check.stop else []
    rules += ["any series"] if check.require == "any" else []
    rules += [f"{check.series} series"] if check.series else []
    expected = join(" expected ", tag("code", check.expect)) if check.expect else None
    return tag("p", f"{check.kind} ", tag("code", asked), expected, f" · {', '.join(rules)}", class_="claim")


def _option(key: str, value: JsonValue) -> str:
    """An option as a person reads it; what is asked needs no name beside the kind of the check."""
    text = " ".join(map(settings.plain, value)) if isinstance(value, list) else settings.plain(value)
    return text if key in ("promql", "url", "argv", "names") else f"{key} {text}"


def drawing(canvas: Canvas, found: Track) -> Markup:
    """Plot and legend."""
    if not found.series:
        return tag("p", "No sample ever had a value.", class_="muted")
    return join(plot(canvas, found), _legend(found))


def _legend(found: Track) -> Markup:
    names = ordered(found)
    if names == [""]:
        return join()
    items: list[Child] = []
    for rank, name in enumerate(names[:LEGEND]):
        line = tag("svg", tag("path", d="M1 5H17", class_="line"), viewBox="0 0 18 10", class_=colour(rank))
        items.append(tag("li", line, tag("code", name or "value")))
    left_out = len(names) - DRAWN
    more = f"and {len(names) - LEGEND} more" + (f", {left_out} of them not drawn" if left_out > 0 else "")
    return tag("ul", *items, tag("li", more) if len(names) > LEGEND else None, class_="legend")


def _phases(result: HypothesisResult) -> Markup:
    rows = [_phase(name, phase, result.distributions.get(name)) for name, phase in result.phases.items()]
    numeric = bool(result.distributions)
    headings = ["phase", "", "#samples", "#of time", "#violated", "#no data", "#worst"]
    headings += ["#median", "#p95", "#min", "#max"] if numeric else []
    return tables.table(headings, [row if numeric else row[:7] for row in rows]) if rows else join()


def _phase(name: Phase, phase: PhaseResult, spread: Distribution | None) -> list[Child]:
    figures = [spread.median, spread.p95, spread.min, spread.max] if spread else [None] * 4
    if phase.held is True and not phase.expected:
        return [name, tag("span", "no time passed", class_="state idle"), *[words.NONE] * 9]
    return [
        name,
        tag("span", words.STATES[phase.held], class_=f"state {STATE_CLASSES[phase.held]}"),
        f"{phase.samples} of {max(phase.samples, phase.expected)}",
        f"{phase.coverage:.0%}",
        words.seconds(phase.violated_s),
        words.seconds(phase.unknown_s),
        _worst(phase.worst, spread),
        *map(words.number, figures),
    ]


def _worst(worst: float | str | None, spread: Distribution | None) -> Child:
    """Of the last sample before the phase, which stands for its beginning, that is said: no other figure counts it."""
    shown = words.number(worst)
    inside = spread is None or isinstance(worst, str | None) or spread.min <= worst <= spread.max
    return shown if inside else join(shown, tag("div", "just before it", class_="muted"))
