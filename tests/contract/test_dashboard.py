"""The dashboard's queries on a real Prometheus that scrapes every metric of the register: no error, nothing empty."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaosjc.names import METRICS, Metric
from dashboards import draw, storage
from tests.contract.prometheus_process import Server, scraping, wait_for

VALUES = {
    "volume": ("homes", "scratch"), "vm": ("vm-001", "vm-002"), "brick": ("brick-001", "brick-002"),
    "peer": ("brick-001",), "through": ("worker-001", "worker-002"), "errno": ("EIO", "ENOSPC"),
    "fop": ("fsync", "lookup"),
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
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with scraping(tmp_path_factory.mktemp("dashboard")) as (server, exporter):
        exporter.text += "\n".join(line for metric in METRICS for line in exposition(metric)) + "\n"
        wait_for(lambda: server.client.query("rate(chaosjc_storage_writes_total[2s])", at=time.time()), 30)
        yield server


@pytest.mark.xdist_group("prometheus")
@pytest.mark.parametrize("volume", [".+", "homes"])
def test_every_query_is_answered(server: Server, volume: str) -> None:
    asked = [(panel, draw.filled(expr, volume, "2s")) for panel, expr in draw.queries(storage.drawn())]
    empty = [(panel, expr) for panel, expr in asked if not server.client.query(expr, at=time.time())]
    assert empty == []


@pytest.mark.xdist_group("prometheus")
def test_a_brick_that_has_gone_is_missing(server: Server) -> None:
    """Of two series one is 0, of two more nothing is heard any more."""
    [expr] = [expr for panel, expr in draw.queries(storage.drawn()) if panel == "Bricks missing"]
    answer = server.client.query(draw.filled(expr, "homes", "1h"), at=time.time())
    assert [series.points[-1][1] for series in answer] == [0.0]
