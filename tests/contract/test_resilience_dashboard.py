"""The resilience dashboard's queries on a real Prometheus that reads a real exporter over a journal of real runs."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from chaosjc.controller.admission import Admission
from chaosjc.controller.claims import Claim, Claims
from chaosjc.controller.controller import Controller, Due
from chaosjc.controller.exporter import Exporter as RunsExporter
from chaosjc.controller.model import Loaded
from chaosjc.names import HUB_METRICS, SITE_METRICS
from dashboards import draw, resilience
from tests.contract.prometheus_process import Server, scraping, wait_for
from tests.contract.test_dashboard import exposition
from tests.contract.test_run import World
from tests.unit.controller.schedules import schedule

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("prometheus")]

MAY_BE_EMPTY = {
    "Time left of each fault": "no fault is there any more",
    "Runs of each experiment": "the runs had ended before the first scrape",
    "Time to detect": "no hypothesis was violated",
}
"""Panels without a series, and why that is well."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    there = tmp_path_factory.mktemp("runs")
    world = World(there)
    for _ in range(2):
        judged = world.run()
        assert judged.verdict == "PASS", judged.reason
    with scraping(tmp_path_factory.mktemp("resilience")) as (server, exporter):
        others = "\n".join(line for metric in (*SITE_METRICS, *HUB_METRICS) for line in exposition(metric))
        exporter.text += told(there, world.journal) + others + "\n"
        wait_for(lambda: server.client.query("rate(chaosjc_storage_writes_total[2s])", at=time.time()), 30)
        yield server


def _nothing(words: Sequence[str]) -> int:
    raise AssertionError(f"nothing is begun here: {words}")


def told(there: Path, journal: Path) -> str:
    claims = Claims(there / "claims.jsonl")
    claims.add(Claim("s", "e0", "2026-12-01T12:00:00+00:00", "ended", 0))
    one = schedule({"cron": "0 * * * *"})
    controller = Controller(claims, _nothing, lambda: datetime.datetime.now(datetime.UTC), Admission(journal))
    registry = CollectorRegistry()
    registry.register(
        RunsExporter(controller, [Due(Loaded(there / "s.yaml", one, None), one.entries[0])], claims, journal)
    )
    return generate_latest(registry).decode()


def test_every_query_is_answered(server: Server) -> None:
    asked = [(panel, draw.filled(expr, ".+", "2s")) for panel, expr in draw.queries(resilience.drawn())]
    empty = {panel for panel, expr in asked if not server.client.query(expr, at=time.time())}
    assert empty <= MAY_BE_EMPTY.keys()


def test_the_last_run_is_told(server: Server) -> None:
    [verdict] = server.client.query('chaosjc_last_run_verdict{experiment="file-vanishes"}', at=time.time())
    assert verdict.points[-1][1] == 0
    [runs] = server.client.query('chaosjc_runs_total{verdict="PASS"}', at=time.time())
    assert runs.points[-1][1] == 2
