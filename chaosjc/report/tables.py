"""The tables of the file: violations, targets and faults, the log, and what is needed to repeat the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from chaosjc.journal.events import Context, Planned
from chaosjc.journal.measure import Outage
from chaosjc.journal.state import StepState
from chaosjc.report import words
from chaosjc.report.markup import Child, Markup, join, tag
from chaosjc.report.overview import outcome
from chaosjc.report.story import Story, repeat_command
from chaosjc.spec import settings

VIOLATIONS = 200  # rows; the longest are kept
EVENTS = 1000
SAME = (
    "The seed draws the same targets of the same topology: where servers or pods have come or gone since, it may draw "
    "others."
)


def table(headings: Sequence[str], rows: Sequence[Sequence[Child]]) -> Markup:
    """Rows under headings; a heading that begins with # is one of figures, with @ one of times."""
    kinds = ["number" if h.startswith("#") else "time" if h.startswith("@") else "text" for h in headings]
    titles = zip(headings, kinds, strict=True)
    head = tag("tr", *(tag("th", title.lstrip("#@"), scope="col", class_=kind) for title, kind in titles))
    body = [tag("tr", *(tag("td", c, class_=kind) for c, kind in zip(row, kinds, strict=True))) for row in rows]
    return tag("div", tag("table", tag("thead", head), tag("tbody", *body)), class_="scroll")


def facts(pairs: Mapping[str, Child]) -> Markup:
    """Names and values."""
    return tag("dl", *(join(tag("dt", name), tag("dd", value)) for name, value in pairs.items()), class_="facts")


def violations(story: Story) -> Markup:
    """When each series was not as expected; of a promise of 25 s, only what came after those."""
    found = story.judgement.outages
    if not found:
        return tag("p", "No series was ever seen violated.", class_="muted")
    longest = sorted(found, key=lambda o: -o.seconds)[:VIOLATIONS]
    rows = [_violation(each, story.zero) for each in sorted(longest, key=lambda o: (o.start, o.hypothesis, o.series))]
    said = "Time in which a series was not as its hypothesis expects: an outage begins before it breaks a promise."
    said += f" The {VIOLATIONS} longest of {len(found)}." if len(found) > VIOLATIONS else ""
    headings = ["hypothesis", "series", "@start", "@end", "#offset", "#lasted"]
    return join(tag("p", said, class_="muted"), table(headings, rows))


def _violation(outage: Outage, zero: float) -> list[Child]:
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
    rows = [_target(story, step) for step in story.steps]
    others = story.planned.others
    note = f"Eligible and left alone: {', '.join(others[:50])}{' …' if others[50:] else ''}." if others else ""
    headings = ["target", "fault", "why this one", "#injected", "#undo", "#verified", "outcome"]
    return join(table(headings, rows), tag("p", note, class_="muted", style="margin-top: 8px") if note else None)


def _target(story: Story, step: StepState) -> list[Child]:
    target, plan, over = step.plan.target, step.plan, story.over(step) is not None
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
    good, idle = step.settled and step.outcome == "whole", step.intent_at is None or (over and bool(plan.irreversible))
    state = tag("span", outcome(step, over=over), class_=f"state {'held' if good else 'idle' if idle else 'nodata'}")
    times = (step.injected_at, step.claimed_at, step.verified_at)
    return [
        join(tag("b", target.name), tag("div", where, class_="muted"), tag("div", target.id, class_="mono muted")),
        fault,
        target.why or words.NONE,
        *(words.NONE if at is None else words.offset(at - story.zero) for at in times),
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
    """The command, the values, the place, and the file itself: open, since no paper opens it."""
    planned = story.planned
    values = {name: tag("code", settings.write(value)) for name, value in planned.vars.items()}
    return join(
        tag("pre", repeat_command(planned)),
        tag("p", SAME, class_="muted note") if planned.targets else None,
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
            open=True,
        )
        if planned.source
        else None,
    )


def _environment(planned: Planned) -> dict[str, Child]:
    """Where and by what the run was made, and what kind of site it was made on."""
    context = planned.context
    known = {
        "chaosjc": context.version,
        "Python": context.python,
        "Kernel": context.kernel,
        "Directory": context.directory,
        "Commit": context.commit,
        "State": context.state,
        "Prometheus": context.prometheus,
        **context.environment,
        **_of_site(context),
    }
    pairs: dict[str, Child] = {name: tag("code", value) for name, value in known.items() if value}
    return pairs or {words.NONE: ""}


def _of_site(context: Context) -> dict[str, str]:
    """What of the site file tells one site from another; of all else, which may hold secrets, nothing."""
    site = context.site if isinstance(context.site, dict) else {}
    hub, kubernetes, storage = (_section(site.get(name)) for name in ("hub", "kubernetes", "storage"))
    volumes = {name: _section(volume) for name, volume in _section(storage.get("volumes")).items()}
    return {
        "Environment": _plain(site.get("environment")),
        "Cloud": _plain(site.get("cloud")),
        "Kubernetes": _plain(kubernetes.get("version")),
        "Chart": (_plain(hub.get("chart")) or "chaosjc's own") if hub else "",
        "Volumes": ", ".join(f"{name} ({_shape(volume)})" for name, volume in volumes.items()),
    }


def _shape(volume: Mapping[str, JsonValue]) -> str:
    """`replica 3, arbiter 1, distributed over 2`."""
    sets, arbiter = volume.get("distribute"), volume.get("arbiter")
    parts = [f"replica {_plain(volume.get('replica'))}"]
    parts += [f"arbiter {_plain(arbiter)}"] if arbiter else []
    return ", ".join([*parts, *([f"distributed over {_plain(sets)}"] if sets not in (None, 1) else [])])


def _section(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _plain(value: JsonValue) -> str:
    return "" if value is None else str(value)
