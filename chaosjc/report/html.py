"""One self-contained HTML file of a run, to attach to a post-mortem: no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from chaosjc.journal import violations
from chaosjc.journal.events import Entry
from chaosjc.report import hypotheses, site, tables, words
from chaosjc.report.canvas import DEFINITIONS, Canvas
from chaosjc.report.effects import effects
from chaosjc.report.markup import Child, Markup, join, tag
from chaosjc.report.observed import observations
from chaosjc.report.outages import longest, outages
from chaosjc.report.overview import overview
from chaosjc.report.stalls import lasted
from chaosjc.report.story import Story, budget, command, promise, read, track
from chaosjc.report.waits import promises
from chaosjc.report.why import in_figures


def html(entries: Sequence[Entry]) -> str:
    """The whole document. JournalError if nothing was planned."""
    story = read(entries)
    canvas = Canvas(story)
    tracks = [track(story, plan) for plan in story.planned.hypotheses]
    body = tag(
        "main",
        _header(story),
        _debts(story),
        _figures(story),
        tag("section", _summary(story)),
        _section("Timeline", tag("div", overview(canvas, tracks), _key(), class_="overview"), id="timeline"),
        _section("Hypotheses", hypotheses.hypotheses(canvas, tracks), id="hypotheses"),
        _section("Promised and measured", promises(canvas, tracks), id="promises"),
        _section("Outages as users saw them", outages(canvas), id="stalls"),
        _section("Observed", observations(canvas), id="observed"),
        _section("Differences", effects(canvas), id="differences"),
        _section("Violations", tables.violations(story), id="violations"),
        _section("Recovery", hypotheses.recovery(canvas), id="recovery"),
        _section("Targets and faults", tables.targets(story), id="targets"),
        _section("Blast radius", site.blast_radius(story), id="reached"),
        _section("The site as it was found", site.facts(story), id="facts"),
        _section("What happened", tables.log(story), id="log"),
        _section("Repeat it", tables.repeat(story), id="repeat"),
        _footer(story),
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{story.label} · {story.planned.experiment} · {story.state.run}"),
        tag("style", Markup(resources.files(__package__ or "").joinpath("style.css").read_text("utf-8"))),
    )
    return "<!doctype html>\n" + tag("html", head, tag("body", DEFINITIONS, body), lang="en") + "\n"


def _section(title: str, *children: Child, id: str) -> Markup:
    return tag("section", tag("h2", title), *children, id=id) if any(children) else join()


def _header(story: Story) -> Markup:
    verdict = tag(
        "div",
        f"{words.GLYPHS[story.label]} {story.label}",
        tag("small", story.closed.code) if story.closed else None,
        class_="verdict",
    )
    planned = story.planned
    text = tag(
        "div",
        tag("h1", planned.experiment),
        tag("p", planned.description, class_="muted") if planned.description else None,
        tag("p", story.reason, class_="why"),
        *(tag("p", each, class_="why") for each in in_figures(story)),
        tag("p", f"Judged anew: {story.anew}", class_="why") if story.anew else None,
    )
    return tag("header", verdict, text, class_=story.label)


def _debts(story: Story) -> Markup:
    """What may still be broken now, whatever the verdict was then."""
    if not story.closed:
        return join()
    parts = [
        tag(
            "div",
            tag("b", "May still be broken: "),
            f"{debt.plan.target.name} ({debt.plan.target.id}) by {debt.plan.fault}; ",
            f"{debt.outcome_why or debt.undo_failed or 'its undo was not seen to work'}. To try again: ",
            tag("code", command(story.planned, "recover")),
            class_="debt",
        )
        for debt in story.state.debts
    ]
    return join(*parts)


def _figures(story: Story) -> Markup:
    found = story.judgement
    violated, (spent, tolerated) = violations.longest(found), budget(story)
    seen, count = longest(story), f"{words.count(len(found.outages), 'violation')} in all"
    figures = [
        _figure("Recovered in", words.seconds(found.time_to_recover), _promised(story)),
        _figure("First violation", words.seconds(found.time_to_detect), _detected(story)),
        _figure("Longest outage", lasted(seen), f"{seen.users.what}: {seen.who}") if seen else None,
        _figure(
            "Longest violation", words.seconds(violated), count if violated is not None else "not all was measured"
        ),
        _figure("Violated in all", words.seconds(spent), f"{words.seconds(tolerated)} tolerated"),
        _put_back(story),
    ]
    return tag("dl", *figures, class_="figures") if story.begun else join()


def _put_back(story: Story) -> Markup:
    """Of what can be undone: the rest is over with its time."""
    begun = [step for step in story.steps if step.intent_at is not None]
    owing = [step for step in begun if not step.plan.irreversible]
    over = len(begun) - len(owing)
    value = f"{sum(step.settled for step in owing)} of {len(owing)}" if owing else words.NONE
    said = ["faults undone and verified"] if owing else []
    return _figure("Put back", value, "; ".join([*said, *([f"{over} irreversible"] if over else [])]))


def _detected(story: Story) -> str:
    return "none was seen" if story.judgement.time_to_detect is None else "after the first injection"


def _promised(story: Story) -> str:
    within = words.seconds(story.planned.recovery.within)
    said = {
        "kept": f"of {within} promised",
        "late": f"{within} promised: too late",
        "not seen": f"{within} promised: not seen",
    }
    return said.get(promise(story) or "", "nothing was undone")


def _figure(name: str, value: str, note: str) -> Markup:
    return tag("div", tag("dt", name), tag("dd", value, tag("small", note)))


def _summary(story: Story) -> Markup:
    planned, closed_at = story.planned, story.state.closed_at
    duration = words.seconds((closed_at or story.window.end) - story.state.planned_at)
    left = {
        "Run": tag("code", story.state.run),
        "Experiment": tag("code", planned.path or planned.experiment),
        "Site": planned.site or "none",
        "Started": words.day(story.state.planned_at),
        "Duration": duration if closed_at else f"{duration} so far",
    }
    right = {
        "Seed": planned.seed,
        "sha256": tag("code", planned.sha256) if planned.sha256 else words.NONE,
        "Run by": ", ".join(story.owners) or words.NONE,
        "Version": f"chaosjc {planned.context.version}" if planned.context.version else words.NONE,
    }
    return tag("div", tables.facts(left), tables.facts(right), class_="columns", style="margin-top: 18px")


def _key() -> Markup:
    entries = {
        "fault-start": "injecting", "fault": "broken", "undo": "undo and verify", "held": "held",
        "violated": "violated", "nodata": "no data", "unjudged": "not judged", "recovery": "recovering",
    }  # fmt: skip
    return tag(
        "ul", *(tag("li", _swatch(name), shown) for name, shown in entries.items()), class_="key", aria_hidden="true"
    )


def _swatch(class_: str) -> Markup:
    return tag("svg", tag("rect", x=0.5, y=0.5, width=17, height=9, class_=class_), viewBox="0 0 18 10")


def _footer(story: Story) -> Markup:
    shown = f"chaosjc {story.planned.context.version}".strip()
    return tag(
        "footer",
        f"{shown} · run {story.state.run} · times are UTC; offsets count from {story.origin[1]} at "
        f"{words.moment(story.zero)} · the verdict is a function of the run's journal alone",
    )
