"""How far the hypotheses that decided a verdict were from what they promise, in a sentence each.

That is said beside the recorded reason: the words of a verdict are a part of old journals, which stay as they are.
"""

from __future__ import annotations

import math

from chaosjc.journal.measure import HypothesisResult
from chaosjc.report import words
from chaosjc.report.plot import unit_of
from chaosjc.report.story import Story

SAID = 3
"""Sentences; the file has all hypotheses below."""


def in_figures(story: Story) -> list[str]:
    """`"logins are away no longer than promised" reached 35.4 s (<= 25s promised)`, of those that were violated."""
    violated = [result for result in story.judgement.hypotheses if result.held is False and result.worst is not None]
    return [_sentence(result) for result in violated[:SAID]] if story.closed else []


def _sentence(result: HypothesisResult) -> str:
    expect, worst = result.plan.expect, result.worst
    if isinstance(worst, str | None) or not math.isfinite(worst):
        return f'"{result.name}" was {words.number(worst)} ({expect} promised)'
    verb = {"<": "reached", ">": "fell to"}.get(expect[:1], "was")
    return f'"{result.name}" {verb} {words.number(worst, unit=unit_of(result.plan))} ({expect} promised)'
