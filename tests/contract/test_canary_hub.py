"""The hub canary's real process against a real JupyterHub and its proxy, which the tests freeze and kill."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from chaosjc.canary.hub_config import Every
from tests.contract.hub_environment import programs
from tests.contract.hub_process import PASSWORD, Canary, Hub, Throttling, canary
from tests.contract.prometheus_process import wait_for

pytestmark = [pytest.mark.xdist_group("hub"), pytest.mark.timeout(180)]

WORKER, LIVE = "worker-001", "canary-live-worker-001"
OTHER = "canary-b-"
NEVER = 3600.0
LOSSES = ("lost_connections_total", "lost_kernels_total", "lost_servers_total")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Generator[Hub]:
    running = Hub(tmp_path_factory.mktemp("hub"), programs())
    try:
        wait_for(running.answers, 60)
        yield running
    finally:
        running.close()


@pytest.fixture(scope="module")
def watching(hub: Hub) -> Generator[Canary]:
    """One live server and the cheap rungs; no ladder."""
    limits = {"probe": 2.0, "live": 1.0}
    every = {"ladder": NEVER, "cell": 0.2, "login": 0.5}
    password = hub.directory / "password"
    password.write_text(PASSWORD)
    login = {"user": "canary-login", "password_file": str(password)}
    with canary(hub.directory, hub.url, workers=[WORKER], every=every, limits=limits, login=login) as one:
        yield one


@pytest.fixture
def live(watching: Canary) -> Canary:
    watching.wait(is_live, 60)
    return watching


def is_live(seen: dict[str, float]) -> bool:
    calm = not any(seen[f"outage_age_seconds{{{rung}}}"] for rung in ("proxy", "hub", "api", "login"))
    return calm and seen[f"live_ok{{{WORKER}}}"] == 1 and not seen[f"live_outage_age_seconds{{{WORKER}}}"]


def losses(before: dict[str, float], after: dict[str, float]) -> list[float]:
    """Connections, kernels and servers that were lost in between."""
    return [after[f"live_{each}{{{WORKER}}}"] - before[f"live_{each}{{{WORKER}}}"] for each in LOSSES]


def grown(before: dict[str, float], after: dict[str, float], name: str) -> float:
    return after[name] - before[name]


def out(seconds: float, process: int) -> float:
    """Freeze a process; for how long it was frozen."""
    os.kill(process, signal.SIGSTOP)
    began = time.monotonic()
    try:
        time.sleep(seconds)
    finally:
        os.kill(process, signal.SIGCONT)
    return time.monotonic() - began


def restarted(hub: Hub) -> float:
    """Kill the hub and start it again; for how long it did not answer."""
    hub.hub.kill()
    began = time.monotonic()
    hub.hub.wait(10)
    hub.start_hub()
    wait_for(hub.answers, 60)
    return time.monotonic() - began


def settled(seen: dict[str, float], before: dict[str, float], rung: str) -> bool:
    return is_live(seen) and seen[f"outages_total{{{rung}}}"] > before[f"outages_total{{{rung}}}"]


def test_cheap_rungs_are_probed_as_often_as_was_asked_for(live: Canary) -> None:
    """Each ten times a second, and answered; but while the canary itself stood still."""
    began, before = time.monotonic(), live.scrape()
    time.sleep(5)
    after = live.scrape()
    ran = time.monotonic() - began - grown(before, after, "stood_still_seconds_total")
    answered = {rung: grown(before, after, f"successes_total{{{rung}}}") for rung in ("proxy", "hub", "api")}
    assert {rung: count for rung, count in answered.items() if count / (ran / Every().probe) < 0.9} == {}


def test_a_frozen_hub_is_an_outage_of_hub_api_and_login_and_of_nothing_else(hub: Hub, live: Canary) -> None:
    before = live.scrape()
    began = time.monotonic()
    length = out(3.0, hub.hub.pid)
    wait_for(hub.answers)
    until_it_answered = time.monotonic() - began
    after = live.wait(lambda seen: settled(seen, before, "api"))
    for rung in ("hub", "api"):
        assert grown(before, after, f"outages_total{{{rung}}}") == 1
        assert length - 0.2 < grown(before, after, f"outage_seconds_total{{{rung}}}") < until_it_answered + 0.6
        assert grown(before, after, f"failures_total{{{rung},timeout}}") > 5
    assert grown(before, after, "outages_total{proxy}") == 0
    assert grown(before, after, f"live_outages_total{{{WORKER}}}") == 0
    assert losses(before, after) == [0, 0, 0]


def test_a_killed_hub_is_an_outage_until_it_answers_and_no_cell_is_missed(hub: Hub, live: Canary) -> None:
    before = live.scrape()
    length = restarted(hub)
    after = live.wait(lambda seen: settled(seen, before, "api"))
    assert grown(before, after, "outage_seconds_total{hub}") == pytest.approx(length, abs=0.3)
    assert grown(before, after, "failures_total{hub,5xx}") > 5
    assert grown(before, after, "outages_total{proxy}") == 0
    assert losses(before, after) == [0, 0, 0]


def test_a_killed_proxy_loses_the_connection_and_not_the_kernel(hub: Hub, live: Canary) -> None:
    before = live.scrape()
    hub.proxy.kill()
    began = time.monotonic()
    hub.proxy.wait(10)
    time.sleep(0.5)
    hub.start_proxy()
    wait_for(hub.answers, 30)
    length = time.monotonic() - began
    after = live.wait(lambda seen: settled(seen, before, "proxy"), 30)
    assert grown(before, after, "outage_seconds_total{proxy}") == pytest.approx(length, abs=0.3)
    assert grown(before, after, "failures_total{proxy,refused}") > 2
    assert grown(before, after, f"live_outage_seconds_total{{{WORKER}}}") > length - 0.3
    assert grown(before, after, f"live_failures_total{{{WORKER},unreached}}") > 0
    assert losses(before, after) == [1, 0, 0]


def test_a_killed_kernel_is_a_lost_kernel_although_its_server_starts_another(hub: Hub, live: Canary) -> None:
    before = live.scrape()
    for pid in hub.kernels(LIVE):
        os.kill(pid, signal.SIGKILL)
    after = live.wait(lambda seen: losses(before, seen)[1] > 0 and is_live(seen), 40)
    assert losses(before, after) == [0, 1, 0]


def test_a_killed_server_is_lost_with_its_kernel_and_another_comes(hub: Hub, live: Canary) -> None:
    before, spawned = live.scrape(), len(hub.spawned())
    for pid in hub.processes(LIVE):
        os.kill(pid, signal.SIGKILL)
    after = live.wait(lambda seen: losses(before, seen)[2] > 0 and is_live(seen), 60)
    assert losses(before, after) == [1, 1, 1]
    assert hub.spawned()[spawned:] == [(LIVE, {"node": WORKER})]


def test_what_happened_while_the_canary_itself_was_frozen_is_not_told(hub: Hub, live: Canary) -> None:
    before = live.scrape()
    length = out(1.5, live.process.pid)
    after = live.wait(lambda seen: seen["stood_still_seconds_total"] > before["stood_still_seconds_total"])
    time.sleep(0.6)
    after = live.scrape()
    assert grown(before, after, "stood_still_seconds_total") == pytest.approx(length, abs=0.3)
    told = [name for name in after if "outage" in name or "failures" in name]
    assert {name: grown(before, after, name) for name in told if after[name] != before[name]} == {}
    assert losses(before, after) == [0, 0, 0]


def test_the_ladder_is_climbed_and_a_killed_canary_is_cleared_away_by_the_next(hub: Hub, live: Canary) -> None:
    """Of its own users alone: another canary's live server and somebody's own go on."""
    hub.start_foreign("alice")
    before = live.scrape()
    with canary(hub.directory, hub.url, prefix=OTHER, workers=["worker-002"], every={"ladder": 3}) as one:
        seen = one.wait(lambda seen: seen["successes_total{stop}"] >= 1, 60)
        rungs = ("proxy", "hub", "api", "login", "spawn", "kernel", "cell", "home", "stop")
        assert {rung: seen.get(f"up{{{rung}}}") for rung in rungs} == dict.fromkeys(rungs, 1.0)
        assert (hub.directory / "homes" / f"{OTHER}ladder" / ".chaosjc-canary").stat().st_size == 32
        failed = {name for name, count in seen.items() if name.startswith("failures_total") and count}
        assert {name for name in failed if name.split("{")[1].split(",")[0] in rungs[3:]} == set()
        one.wait(lambda seen: seen["live_ok{worker-002}"] == 1, 40)
        one.stop(signal.SIGKILL)
    assert f"{OTHER}live-worker-002" in hub.servers()
    with canary(hub.directory, hub.url, prefix=OTHER, every={"ladder": NEVER}):
        wait_for(lambda: not any(user.startswith(OTHER) for user in hub.servers()), 20)
    assert {"alice", LIVE} <= hub.servers()
    assert losses(before, live.scrape()) == [0, 0, 0]


def test_a_canary_that_is_told_to_go_leaves_no_server(hub: Hub) -> None:
    with canary(hub.directory, hub.url, prefix=OTHER, workers=["worker-002"], every={"ladder": NEVER}) as one:
        wait_for(lambda: f"{OTHER}live-worker-002" in hub.servers(), 20)
        one.stop()
        assert one.process.returncode == 0
    wait_for(lambda: f"{OTHER}live-worker-002" not in hub.servers(), 20)


def test_who_lost_the_worker_too_starts_once_wherever_there_is_room(hub: Hub) -> None:
    worker, user = "worker-002", f"{OTHER}live-worker-002"
    moves, lasted = (f"live_elsewhere{part}{{{worker}}}" for part in ("_total", "_seconds"))
    with contextlib.ExitStack() as while_it_is_there:
        way_in = while_it_is_there.enter_context(Throttling(retry_after=1))  # all that it is asked for here is health
        more: dict[str, object] = {"entries": {"front": hub.url, worker: way_in.url}, "front": "front"}
        more |= {"workers": [worker], "every": {"ladder": NEVER, "cell": 0.2}, "limits": {"live": 1.0}}
        with canary(hub.directory, hub.url, prefix=OTHER, **more) as one:
            before = one.wait(lambda seen: seen[f"live_ok{{{worker}}}"] == 1, 60)
            spawned = len(hub.spawned())
            while_it_is_there.close()
            one.wait(lambda seen: seen["failures_total{proxy,refused}"] > 0)
            for pid in hub.processes(user):
                os.kill(pid, signal.SIGKILL)
            after = one.wait(lambda seen: seen[moves] == 1 and seen[f"live_ok{{{worker}}}"] == 1, 90)
    assert hub.spawned()[spawned:] == [(user, {}), (user, {"node": worker})]
    assert (before[moves], before[lasted], after[f"live_lost_servers_total{{{worker}}}"]) == (0, 0, 1)
    assert 0 < after[lasted] < after[f"live_outage_seconds_total{{{worker}}}"], "it was home later still"


def test_a_throttled_spawn_is_no_failure_and_is_asked_for_again_no_sooner_than_was_said(tmp_path: Path) -> None:
    with Throttling(retry_after=2) as hub, canary(tmp_path, hub.url, every={"ladder": 0.5}) as one:
        seen = one.wait(lambda seen: seen["throttled_total{spawn}"] >= 2, 20)
    assert sum(count for name, count in seen.items() if name.startswith(("failures_total{s", "failures_total{k"))) == 0
    assert seen["outages_total{spawn}"] == 0
    first, second = hub.asked[:2]
    assert 2 <= second - first < 3.5


def test_a_hub_that_is_not_there_is_told_and_waited_for(tmp_path: Path) -> None:
    with canary(tmp_path, "http://127.0.0.1:9", workers=[WORKER]) as one:
        seen = one.wait(lambda seen: seen["failures_total{hub,refused}"] >= 10)
        began = time.monotonic()
        one.stop()
        assert (one.process.returncode, time.monotonic() - began < 5) == (0, True)
    assert (seen["up{proxy}"], seen["up{api}"], seen[f"live_ok{{{WORKER}}}"]) == (0, 0, 0)
    assert "up{spawn}" not in seen
