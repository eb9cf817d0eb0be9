"""A promise about waiting stands beside the setting of the site that bounds the wait."""

from __future__ import annotations

from chaosjc.journal.events import CheckPlan, HypothesisPlan
from chaosjc.report.html import html
from tests.unit.report import journals
from tests.unit.report.test_html import Page
from tests.unit.report.test_observed import section

AGE, INTERVAL = "chaosjc_hub_live_outage_age_seconds", "chaosjc_hub_last_activity_interval_seconds"
AWAY = HypothesisPlan(
    id="h1", name="notebooks are reached again", kind="promql", options={"promql": AGE}, expect="<= 90s"
)
LOGINS = HypothesisPlan(
    id="h2",
    name="logins are back",
    kind="promql",
    options={"promql": "chaosjc_hub_outage_age_seconds"},
    expect="<= 20s",
)
OBSERVED = CheckPlan(id="o1", name="interval", kind="promql", options={"promql": f"max({INTERVAL})"}, expect="")


def drawn(*observations: CheckPlan) -> str:
    """The texts of the drawing of a run in which notebooks were away for 20 s."""
    plan = journals.planned(hypotheses=(AWAY, LOGINS), observations=observations)
    journal = journals.begin(plan)
    journal.samples(AWAY, journals.seconds(0, 42), {"{}": lambda t: max(t - 8.0, 0.0) if t < 28 else 0.0})
    journal.samples(LOGINS, journals.seconds(0, 42), {"{}": lambda _: 0.0})
    if observations:
        journal.samples(OBSERVED, journals.seconds(0, 42), {"{}": lambda _: 30.0})
    return Page(section(html(journals.recover(journals.undo(journal)).closed(42.0)), "promises")).text


def test_the_hubs_interval_stands_beside_how_long_notebooks_were_away() -> None:
    assert drawn(OBSERVED).count("last_activity_interval 30 s") == 1, "and beside nothing else"


def test_a_setting_that_was_not_observed_is_not_drawn() -> None:
    assert "last_activity_interval" not in drawn()
