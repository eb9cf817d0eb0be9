from __future__ import annotations

import statistics
from collections.abc import Sequence

from chaosjc.journal.events import PHASES, Entry, Phase
from chaosjc.journal.measure import HypothesisResult, PhaseResult
from chaosjc.journal.repeats import ENOUGH, Run, sum_up
from chaosjc.journal.state import fold
from chaosjc.journal.statistics import median_interval
from chaosjc.journal.verdict import judge
from tests.unit.report import journals, peers


def run(entries: Sequence[Entry], id: str = "r") -> Run:
    state = fold(entries)
    assert state
    return Run(id, state.closed.verdict if state.closed else "RUNNING", state.planned, judge(entries))


def recovered(since: float) -> list[Entry]:
    """A run that took `since` - 26 s to recover."""
    return journals.recover(journals.undo(journals.measured(journals.begin())), since).closed(42.5)


def test_verdicts_are_counted_and_figures_spread() -> None:
    [found] = sum_up([run(journals.passed(), "a"), run(journals.failed(), "b"), run(journals.passed(), "c")])
    assert (found.experiment, found.site, found.runs) == ("worker-vm-frozen", "lab", ("a", "b", "c"))
    assert found.verdicts == {"PASS": 2, "FAIL": 1}
    assert found.longest and (found.longest.n, found.longest.median, found.longest.max) == (3, 0.0, 9.0)
    assert found.spent and (found.spent.min, found.spent.max) == (0.0, 9.0)
    assert found.detect and found.detect.n == 1, "the others violated nothing"
    assert found.recover and (found.recover.low, found.recover.high) == (None, None), "3 runs are too few"


def test_of_enough_runs_there_is_an_interval_of_the_median() -> None:
    times = [28.0, 29.0, 29.0, 30.0, 31.0, 33.0]
    [found] = sum_up([run(recovered(since)) for since in times])
    took = [since - 26.0 for since in times]
    assert found.recover is not None
    assert (found.recover.median, found.recover.min, found.recover.max) == (statistics.median(took), 2.0, 7.0)
    assert (found.recover.low, found.recover.high) == (2.0, 7.0)


def test_enough_is_what_the_interval_needs() -> None:
    assert median_interval([1.0] * ENOUGH) is not None
    assert median_interval([1.0] * (ENOUGH - 1)) is None


def test_what_never_began_counts_as_a_verdict_and_in_no_figure() -> None:
    [found] = sum_up([run(journals.passed()), run(journals.not_started())])
    assert found.verdicts == {"PASS": 1, "NOT-STARTED": 1}
    assert found.longest and found.longest.n == 1
    [none] = sum_up([run(journals.not_started())])
    assert (none.detect, none.recover, none.longest, none.spent) == (None, None, None, None)


def test_what_nobody_measured_is_no_figure() -> None:
    """Six blind runs do not make it sure that nothing was ever violated."""
    [found] = sum_up([run(journals.blind()) for _ in range(ENOUGH)])
    assert found.verdicts == {"INCONCLUSIVE": ENOUGH}
    assert (found.longest, found.spent) == (None, None)
    [some] = sum_up([run(journals.blind()), run(journals.failed())])
    assert some.longest and some.spent and (some.longest.n, some.longest.min, some.spent.min) == (1, 9.0, 9.0)


def test_what_was_seen_violated_counts_though_not_all_was_measured() -> None:
    journal = journals.measured(journals.begin(), end=17, peak=36.0)
    [found] = sum_up([run(journals.recover(journals.undo(journal)).closed(42.5))])
    assert found.longest and found.longest.n == 1 and found.longest.max > 2
    assert found.spent and found.spent.n == 1 and found.spent.max > 2


def test_a_budget_is_known_without_the_phase_after() -> None:
    [found] = sum_up([run(journals.recover(journals.undo(journals.measured(journals.begin(), end=33))).closed(42.5))])
    assert found.longest is None
    assert found.spent and (found.spent.n, found.spent.max) == (1, 0.0)


def test_experiments_and_sites_are_summed_up_apart() -> None:
    elsewhere = journals.recover(journals.undo(journals.measured(journals.begin(journals.planned(site="campus")))))
    found = sum_up([run(journals.passed()), run(peers.slowed()), run(elsewhere.closed(42.5)), run(journals.failed())])
    assert [(each.experiment, each.site, len(each.runs)) for each in found] == [
        ("worker-vm-frozen", "lab", 2),
        ("worker-slowed", "lab", 1),
        ("worker-vm-frozen", "campus", 1),
    ]


def test_the_error_budget_is_spent_from_the_first_injection_to_recovery() -> None:
    phases: dict[Phase, PhaseResult] = {
        phase: PhaseResult(None, 1, 1, violated, 0.0, None, 1.0)
        for phase, violated in zip(PHASES, (1.0, 2.0, 4.0, 8.0), strict=True)
    }
    assert HypothesisResult(journals.UP, False, phases).spent == 6.0
    assert HypothesisResult(journals.UP, None, {}).spent == 0.0


def test_nothing_sums_up_to_nothing() -> None:
    assert sum_up([]) == ()
