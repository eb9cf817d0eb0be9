"""A run as a JUnit file: test cases for the verdict, each hypothesis, each fault's undo, and recovery."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chaosjc.clock import rfc3339
from chaosjc.journal.events import Entry
from chaosjc.journal.measure import HypothesisResult
from chaosjc.journal.state import StepState
from chaosjc.journal.verdict import say_unknown, say_violated
from chaosjc.report import words
from chaosjc.report.markup import Markup, tag
from chaosjc.report.overview import outcome
from chaosjc.report.story import Story, promise, read

_ELEMENTS = {"PASS": "", "FAIL": "failure"}
"""How a verdict shows; what is not here is an error: the run could not say, or it never began."""


def junit(entries: Sequence[Entry]) -> str:
    """One `testsuites` document. JournalError if nothing was planned."""
    story = read(entries)
    cases = list(_cases(story))
    suite = tag(
        "testsuite",
        _properties(story),
        *cases,
        name=story.planned.experiment,
        timestamp=rfc3339(story.state.planned_at).removesuffix("Z"),
        tests=len(cases),
        failures=_count(cases, "failure"),
        errors=_count(cases, "error"),
        skipped=_count(cases, "skipped"),
        time=f"{(story.state.closed_at or story.window.end) - story.state.planned_at:.3f}",
    )
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tag("testsuites", suite) + "\n"


def _properties(story: Story) -> Markup:
    planned = story.planned
    facts = {"run": story.state.run, "site": planned.site, "seed": planned.seed, "sha256": planned.sha256}
    return tag("properties", *(tag("property", name=name, value=value) for name, value in facts.items()))


def _cases(story: Story) -> Iterable[Markup]:
    element = _ELEMENTS.get(story.label, "error")
    yield _case(story, "verdict", element, f"{story.label}: {story.reason}")
    for result in story.judgement.hypotheses:
        yield _hypothesis(story, result)
    for step in story.steps:
        yield _undo(story, step)
    kept = promise(story)
    if kept is not None:
        took = f"{words.seconds(story.judgement.time_to_recover)} of {words.seconds(story.planned.recovery.within)}"
        yield _case(story, "recovery", {"kept": "", "late": "failure"}.get(kept, "error"), f"{kept}: {took}")


def _hypothesis(story: Story, result: HypothesisResult) -> Markup:
    name = f"hypothesis: {result.name}"
    if story.label == "NOT-STARTED" and result.held is None:
        return _case(story, name, "skipped", story.reason)
    if result.held is None:
        return _case(story, name, "error", say_unknown(result))
    return _case(story, name, "" if result.held else "failure", "" if result.held else say_violated(result))


def _undo(story: Story, step: StepState) -> Markup:
    name = f"undo: {step.plan.fault} on {step.plan.target.name}"
    if step.intent_at is None:
        return _case(story, name, "skipped", "never injected")
    if step.plan.irreversible:
        return _case(story, name, "skipped", outcome(step, over=story.over(step) is not None))
    if step.owed:
        why = step.outcome_why or step.undo_failed or "not seen to have worked"
        return _case(story, name, "error", why)
    return _case(story, name, "", "")


def _case(story: Story, name: str, element: str, message: str) -> Markup:
    inner = tag(element, message=message) if element else None
    return tag("testcase", inner, classname=story.planned.experiment, name=name)


def _count(cases: Sequence[Markup], element: str) -> int:
    return sum(f"<{element} " in case for case in cases)
