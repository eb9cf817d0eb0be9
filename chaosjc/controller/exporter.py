"""What a controller tells Prometheus, read from claims and journal at each scrape: it keeps no figures of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from chaosjc import names
from chaosjc.controller.claims import Claims
from chaosjc.controller.controller import Controller, Due
from chaosjc.errors import JournalError
from chaosjc.journal.state import RunState
from chaosjc.journal.store import Store
from chaosjc.names import Metric

Family = CounterMetricFamily | GaugeMetricFamily


class Exporter(Collector):
    """Of one controller. What cannot be read is absent, never 0."""

    def __init__(self, controller: Controller, dues: Sequence[Due], claims: Claims, journal: Path) -> None:
        self._controller, self._dues, self._claims, self._journal = controller, dues, claims, journal

    def collect(self) -> Iterator[Family]:
        """One scrape."""
        try:
            yield from self._schedule()
            yield from self._runs()
        except JournalError:
            return

    def _schedule(self) -> Iterator[Family]:
        coming = ((due, self._controller.next(due)) for due in self._dues)
        yield _family(
            names.SCHEDULE_NEXT,
            (((due.loaded.schedule.name, due.entry.name), at.at.timestamp()) for due, at in coming if at),
        )
        counted = Counter((each.schedule, each.entry, str(each.outcome)) for each in self._claims.all())
        yield _family(names.SCHEDULE_DUE, counted.items())

    def _runs(self) -> Iterator[Family]:
        if not self._journal.exists():
            return
        with Store(self._journal) as store:
            states = [state for run in store.runs() if (state := store.state(run))]
            halted = store.halted() is not None
        closed = Counter((state.closed.verdict,) for state in states if state.closed)
        yield _family(names.RUNS, closed.items())
        yield _family(names.FAULTS_ACTIVE, (pair for state in states for pair in _active(state)))
        yield _family(names.UNDO_DEBTS, [((), sum(len(state.debts) for state in states if state.closed))])
        yield _family(names.HALTED, [((), float(halted))])


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
