"""What the canaries' figures become for Prometheus: families of the register, told at the instant of the scrape."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from chaosjc import names

Series = Iterable[tuple[tuple[str, ...], float]]


class Histogram:
    """Seconds, counted by the register's buckets."""

    def __init__(self) -> None:
        self._counts = [0] * (len(names.LATENCY) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect.bisect_left(names.LATENCY, seconds)] += 1
        self._sum += seconds

    def add_to(self, family: HistogramMetricFamily, labels: list[str]) -> None:
        """Buckets as Prometheus has them: cumulated, the last without a bound."""
        total, buckets = 0, list[tuple[str, float]]()
        for bound, count in zip((*map(str, names.LATENCY), "+Inf"), self._counts, strict=True):
            total += count
            buckets.append((bound, total))
        family.add_metric(labels, buckets, self._sum)


def family(metric: names.Metric, series: Series) -> Family:
    """A counter or a gauge; labels in the order of the register."""
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    found = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in series:
        found.add_metric(list(labels), value)
    return found


def histogram(metric: names.Metric, series: Mapping[tuple[str, ...], Histogram]) -> Family:
    """One histogram a series."""
    found = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, each in series.items():
        each.add_to(found, list(labels))
    return found


class Scrape(Collector):
    """Asks for the families at each scrape, which comes in a thread of its own."""

    def __init__(self, fetch: Callable[[], Iterable[Family]]) -> None:
        self._fetch = fetch

    def describe(self) -> Iterable[Family]:
        """Nothing, so that registering asks for no values."""
        return ()

    def collect(self) -> Iterable[Family]:
        """All of them, at this instant."""
        return self._fetch()
