"""What a controller tells Prometheus, read from claims and journal at each scrape: of its own it keeps nothing but what
cannot change any more.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from chaosjc import names
from chaosjc.controller.claims import Claims, in_vain
from chaosjc.controller.controller import Controller, Due
from chaosjc.controller.history import Figures, History
from chaosjc.errors import JournalError
from chaosjc.journal.events import Verdict
from chaosjc.journal.state import RunState
from chaosjc.journal.store import Store
from chaosjc.journal.verdict import EXIT_CODES
from chaosjc.names import Metric

Family = CounterMetricFamily | GaugeMetricFamily
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


class Exporter(Collector):
    """Of one controller. What cannot be read is absent, never 0."""

    def __init__(
        self, controller: Controller, dues: Iterable[Due], claims: Claims, journal: Path, halts: Path | None = None
    ) -> None:
        self._controller, self._dues, self._claims, self._journal = controller, dues, claims, journal
        self._halts = halts
        self._history = History()

    def collect(self) -> Iterator[Family]:
        """One scrape. Claims that cannot be read hide no debt, nor a journal what comes next."""
        for told in (self._schedule, self._runs):
            with contextlib.suppress(JournalError):
                yield from told()

    def _schedule(self) -> Iterator[Family]:
        claims = self._claims.all()
        dues = [((due.loaded.schedule.name, due.entry.name), due) for due in self._dues]
        coming = ((labels, self._controller.next(due, claims)) for labels, due in dues)
        yield _family(names.SCHEDULE_NEXT, ((labels, firing.at.timestamp()) for labels, firing in coming if firing))
        yield _family(names.SCHEDULE_IN_VAIN, ((labels, in_vain(claims, *labels)) for labels, _ in dues))
        counted = Counter((each.schedule, each.entry, str(each.outcome)) for each in claims)
        yield _family(names.SCHEDULE_DUE, counted.items())

    def _runs(self) -> Iterator[Family]:
        if not self._journal.exists():
            return
        with Store(self._journal, halts=self._halts) as store:
            states = self._history.states(store)
            halted = store.halted() is not None
            broke = _last(state for state in states if any(step.injected_at for step in state.steps.values()))
            figures = self._history.figures(store, (state.run for state in broke.values()))
        yield from _verdicts(states)
        yield from _measured(broke, figures)
        yield _family(names.FAULTS_ACTIVE, (pair for state in states for pair in _active(state)))
        yield _family(names.UNDO_DEBTS, [((), sum(len(state.debts) for state in states if state.closed))])
        yield _family(names.HALTED, [((), float(halted))])


def _last(states: Iterable[RunState]) -> dict[str, RunState]:
    """The last closed run of each experiment; `states` oldest first."""
    closed = (state for state in states if state.closed)
    return {state.planned.experiment: state for state in sorted(closed, key=lambda state: state.closed_at or 0.0)}


def _verdicts(states: Sequence[RunState]) -> Iterator[Family]:
    """Every verdict from 0 on, so that the first of its kind is an increase; not so of an experiment's first run."""
    last = _last(states)
    closed = [(state.planned.experiment, state.closed.verdict) for state in states if state.closed]
    of_all = Counter((verdict,) for _, verdict in closed)
    of_each = Counter(closed)
    yield _family(names.RUNS, (((each,), of_all[each,]) for each in VERDICTS))
    yield _family(names.EXPERIMENT_RUNS, (((name, each), of_each[name, each]) for name in last for each in VERDICTS))
    yield _family(
        names.LAST_VERDICT,
        (((name,), EXIT_CODES[state.closed.verdict]) for name, state in last.items() if state.closed),
    )
    yield _family(names.LAST_ENDED, (((name,), state.closed_at or 0.0) for name, state in last.items()))


def _measured(broke: Mapping[str, RunState], figures: Mapping[str, Figures]) -> Iterator[Family]:
    """Of the last run of each experiment that injected something."""
    found = [(name, figures[state.run]) for name, state in broke.items() if state.run in figures]
    yield _family(names.LAST_PROMISED, (((name,), state.planned.recovery.within) for name, state in broke.items()))
    yield _known(names.LAST_DETECT, ((name, each.detect) for name, each in found))
    yield _known(names.LAST_RECOVERY, ((name, each.recovery) for name, each in found))
    yield _known(names.LAST_VIOLATION, ((name, each.violation) for name, each in found))


def _known(metric: Metric, values: Iterable[tuple[str, float | None]]) -> Family:
    return _family(metric, (((name,), value) for name, value in values if value is not None))


def _active(state: RunState) -> Iterator[tuple[tuple[str, ...], float]]:
    for step in state.debts:
        if step.intent_at is not None:
            plan = step.plan
            yield (state.run, plan.fault, plan.target.name), step.intent_at + plan.duration + plan.undo_timeout


def _family(metric: Metric, values: Iterable[tuple[tuple[str, ...], float]]) -> Family:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in values:
        family.add_metric(labels, value)
    return family
