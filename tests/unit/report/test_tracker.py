"""What a view of a running run is told."""

from __future__ import annotations

from chaosjc.journal.events import CheckPlan, RecoveryPlan
from chaosjc.report.tracker import Tracker
from tests.unit.report import journals


def test_where_recovery_is_the_hypotheses_themselves_those_are_shown() -> None:
    """As the journal has them: checks of the same ids, without what makes them hypotheses."""
    same = tuple(CheckPlan.model_validate(each.model_dump(include=set(CheckPlan.model_fields))) for each in HYPOTHESES)
    tracker = Tracker()
    tracker.update(
        journals.Journal().add(0.0, journals.planned(recovery=RecoveryPlan(within=30, until=same))).entries()
    )
    assert [gauge.plan for gauge in tracker.hypotheses] == list(HYPOTHESES)


HYPOTHESES = journals.planned().hypotheses
