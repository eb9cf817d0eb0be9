"""The tables of the file: outages, targets and faults, the log, and what is needed to repeat the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chaosjc.journal.events import Planned
from chaosjc.journal.measure import Outage
from chaosjc.journal.state import StepState
from chaosjc.report import words
from chaosjc.report.markup import Child, Markup, join, tag
from chaosjc.report.overview import outcome
from chaosjc.report.story import Story, repeat_command
from chaosjc.spec import settings

OUTAGES = 200  # rows; the longest are kept
EVENTS = 1000


def table(headings: Sequence[str], rows: Sequence[Sequence[Child]]) -> Markup:
    """Rows under headings; a heading that begins with # is one of figures, with @ one of times."""
    kinds = ["number" if h.startswith("#") else "time" if h.startswith("@") else "text" for h in headings]
    head = tag("tr", *(tag("th", h.lstrip("#@"), class_=kind) for h, kind in zip(headings, kinds, strict=True)))
    body = [tag("tr", *(tag("td", c, class_=kind) for c, kind in zip(row, kinds, strict=True))) for row in rows]
    return tag("div", tag("table", tag("thead", head), tag("tbody", *body)), class_="scroll")


def facts(pairs: Mapping[str, Child]) -> Markup:
    """Names and values."""
    return tag("dl", *(join(tag("dt", name), tag("dd", value)) for name, value in pairs.items()), class_="facts")


def outages(story: Story) -> Markup:
    """When each series was not as expected."""
    found = story.judgement.outages
    if not found:
        return tag("p", "No series was ever seen violated.", class_="muted")
    longest = sorted(sorted(found, key=lambda o: -o.seconds)[:OUTAGES], key=lambda o: (o.start, o.hypothesis, o.series))
    rows = [_outage(outage, story.zero) for outage in longest]
    left_out = f"The {OUTAGES} longest of {len(found)}." if len(found) > OUTAGES else ""
    headings = ["hypothesis", "series", "@start", "@end", "#offset", "#lasted"]
    return join(tag("p", left_out, class_="muted") if left_out else None, table(headings, rows))


def _outage(outage: Outage, zero: float) -> list[Child]:
    return [
        outage.hypothesis,
        tag("code", outage.series or words.NONE),
        words.moment(outage.start),
        words.moment(outage.end),
        words.offset(outage.start - zero),
        words.seconds(outage.seconds),
    ]


def targets(story: Story) -> Markup:
    """Each step: what was broken, why that, when, and what became of it."""
    rows = [_target(step, story.zero) for step in story.steps]
    others = story.planned.others
    note = f"Eligible and left alone: {', '.join(others[:50])}{' …' if others[50:] else ''}." if others else ""
    headings = ["target", "fault", "why this one", "#injected", "#undo", "#verified", "outcome"]
    return join(table(headings, rows), tag("p", note, class_="muted", style="margin-top: 8px") if note else None)


def _target(step: StepState, zero: float) -> list[Child]:
    target, plan = step.plan.target, step.plan
    where = " · ".join(part for part in (target.role or target.kind, target.address) if part)
    fault = join(
        tag("b", plan.fault),
        tag("div", plan.inject, class_="muted"),
        tag("div", f"undo: {plan.undo}", class_="muted") if plan.undo else None,
    )
    why = (
        step.inject_failed
        or (step.outcome_why if step.outcome != "whole" else "")
        or (step.undo_failed if step.owed else "")
    )
    good = step.settled and step.outcome == "whole"
    state = tag(
        "span", outcome(step), class_=f"state {'held' if good else 'idle' if step.intent_at is None else 'nodata'}"
    )
    times = (step.injected_at, step.claimed_at, step.verified_at)
    return [
        join(tag("b", target.name), tag("div", where, class_="muted"), tag("div", target.id, class_="mono muted")),
        fault,
        target.why or words.NONE,
        *(words.NONE if at is None else words.offset(at - zero) for at in times),
        join(state, tag("div", why, class_="muted") if why else None),
    ]


def log(story: Story) -> Markup:
    """Every event but samples: intents, claims, tries and what verify found."""
    rows: list[list[Child]] = []
    for entry in story.entries[:EVENTS]:
        subject, detail = words.what(entry.event, story.planned)
        when = words.moment(entry.at, digits=2)
        rows.append([when, words.offset(entry.at - story.zero), tag("b", entry.event.type), subject, detail])
    more = f"{len(story.entries) - EVENTS} more are in the journal." if len(story.entries) > EVENTS else ""
    return join(
        table(["@time", "#offset", "@event", "@on", ""], rows), tag("p", more, class_="muted") if more else None
    )


def repeat(story: Story) -> Markup:
    """The command, the values, the place, and the file itself."""
    planned = story.planned
    values = {name: tag("code", settings.write(value)) for name, value in planned.vars.items()}
    return join(
        tag("pre", repeat_command(planned)),
        tag(
            "div",
            tag("div", tag("h3", "Resolved vars"), facts(values) if values else tag("p", "none", class_="muted")),
            tag("div", tag("h3", "Environment"), facts(_environment(planned))),
            class_="columns",
            style="margin-top: 14px",
        ),
        tag(
            "details",
            tag("summary", f"The file as it was ({planned.path or planned.experiment})"),
            tag("pre", planned.source),
        )
        if planned.source
        else None,
    )


def _environment(planned: Planned) -> dict[str, Child]:
    context = planned.context
    known = {"chaosjc": context.version, "Prometheus": context.prometheus, "State": context.state} | context.environment
    pairs: dict[str, Child] = {name: tag("code", value) for name, value in known.items() if value}
    return pairs or {words.NONE: ""}
