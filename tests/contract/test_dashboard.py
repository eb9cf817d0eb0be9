"""The dashboard's queries on a real Prometheus that scrapes every metric of the register: no error, nothing empty."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest

from chaosjc.names import SITE_METRICS, Metric
from dashboards import draw, storage
from tests.contract.prometheus_process import Exporter, Server, scraping, wait_for

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("prometheus")]
VALUES = {
    "volume": ("homes", "scratch"), "vm": ("vm-001", "vm-002"), "brick": ("brick-001", "brick-002"),
    "peer": ("brick-001",), "through": ("worker-001", "worker-002"), "errno": ("EIO", "ENOSPC"),
    "fop": ("fsync", "lookup"), "rung": ("proxy", "spawn"), "entry": ("worker-001",), "reason": ("timeout",),
    "worker": ("worker-001",),
}  # fmt: skip


def exposition(metric: Metric) -> Iterator[str]:
    """Lines of one family, a series for every pair of two VMs, two volumes, …; each histogram has seen one value."""
    yield f"# TYPE {metric.name} {metric.kind}"
    labels = ("vm", *metric.labels)
    for values in itertools.product(*(VALUES[label] for label in labels)):
        own = ",".join(f'{label}="{value}"' for label, value in zip(labels, values, strict=True))
        if metric.buckets:
            yield from (f'{metric.name}_bucket{{{own},le="{le}"}} 1' for le in (*metric.buckets, "+Inf"))
            yield from (f"{metric.name}_{part}{{{own}}} 1" for part in ("sum", "count"))
        else:
            yield f"{metric.name}{{{own}}} 1"


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Exporter]]:
    with scraping(tmp_path_factory.mktemp("dashboard")) as (server, exporter):
        exporter.text += "\n".join(line for metric in SITE_METRICS for line in exposition(metric)) + "\n"
        wait_for(lambda: server.client.query("rate(chaosjc_storage_writes_total[2s])", at=time.time()), 30)
        yield server, exporter


@pytest.mark.parametrize("volume", [".+", "homes"])
def test_every_query_is_answered(scraped: tuple[Server, Exporter], volume: str) -> None:
    server, _ = scraped
    asked = [(panel, draw.filled(expr, volume, "2s")) for panel, expr in draw.queries(storage.drawn())]
    empty = [(panel, expr) for panel, expr in asked if not server.client.query(expr, at=time.time())]
    assert empty == []


def test_a_brick_that_says_nothing_any_more_is_missing(scraped: tuple[Server, Exporter]) -> None:
    server, exporter = scraped
    [expr] = [expr for panel, expr in draw.queries(storage.drawn()) if panel == "Bricks missing"]

    def missing() -> list[float]:
        answer = server.client.query(draw.filled(expr, "homes", "1h"), at=time.time())
        return [series.points[-1][1] for series in answer]

    whole = exporter.text
    assert missing() == [0.0]
    exporter.text = "".join(line for line in whole.splitlines(keepends=True) if 'brick="brick-002"' not in line)
    wait_for(lambda: missing() == [2.0])  # as both VMs have said of it
    exporter.text = ""
    wait_for(lambda: missing() == [4.0])
    exporter.text = whole
    wait_for(lambda: missing() == [0.0])
