"""A run against the hub as it could have been: logins are away for 35.4 s, of which 25 s were promised."""

from __future__ import annotations

from collections.abc import Callable

from chaosjc.journal.events import CheckPlan, Entry, HypothesisPlan
from tests.unit.report import journals

DUE, LENGTH, PROMISED = 6.3, 17.2, 12.0
AGE = "chaosjc_hub_outage_age_seconds"
AWAY = HypothesisPlan(
    id="h1", name="logins are away no longer than promised", kind="promql",
    options={"promql": f'max by (rung) ({AGE}{{rung=~"hub|api|login"}})'}, expect=f"<= {PROMISED:g}s",
)  # fmt: skip
LOGIN = CheckPlan(
    id="o1", name="seconds without a login", kind="promql", options={"promql": f'max({AGE}{{rung="login"}})'}, expect=""
)
NOTEBOOK = CheckPlan(
    id="o2", name="notebook", kind="promql", options={"promql": "chaosjc_hub_live_outage_age_seconds"}, expect=""
)


def age(due: float = DUE, length: float = LENGTH) -> Callable[[float], float]:
    """That of an outage, as the canary's gauge tells it."""
    return lambda t: t - due if due < t < due + length else 0.0


def away(*, notebook: CheckPlan = NOTEBOOK) -> list[Entry]:
    """Logins for LENGTH seconds, the hub for a second less, a notebook for 3 s."""
    plan = journals.planned(experiment="hub-scaled-to-zero", hypotheses=(AWAY,), observations=(LOGIN, notebook))
    times = [second + 0.4 for second in journals.seconds(0, 42)]
    journal = journals.begin(plan)
    journal.samples(AWAY, times, {'{rung="login"}': age(), '{rung="hub"}': age(DUE + 0.5, LENGTH - 1)})
    journal.samples(LOGIN, times, {"{}": age()})
    journal.samples(notebook, times, {'{job="hub",worker="worker-002"}': age(10.0, 3.0)})
    return journals.recover(journals.undo(journal)).closed(42.5)
