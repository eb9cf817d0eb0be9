"""The table of rules against the contract, exhaustively: every combination of all that a rule looks at.

What is expected is written here a second time, as a list of findings in the order of their rank; nothing of it is taken
from the rules.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import pytest

from chaosjc.journal.events import Cause
from chaosjc.journal.verdict import RULES, judge
from tests.unit.journal.story import journal, story

CAUSES: tuple[Cause | None, ...] = (None, *get_args(Cause))
UNDONE = ("whole", "broken", "unknown", "gone, nothing left", "gone, something left", "never verified")
INJECTED = ("injected", "failed", "unanswered")
SAMPLES = {"held": "+60", "violated": "+8 -3 +49", "thin": "+8 .5 +47", "violated and thin": "+8 -1 .2 +3 .6 +40"}
RECOVERED = ("in time", "late", "never, that was measured", "never, nobody saw")
BEGUN = ("refused", "no intent", "intent")


@dataclass(frozen=True)
class Case:
    """What was found of one run."""

    cause: Cause | None
    begun: str
    undone: str = "whole"
    injected: str = "injected"
    samples: str = "held"
    recovered: str = "in time"

    @property
    def findings(self) -> dict[tuple[str, str], bool]:
        """By verdict and code, the gravest first: whether the run is that."""
        intent = self.begun == "intent"
        owed = intent and self.undone not in ("whole", "gone, nothing left")
        stopped = None if self.begun == "refused" else self.cause
        late, again = self.recovered == "late", self.recovered in ("in time", "late")
        return {
            ("UNDO-FAILED", "undo-failed"): owed,
            ("ABORTED", "halt"): stopped == "halt",
            ("ABORTED", "signal"): stopped == "signal",
            ("ABORTED", "deadline"): stopped == "deadline" and (again or not intent),
            ("ABORTED", "death"): stopped == "death",
            ("NOT-STARTED", "busy"): self.begun == "refused",
            ("NOT-STARTED", "not-started"): not intent,
            ("FAIL", "stopped"): stopped == "stop",
            ("FAIL", "violated"): self.samples.startswith("violated"),
            ("FAIL", "recovered-late"): late,
            ("FAIL", "not-recovered"): self.recovered == "never, that was measured",
            ("INCONCLUSIVE", "blind"): stopped == "blind",
            ("INCONCLUSIVE", "inject-failed"): self.injected == "failed" or stopped == "inject-failed",
            ("INCONCLUSIVE", "error"): stopped == "error",
            ("INCONCLUSIVE", "target-vanished"): self.undone.startswith("gone"),
            ("INCONCLUSIVE", "not-injected"): self.injected != "injected",
            ("INCONCLUSIVE", "recovery-unknown"): not again,
            ("INCONCLUSIVE", "thin-data"): self.samples == "thin",
            ("PASS", "held"): True,
        }

    @property
    def expected(self) -> tuple[str, str]:
        return next(finding for finding, found in self.findings.items() if found)

    @property
    def told(self) -> dict[str, Any]:
        """As `story` reads it."""
        change: dict[str, Any] = {}
        add: list[Any] = []
        if self.cause:
            add.append([9 if self.begun == "intent" else -2, "stopping", {"cause": self.cause, "why": "why"}])
        if self.begun == "refused":
            add.append([0, "refused", {"guard": "related run", "code": "busy", "reason": "why"}])
        if self.begun != "intent":
            gone = ["intent", "injected", "undo-claimed", "undone", "verified", "recovered", "settling"]
            change |= dict.fromkeys(gone + ["admitted"] * (self.begun == "refused"))
        else:
            add += self._happened(change)
        return {
            "change": change,
            "add": add,
            "step": {"gone_is_clean": self.undone == "gone, nothing left"},
            "recovery": {"within": 2 if self.recovered == "late" else 5},
            "samples": {"hub": SAMPLES[self.samples], "r1": self._recovering},
        }

    @property
    def _recovering(self) -> str:
        return {"never, that was measured": "+6 -54", "never, nobody saw": "+6 ?54"}.get(self.recovered, "+60")

    def _happened(self, change: dict[str, Any]) -> Iterator[Any]:
        if self.injected != "injected":
            change["injected"] = None
        if self.injected == "failed":
            yield [2, "inject-failed", {"step": "f1.hub", "why": "why"}]
        change["verified"] = (
            None if self.undone == "never verified" else {"outcome": self.undone.partition(",")[0], "why": "why"}
        )
        if self.recovered.startswith("never"):
            change |= {"recovered": None, "settling": None}
            yield [40, "not-recovered", {"why": "deadline"}]


@pytest.mark.parametrize("cause", CAUSES)
def test_of_all_that_was_found_the_gravest_is_the_verdict(cause: Cause | None) -> None:
    cases = [Case(cause, "intent", *each) for each in itertools.product(UNDONE, INJECTED, SAMPLES, RECOVERED)] + [
        Case(cause, begun, samples=samples) for begun in BEGUN[:2] for samples in SAMPLES
    ]
    for case in cases:
        judged = judge(journal(story(case.told)))
        assert (judged.verdict, judged.code) == case.expected, case
        assert judged.reason


def test_the_combinations_come_to_every_rule() -> None:
    """And what is written here has the order of the table, row for row."""
    findings = list(Case(None, "intent").findings)
    assert [(rule.verdict, rule.code) for rule in RULES] == [each for each in findings if each[1] != "busy"]
    cases = [Case(*each) for each in itertools.product(CAUSES, BEGUN, UNDONE, INJECTED, SAMPLES, RECOVERED)]
    assert {case.expected for case in cases} == set(findings)
