"""Looking in the background: a look that hangs makes its own values old, and holds nobody else up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chaosjc.clock import Clock
from chaosjc.errors import ChaosJCError
from chaosjc.names import Metric as Named

STALE = 10.0  # seconds after which what was seen is told no more


class Unknown(ChaosJCError):
    """It cannot be told now: the series is absent."""


@dataclass(frozen=True)
class Sample:
    """A value of one series; labels in the order of the register."""

    metric: Named
    labels: tuple[str, ...]
    value: float


Look = Callable[[], Iterable[Sample]]


class Watch:
    """Looks again and again, in a thread of its own once started, and keeps what it saw while that is fresh.

    A look that raises ChaosJCError or OSError cannot tell: what it told before is dropped at once.
    """

    def __init__(self, name: str, look: Look, every: float, clock: Clock) -> None:
        self._name, self._look, self._every, self._clock = name, look, every, clock
        self._seen: tuple[float, tuple[Sample, ...]] | None = None

    def start(self) -> None:
        """Until the process ends: a thread that a disk or a dead daemon holds must not hold the exit."""
        threading.Thread(target=self._forever, name=self._name, daemon=True).start()

    def look(self) -> None:
        """One look; its values are as old as its beginning."""
        began = self._clock.monotonic()
        try:
            self._seen = (began, tuple(self._look()))
        except (ChaosJCError, OSError):
            self._seen = None

    def fresh(self) -> tuple[Sample, ...]:
        """What was seen in the last 10 s."""
        seen = self._seen
        return seen[1] if seen and self._clock.monotonic() - seen[0] <= STALE else ()

    def _forever(self) -> None:
        while True:
            due = self._clock.monotonic() + self._every
            self.look()
            self._clock.sleep(due - self._clock.monotonic())


class Seen(Collector):
    """The fresh samples of some watches, as Prometheus's client wants them."""

    def __init__(self, watches: Iterable[Watch]) -> None:
        self._watches = tuple(watches)

    def collect(self) -> Iterable[Metric]:
        """Family by family, none without a sample."""
        found: dict[str, Metric] = {}
        for sample in (sample for watch in self._watches for sample in watch.fresh()):
            family = found.setdefault(sample.metric.name, _family(sample.metric))
            labels = dict(zip(sample.metric.labels, sample.labels, strict=True))
            family.add_sample(sample.metric.name, labels, sample.value)
        return found.values()


def _family(metric: Named) -> Metric:
    if metric.kind == "counter":
        return CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
