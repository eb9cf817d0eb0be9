"""Whether a controller may begin anything now: what the journal of its site says, whoever wrote it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from chaosjc.engine.locks import Locks
from chaosjc.engine.recover import alive
from chaosjc.journal.store import Store
from chaosjc.site.calendar import Calendar

CHILD = "controller-child"
"""The lock that each child of a controller holds as long as it lives, whether the controller does or not."""


@dataclass(frozen=True)
class Admission:
    """Asked of one journal. Each question raises JournalError where that cannot be read: then nothing may begin."""

    journal: Path
    halts: Path | None = None  # that of the halts of everything

    def under_way(self) -> str:
        """What is, that a person has begun, or a controller that died; empty where nothing is."""
        with Store(self.journal) as store:
            if runs := sorted(alive(store)):
                return f"run {', '.join(runs)} was under way"
        with Locks(self.journal).held(CHILD, wait=False) as free:
            return "" if free else "what an earlier controller had begun was under way"

    def refusal(self, policy: Calendar | None, now: datetime.datetime) -> str:
        """Why the site must be left alone, as the guards of a run would say it; empty where it need not."""
        with Store(self.journal, halts=self.halts) as store:
            halt, living = store.halted(), alive(store)
            owing = [state.run for state in store.open_runs() if state.run not in living]
        if halt:
            return halt.refusal
        if owing:
            return f"run {', '.join(owing)} left a debt; run `chaosjc recover`"
        closed = policy.refusal(now) if policy else ""
        return f"the site's calendar says {closed}" if closed else ""
