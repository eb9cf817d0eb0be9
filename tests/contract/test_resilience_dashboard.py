"""The resilience dashboard's queries on a real Prometheus that reads a real exporter over a journal of real runs."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from chaosjc import names
from chaosjc.controller.admission import Admission
from chaosjc.controller.claims import Claim, Claims
from chaosjc.controller.controller import Controller, Due
from chaosjc.controller.exporter import Exporter as RunsExporter
from chaosjc.controller.model import Loaded
from chaosjc.engine.run import Run
from chaosjc.names import HUB_METRICS, SITE_METRICS
from dashboards import draw, resilience
from tests.contract.prometheus_process import Server, scraping, wait_for
from tests.contract.test_dashboard import exposition
from tests.contract.test_run import World
from tests.unit.controller.schedules import schedule

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("prometheus")]

HELD = 4.0  # seconds of the last run's fault
CLAIM = """\
  - name: the file stays
    command: [test, -e, '{there}/file']
    every: 200ms"""
"""The hypothesis that it violates."""


@dataclass(frozen=True)
class Scene:
    """A Prometheus that has seen two runs before it began, and one with its fault (at that time) which failed."""

    server: Server
    fault: float

    def answers(self, query: str) -> bool:
        """Now, or while the fault was there."""
        return any(self.server.client.query(query, at=at) for at in (time.time(), self.fault))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    there = tmp_path_factory.mktemp("runs")
    faults = list[float]()
    for _ in range(2):
        judged = World(there).run()
        assert judged.verdict == "PASS", judged.reason
    told, others = teller(there), [*SITE_METRICS, *HUB_METRICS]
    with scraping(tmp_path_factory.mktemp("resilience")) as (server, exporter):
        more = exporter.text + "\n".join(line for metric in others for line in exposition(metric)) + "\n"

        def there_is(query: str) -> bool:
            time.sleep(0.3)  # the run beside it wants its time
            exporter.text = more + told()
            return bool(server.client.query(query, at=time.time()))

        def meanwhile(run: Run) -> None:
            del run
            wait_for(lambda: there_is(names.FAULTS_ACTIVE.name), 10)
            faults.append(time.time())

        wait_for(lambda: there_is("rate(chaosjc_storage_writes_total[2s])"), 30)
        judged = World(there).run(meanwhile, duration=f"{HELD:g}s", claim=CLAIM.format(there=there))
        assert judged.verdict == "FAIL", judged.reason
        wait_for(lambda: there_is('increase(chaosjc_runs_total{verdict="FAIL"}[2s]) > 0'), 30)
        yield Scene(server, faults[0])


def _nothing(words: Sequence[str]) -> int:
    raise AssertionError(f"nothing is begun here: {words}")


def teller(there: Path) -> Callable[[], str]:
    """What a controller would tell at each scrape."""
    journal = World(there).journal
    claims = Claims(there / "claims.jsonl")
    claims.add(Claim("s", "e0", "2026-12-01T12:00:00+00:00", "ended", 0))
    one = schedule({"cron": "0 * * * *"})
    controller = Controller(claims, _nothing, lambda: datetime.datetime.now(datetime.UTC), Admission(journal))
    registry = CollectorRegistry()
    registry.register(
        RunsExporter(controller, [Due(Loaded(there / "s.yaml", one, None), one.entries[0])], claims, journal)
    )
    return lambda: generate_latest(registry).decode()


def test_no_panel_is_empty_or_an_error(scene: Scene) -> None:
    asked = [(panel, draw.filled(expr, ".+", "2s")) for panel, expr in draw.queries(resilience.drawn())]
    assert [panel for panel, expr in asked if not scene.answers(expr)] == []


def test_a_fault_marks_every_plot_while_it_is_there_and_no_longer(scene: Scene) -> None:
    query, *_ = draw.MARKS["Faults"]
    [mark] = scene.server.client.query(query, at=scene.fault)
    assert (mark.labels["fault"], mark.labels["target"]) == ("command", "this machine")
    wait_for(lambda: not scene.server.client.query(query, at=time.time()), 10)
    assert not scene.server.client.query(draw.MARKS["Alerts"][0], at=time.time()), "none is loaded here"


def test_the_last_run_is_told(scene: Scene) -> None:
    [verdict] = scene.server.client.query('chaosjc_last_run_verdict{experiment="file-vanishes"}', at=time.time())
    assert verdict.points[-1][1] == 1
    for name, count in (("PASS", 2), ("FAIL", 1)):
        [runs] = scene.server.client.query(f'chaosjc_runs_total{{verdict="{name}"}}', at=time.time())
        assert runs.points[-1][1] == count
