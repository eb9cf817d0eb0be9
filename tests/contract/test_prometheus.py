"""The Prometheus driver and the promql check against a real Prometheus: age, absence, NaN, death."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator

import pytest

from chaosjc.checks.entry import Names
from chaosjc.checks.promql import PromqlCheck
from chaosjc.checks.registry import ask, backfill, check_plan, lag
from chaosjc.checks.sources import Sources
from chaosjc.drivers.prometheus import Prometheus
from chaosjc.errors import RemoteError
from chaosjc.journal.events import CheckPlan, Reading
from chaosjc.spec import expect
from tests.contract.prometheus_process import Exporter, Server, scraping, wait_for

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("prometheus")]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Exporter]]:
    with scraping(tmp_path_factory.mktemp("prometheus")) as both:
        yield both


@pytest.fixture
def exporter(pair: tuple[Server, Exporter]) -> Exporter:
    pair[1].start()
    pair[1].text = "test_value 1\n"
    return pair[1]


@pytest.fixture
def server(pair: tuple[Server, Exporter], exporter: Exporter) -> Server:
    """Alive, and scraping an exporter that answers, whatever the test before has done to both.

    A value that a killed one has left behind does not do: this one marks as stale only what it has scraped itself.
    """
    del exporter
    began = time.time()
    pair[0].start()
    wait_for(lambda: (now := one(pair[0], "test_value")).value == 1 and now.time > began, 20)
    return pair[0]


def plan(promql: str, data: str | None = None, timeout: float = 2.0) -> CheckPlan:
    entry = PromqlCheck(promql=promql, data=data, expect=expect.parse("== 1"), timeout=timeout)
    return check_plan(entry, "h1", Names())


def one(server: Server, promql: str, data: str | None = None) -> Reading:
    """The newest of one series."""
    readings = ask(plan(promql, data), Sources(prometheus=server.client))
    assert len({reading.series for reading in readings}) == 1
    return max(readings, key=lambda reading: reading.time)


def test_values_carry_the_time_of_their_sample(server: Server, exporter: Exporter) -> None:
    exporter.text = 'test_value 1\ntest_inf{sign="+"} +Inf\ntest_nan NaN\n'
    wait_for(lambda: one(server, "test_inf").value == math.inf)
    first = one(server, "test_value")
    assert first.value == 1
    assert first.interval == 0.2
    assert first.series.startswith('test_value{instance="127.0.0.1:')
    assert 0 <= time.time() - first.time < 1
    wait_for(lambda: (now := one(server, "test_value")).value is not None and now.time > first.time)
    assert one(server, "test_nan").why == "NaN"
    wait_for(lambda: one(server, "sum(rate(test_value[2s])) + 1").value == 1)  # another test's value has passed
    assert one(server, "nothing").why.startswith("empty")
    assert one(server, "vector(1)", data="test_value").value == 1
    assert one(server, "vector(1)", data="nothing").why.startswith("gone")
    wait_for(lambda: one(server, "rate(test_value[1s] offset 1s)").value == 0)
    assert one(server, "sum by (job) (test_value)").series == '{job="test"}'


def test_targets_and_what_no_target_tells(server: Server) -> None:
    (target,) = server.client.targets()
    assert server.client.recorded() == {"test:double": 0.4}
    assert (target.interval, target.health, target.labels["job"]) == (0.2, "up", "test")
    # a Prometheus that gets no processor skips an evaluation, and the two around it are further apart
    wait_for(lambda: server.client.spacing("test:double", at=time.time()) == pytest.approx(0.4, abs=0.05))
    plans, sources = [plan("test_value"), plan("test:double")], Sources(prometheus=server.client)
    wait_for(lambda: lag(plans, sources) == pytest.approx(0.8, abs=0.1))


def test_a_series_of_a_dead_exporter_is_no_data(server: Server, exporter: Exporter) -> None:
    assert one(server, "test_value").value == 1
    exporter.stop()
    wait_for(lambda: one(server, "up").value == 0)
    wait_for(lambda: one(server, "test_value").value is None)
    wait_for(lambda: "gone" in one(server, "count_over_time(test_value[1m])").why)


def test_a_stopped_prometheus_that_comes_back_does_not_serve_old_values_as_new(
    server: Server, exporter: Exporter
) -> None:
    frozen = time.time()
    server.signal(signal.SIGSTOP)
    began = time.monotonic()
    (reading,) = ask(plan("test_value", timeout=0.5), Sources(prometheus=server.client))
    assert time.monotonic() - began < 1
    assert "timeout" in reading.why
    time.sleep(2)
    back = time.time()
    server.signal(signal.SIGCONT)
    wait_for(lambda: (now := one(server, "test_value")).value is not None and now.time > back)
    filled = backfill(plan("test_value"), Sources(prometheus=server.client), frozen - 0.5, time.time())
    times = [reading.time for reading in filled if reading.value is not None]
    assert times == sorted(set(times))
    assert not [t for t in times if frozen + 0.3 < t < back - 0.1]
    assert [t for t in times if t < frozen]
    assert [t for t in times if t > back]


def test_backfill_has_every_scrape_once(server: Server, exporter: Exporter) -> None:
    start = time.time()
    time.sleep(2)
    exporter.text = "test_value 0\n"
    changed = time.time()
    time.sleep(2)
    end = time.time()
    wait_for(lambda: one(server, "test_value").time > end)
    filled = backfill(plan("test_value"), Sources(prometheus=server.client), start, end)
    inside = [reading for reading in filled if start <= reading.time <= end]
    assert {reading.value for reading in inside if reading.time < changed} == {1}
    assert {reading.value for reading in inside if reading.time > changed + 0.25} == {0}
    raw = {point[0] for series in server.client.query("test_value[10s]", at=end + 0.5) for point in series.points}
    assert sorted(round(reading.time, 3) for reading in inside) == sorted(round(t, 3) for t in raw if start <= t <= end)
    assert len(inside) >= 4, "four seconds, in which a busy machine misses some scrapes"


def test_a_killed_prometheus_is_no_data(server: Server) -> None:
    server.kill()
    assert not server.client.ready()
    with pytest.raises(RemoteError):
        server.client.query("up", at=time.time())
    reading = one(server, "up")
    assert reading.value is None
    assert reading.why
    (failed,) = backfill(plan("up"), Sources(prometheus=server.client), 0, 1)
    assert failed.value is None


def test_a_refused_query_says_why(server: Server) -> None:
    with pytest.raises(RemoteError, match="parse error"):
        server.client.query("sum(", at=time.time())
    with pytest.raises(RemoteError, match="string"):
        server.client.query('"text"', at=time.time())
    assert Prometheus.connect(f"http://user:secret@127.0.0.1:{server.port}").url == f"http://127.0.0.1:{server.port}"
