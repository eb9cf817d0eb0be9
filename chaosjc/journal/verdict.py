"""The verdict of a run: a pure function of its events up to `closed`.

RULES is all there is to it: one row for each verdict and code, in the order of rank; the first row that finds something
to say gives the verdict, and what it says is the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chaosjc.errors import JournalError
from chaosjc.journal import measure, phases
from chaosjc.journal.events import (
    Cause,
    Closed,
    Entry,
    Outcome,
    Phase,
    RecoveryPlan,
    Refused,
    Verdict,
)
from chaosjc.journal.measure import HypothesisResult, Outage, PhaseResult
from chaosjc.journal.phases import Moments
from chaosjc.journal.recovery import still_violated
from chaosjc.journal.state import RunState, StepState, fold
from chaosjc.journal.timeline import Span

EXIT_CODES: dict[Verdict, int] = {
    "PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3, "NOT-STARTED": 4, "ABORTED": 5, "UNDO-FAILED": 6,
}  # fmt: skip
SHARED: tuple[Phase, ...] = ("during", "recovering")  # they share one allowance, `tolerate`
WHEN: dict[Phase, str] = {
    "before": "before the fault",
    "during": "during the fault",
    "recovering": "while recovering",
    "after": "after recovery",
}


@dataclass(frozen=True)
class TargetResult:
    """What became of one step on its target; times in seconds since 1970, None for what did not happen."""

    step: str
    id: str
    name: str
    intent_at: float | None
    injected_at: float | None
    undone_at: float | None
    verified_at: float | None
    outcome: Outcome | None
    why: str  # what inject, undo or verify said where it did not go well


@dataclass(frozen=True)
class FaultResult:
    """The steps of one fault of the experiment; `id` is what their ids have in common."""

    id: str
    fault: str
    targets: tuple[TargetResult, ...]


@dataclass(frozen=True)
class Debt:
    """A step whose undo was not seen to work: what, on whom, what would mend it, and what went wrong."""

    step: str
    fault: str
    target: str
    undo: str
    why: str


@dataclass(frozen=True)
class Judgement:
    """What a run found, and the figures behind it. Times to detect and to recover are seconds."""

    verdict: Verdict
    code: str
    reason: str
    hypotheses: tuple[HypothesisResult, ...]
    faults: tuple[FaultResult, ...]
    outages: tuple[Outage, ...]
    debts: tuple[Debt, ...]
    moments: Moments
    windows: dict[Phase, phases.Window]
    time_to_detect: float | None  # first injected to first violation
    time_to_recover: float | None  # first undo call to recovery
    longest_violation: float | None  # of a hypothesis; an outage is of one series, which may not violate it


@dataclass(frozen=True)
class Facts:
    """What the rules look at."""

    state: RunState
    moments: Moments
    hypotheses: tuple[HypothesisResult, ...]
    refused: Refused | None
    recovery_violated: bool

    @property
    def steps(self) -> list[StepState]:
        """All steps of the plan."""
        return list(self.state.steps.values())

    @property
    def recovery(self) -> RecoveryPlan:
        """What was promised."""
        return self.state.planned.recovery

    def stopped(self, *causes: Cause) -> str | None:
        """Why the run ended early, if for one of these causes."""
        stopping = self.state.stopping
        return stopping.why or stopping.cause if stopping and stopping.cause in causes else None


@dataclass(frozen=True)
class Rule:
    """One row: what it means, and how it is found. `finds` returns the reason, or None."""

    verdict: Verdict
    code: str
    meaning: str
    finds: Callable[[Facts], str | None]


def judge(entries: Sequence[Entry]) -> Judgement:
    """Judge one run by its events, those after `closed` excepted. JournalError if nothing was planned."""
    entries = _until_closed(entries)
    state = fold(entries)
    if state is None:
        raise JournalError("this run has no plan in the journal, so there is nothing to judge")
    samples = measure.samples_of(entries)
    at = phases.moments(state)
    windows = phases.windows(state.planned, at)
    hypotheses = tuple(measure.measure(plan, samples, windows) for plan in state.planned.hypotheses)
    refused = next((e.event for e in entries if isinstance(e.event, Refused)), None)
    violated = still_violated(state.planned.recovery, samples, phases.baseline(state), at)
    facts = Facts(state, at, hypotheses, refused, violated)
    rule, reason = next((rule, why) for rule in RULES if (why := rule.finds(facts)) is not None)
    outages = tuple(sorted((o for h in hypotheses for o in h.outages), key=lambda o: (o.start, o.hypothesis, o.series)))
    spans = [span for result in hypotheses for span in result.violated]
    return Judgement(
        verdict=rule.verdict,
        code=refused.code if refused and rule.verdict == "NOT-STARTED" else rule.code,
        reason=reason,
        hypotheses=hypotheses,
        faults=_faults(facts.steps),
        outages=outages,
        debts=tuple(_debt(step) for step in state.debts),
        moments=at,
        windows=windows,
        time_to_detect=_time_to_detect(spans, at),
        time_to_recover=_time_to_recover(at),
        longest_violation=max((span.seconds for span in spans), default=None),
    )


# ------------------------------------------------------------------ what the rules find


def _undo_failed(facts: Facts) -> str | None:
    debts = [_debt(step) for step in facts.state.debts]
    if not debts:
        return None
    first = debts[0]
    more = f" (and {len(debts) - 1} more)" if debts[1:] else ""
    why = f": {first.why}" if first.why else ""
    return f"{first.target} may still be broken by {first.fault}{more}{why}; `chaosjc recover` tries again"


def _aborted(cause: Cause) -> Callable[[Facts], str | None]:
    return lambda facts: None if facts.refused else facts.stopped(cause)


def _past_deadline(facts: Facts) -> str | None:
    """What the deadline cut short was only the watching, if recovery was given up: then that is judged."""
    return None if facts.moments.gave_up is not None else _aborted("deadline")(facts)


def _not_started(facts: Facts) -> str | None:
    if facts.refused:
        return facts.refused.reason
    return "nothing was injected" if facts.moments.first_intent is None else None


def _violated(facts: Facts) -> str | None:
    wrong = [result for result in facts.hypotheses if result.held is False]
    if not wrong:
        return None
    more = f" (and {len(wrong) - 1} more)" if wrong[1:] else ""
    return say_violated(wrong[0]) + more


def say_violated(result: HypothesisResult) -> str:
    """`hub answers was violated for 12.3 s during the fault, 2 s were tolerated`."""
    name, phase = _phases(result, held=False)[0]
    if name not in SHARED:
        return f"{result.name} was violated for {_seconds(phase.violated_s)} {WHEN[name]}"
    shared: dict[Phase, PhaseResult] = {
        name: phase for name, phase in result.phases.items() if name in SHARED and phase.violated_s > 0
    }
    violated = _seconds(sum(phase.violated_s for phase in shared.values()))
    when, tolerated = " and ".join(WHEN[name] for name in shared), _seconds(result.plan.tolerate)
    return f"{result.name} was violated for {violated} {when}, {tolerated} were tolerated"


def _recovered_late(facts: Facts) -> str | None:
    took, within = _time_to_recover(facts.moments), facts.recovery.within
    if took is None or took <= within:
        return None
    return f"recovery took {_seconds(took)}, {_seconds(within)} were promised"


def _not_recovered(facts: Facts) -> str | None:
    if facts.moments.recovered is not None or not facts.recovery_violated:
        return None
    return f"not recovered within the {_seconds(facts.recovery.within)} that were promised, nor before the run's end"


def _inject_failed(facts: Facts) -> str | None:
    failed = next((step for step in facts.steps if step.inject_failed), None)
    if failed:
        return f"{failed.plan.fault} on {failed.plan.target.name} could not be injected: {failed.inject_failed}"
    return facts.stopped("inject-failed")


def _target_vanished(facts: Facts) -> str | None:
    gone = next((step for step in facts.steps if step.outcome == "gone"), None)
    return f"{gone.plan.target.name} is gone, and {gone.plan.fault} did not take it away" if gone else None


def _not_injected(facts: Facts) -> str | None:
    left = next((step for step in facts.steps if step.injected_at is None), None)
    return f"{left.plan.fault} on {left.plan.target.name} was never seen injected" if left else None


def _recovery_unknown(facts: Facts) -> str | None:
    return "nobody saw whether it recovered: the recovery checks gave no data" if not facts.moments.recovered else None


def _thin_data(facts: Facts) -> str | None:
    thin = [result for result in facts.hypotheses if result.held is None]
    if not thin:
        return None
    more = f" (and {len(thin) - 1} more)" if thin[1:] else ""
    return say_unknown(thin[0]) + more


def say_unknown(result: HypothesisResult) -> str:
    """`hub answers cannot be judged: 5 of 60 samples during the fault, 90 % are needed: timeout`."""
    why = f": {result.why_unknown}" if result.why_unknown else ""
    found = _phases(result, held=None)
    if not found:
        return f"{result.name} cannot be judged: not all of its phases came to be{why}"
    name, phase = found[0]
    needed = f"{result.plan.min_coverage:.0%} are needed"
    return f"{result.name} cannot be judged: {_coverage(phase)} {WHEN[name]}, {needed}{why}"


def _phases(result: HypothesisResult, held: bool | None) -> list[tuple[Phase, PhaseResult]]:
    return [(name, phase) for name, phase in result.phases.items() if phase.held is held]


def _coverage(phase: PhaseResult) -> str:
    if phase.coverage == 0:
        return "no data"
    return f"{phase.samples} of {phase.expected} samples ({phase.coverage:.0%} of the time)"


def _passed(facts: Facts) -> str:
    took = _time_to_recover(facts.moments)
    hypotheses = "the hypothesis" if len(facts.hypotheses) == 1 else f"all {len(facts.hypotheses)} hypotheses"
    return f"{hypotheses} held" if took is None else f"{hypotheses} held, recovery took {_seconds(took)}"


RULES: tuple[Rule, ...] = (
    Rule("UNDO-FAILED", "undo-failed", "an undo was not seen to work: something may still be broken", _undo_failed),
    Rule("ABORTED", "halt", "somebody pressed the kill switch", _aborted("halt")),
    Rule("ABORTED", "signal", "the run was interrupted", _aborted("signal")),
    Rule("ABORTED", "deadline", "the run did not end by its deadline", _past_deadline),
    Rule("ABORTED", "death", "the run's process died; another one undid", _aborted("death")),
    Rule("NOT-STARTED", "not-started", "no intent was written; a guard's own code says why", _not_started),
    Rule(
        "FAIL",
        "stopped",
        "a `stop` hypothesis was violated, so that the run undid at once",
        lambda f: f.stopped("stop"),
    ),
    Rule("FAIL", "violated", "a hypothesis was violated for longer than tolerated", _violated),
    Rule("FAIL", "recovered-late", "recovery came later than promised", _recovered_late),
    Rule("FAIL", "not-recovered", "recovery did not come, and that was measured", _not_recovered),
    Rule("INCONCLUSIVE", "blind", "a `stop` hypothesis could not be measured", lambda f: f.stopped("blind")),
    Rule("INCONCLUSIVE", "inject-failed", "a fault could not be injected", _inject_failed),
    Rule("INCONCLUSIVE", "error", "the run ended by an error of its own", lambda f: f.stopped("error")),
    Rule("INCONCLUSIVE", "target-vanished", "a target was gone when it was to be made whole", _target_vanished),
    Rule("INCONCLUSIVE", "not-injected", "a planned fault was never seen injected", _not_injected),
    Rule("INCONCLUSIVE", "recovery-unknown", "recovery could not be measured", _recovery_unknown),
    Rule("INCONCLUSIVE", "thin-data", "a hypothesis had too little data in a phase", _thin_data),
    Rule(
        "PASS", "held", "every hypothesis held, every fault was undone and seen whole, recovery came in time", _passed
    ),
)


# ------------------------------------------------------------------ figures


def _until_closed(entries: Sequence[Entry]) -> Sequence[Entry]:
    end = next((i for i, entry in enumerate(entries) if isinstance(entry.event, Closed)), len(entries))
    return entries[:end]


def _faults(steps: Sequence[StepState]) -> tuple[FaultResult, ...]:
    groups: dict[tuple[str, str], list[TargetResult]] = {}
    for step in steps:
        groups.setdefault((step.plan.id.rpartition(".")[0] or step.plan.id, step.plan.fault), []).append(_target(step))
    return tuple(FaultResult(id, fault, tuple(targets)) for (id, fault), targets in groups.items())


def _target(step: StepState) -> TargetResult:
    return TargetResult(
        step=step.plan.id,
        id=step.plan.target.id,
        name=step.plan.target.name,
        intent_at=step.intent_at,
        injected_at=step.injected_at,
        undone_at=step.undone_at,
        verified_at=step.verified_at,
        outcome=step.outcome,
        why=_what_went_wrong(step) or step.inject_failed,
    )


def _debt(step: StepState) -> Debt:
    return Debt(step.plan.id, step.plan.fault, step.plan.target.name, step.plan.undo, _what_went_wrong(step))


def _what_went_wrong(step: StepState) -> str:
    if step.outcome not in (None, "whole"):
        return step.outcome_why or f"verified {step.outcome}"
    return step.undo_failed if step.outcome is None else ""


def _time_to_recover(at: Moments) -> float | None:
    return None if at.recovered is None or at.first_undo is None else at.recovered - at.first_undo


def _time_to_detect(violated: Sequence[Span], at: Moments) -> float | None:
    if at.first_injected is None:
        return None
    later = [max(span.start, at.first_injected) for span in violated if span.end > at.first_injected]
    return min(later) - at.first_injected if later else None


def _seconds(seconds: float) -> str:
    """`12.3 s`, `2 s`: a tenth is what sampling can tell at best; less than that is said in full."""
    rounded = round(seconds, 1) or round(seconds, 3)
    return f"{rounded:g} s"
