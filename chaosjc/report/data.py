"""A run as data: the object of `run --json` and `runs show --json`, and the shorter one of `runs list --json`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from chaosjc.clock import rfc3339
from chaosjc.journal.events import CheckPlan, DebtCleared, Entry, Fact, Reached
from chaosjc.journal.measure import HypothesisResult, Outage, distributions
from chaosjc.journal.state import RunState, StepState, fold
from chaosjc.journal.verdict import FaultResult, TargetResult
from chaosjc.report.figures import distribution_object, finite, statistics_object
from chaosjc.report.stalls import WRITES, Stall, asked, felt, stalls
from chaosjc.report.story import Story, read

SCHEMA = 1


def run_object(entries: Sequence[Entry]) -> dict[str, Any]:
    """Everything that is known of one run; JSON values only, times RFC 3339. JournalError if nothing was planned."""
    story = read(entries)
    judged = {"verdict": story.judgement.verdict, "code": story.judgement.code} if story.closed else None
    return _top(story.state) | {
        "hypotheses": [_hypothesis(result) for result in story.judgement.hypotheses],
        "faults": [_fault(fault) for fault in story.judgement.faults],
        "outages": [_outage(outage) for outage in story.judgement.outages],
        "debts": [_debt(step) for step in story.state.debts],
        "debt_cleared_at": _debt_cleared_at(story),
        "observations": [_observation(story, check) for check in story.planned.observations],
        "stalls": [_stall(stall) for stall in stalls(story)],
        "felt": [
            {"what": users.what} | _stall(stall)
            for users in asked(story)
            if users is not WRITES
            for stall in felt(story, users)
        ],
        "reached": [_reached(each) for each in story.planned.reached],
        "facts": [_fact(each) for each in story.planned.facts],
        "recomputed": judged,
        "statistics": statistics_object(story),
    }


def list_object(runs: Iterable[Sequence[Entry]]) -> list[dict[str, Any]]:
    """The top fields of each run and what it still owes, in the order given; entries may come without their samples."""
    states = (fold(entries) for entries in runs)
    return [_top(state) | {"debts": [_debt(step) for step in state.debts]} for state in states if state]


def _top(state: RunState) -> dict[str, Any]:
    planned, closed = state.planned, state.closed
    return {
        "schema": SCHEMA,
        "run": state.run,
        "experiment": planned.experiment,
        "sha256": planned.sha256,
        "site": planned.site or None,
        "state": "closed" if closed else "running",
        "verdict": closed.verdict if closed else None,
        "code": closed.code if closed else None,
        "reason": closed.reason if closed else None,
        "seed": planned.seed,
        "vars": planned.vars,
        "started_at": rfc3339(state.planned_at),
        "ended_at": _time(state.closed_at),
    }


def _hypothesis(result: HypothesisResult) -> dict[str, Any]:
    phases = {
        name: {
            "held": phase.held,
            "samples": phase.samples,
            "expected": phase.expected,
            "violated_s": round(phase.violated_s, 3),
            "unknown_s": round(phase.unknown_s, 3),
            "worst": finite(phase.worst),
        }
        for name, phase in result.phases.items()
    }
    return {"name": result.name, "held": result.held, "phases": phases}


def _observation(story: Story, check: CheckPlan) -> dict[str, Any]:
    """Figures of all series of the check together, in each phase in which there were any."""
    found = distributions(check, story.samples, story.judgement.windows)
    return {"name": check.name, "phases": distribution_object(found)}


def _fault(fault: FaultResult) -> dict[str, Any]:
    return {"id": fault.id, "fault": fault.fault, "targets": [_target(target) for target in fault.targets]}


def _target(target: TargetResult) -> dict[str, Any]:
    return {
        "id": target.id,
        "name": target.name,
        "intent_at": _time(target.intent_at),
        "injected_at": _time(target.injected_at),
        "undone_at": _time(target.undone_at),
        "verified_at": _time(target.verified_at),
        "outcome": target.outcome,
    }


def _stall(stall: Stall) -> dict[str, Any]:
    """`seconds` is null where nobody saw the end, or the most that it can have been; `exact` if the canary told it."""
    return {
        "series": stall.series,
        "who": stall.who,
        "start": rfc3339(stall.start),
        "seconds": None if stall.most is None else round(stall.most, 3),
        "at_least": round(stall.least, 3),
        "exact": stall.exact,
    }


def _reached(found: Reached) -> dict[str, Any]:
    """`count` is null where nobody can say, which `unknown` explains; people are counted, and have no names here."""
    count = None if found.unknown else found.count
    return {"kind": found.kind, "count": count, "names": list(found.names), "unknown": found.unknown or None}


def _fact(fact: Fact) -> dict[str, Any]:
    """`observed` and `as_expected` are null where nobody could tell."""
    return {
        "name": fact.name,
        "expected": fact.expected,
        "observed": fact.observed or None,
        "as_expected": fact.observed == fact.expected if fact.observed else None,
    }


def _outage(outage: Outage) -> dict[str, Any]:
    return {
        "hypothesis": outage.hypothesis,
        "series": outage.series,
        "start": rfc3339(outage.start),
        "end": rfc3339(outage.end),
        "seconds": round(outage.seconds, 3),
    }


def _debt(step: StepState) -> dict[str, Any]:
    target = step.plan.target
    return {
        "step": step.plan.id,
        "fault": step.plan.fault,
        "target": {"id": target.id, "name": target.name},
        "undo": step.plan.undo,
        "why": step.outcome_why or step.undo_failed,
    }


def _debt_cleared_at(story: Story) -> str | None:
    """When the last open debt was ended; None where there was none, or one is still open."""
    cleared = [entry.at for entry in story.entries if isinstance(entry.event, DebtCleared)]
    return rfc3339(max(cleared)) if cleared and not story.state.debts else None


def _time(at: float | None) -> str | None:
    return None if at is None else rfc3339(at)
