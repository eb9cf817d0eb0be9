from __future__ import annotations

import threading

from prometheus_client.metrics_core import Metric as Family

from chaosjc import names
from chaosjc.canary.hub_config import Config
from chaosjc.canary.hub_figures import RUNGS, Figures, families, figures_of
from chaosjc.canary.hub_http import REASONS
from chaosjc.canary.hub_pace import Pace

CONFIG = Config({"lb": "http://lb", "w1": "http://w1"}, "/token", 9815, workers=("w1", "w2"), last_activity_interval=30)
REGISTER = {each.name: each for each in names.HUB_METRICS}


def begun() -> Figures:
    return figures_of(CONFIG, Pace(), 100.0)


def told(figures: Figures, now: float = 110.0) -> dict[str, Family]:
    found = families(figures, now)
    return {each.name + "_total" * (each.type == "counter"): each for each in found if each.samples}


def value(found: dict[str, Family], name: str, **labels: str) -> float:
    return next(each.value for each in found[name].samples if labels.items() <= each.labels.items())


def everything() -> Figures:
    figures = begun()
    for tally in (*figures.rungs.values(), *(each.tally for each in figures.live.values())):
        tally.good(109.0, 109.5)
    return figures


def test_all_of_the_register_is_exported_with_its_labels() -> None:
    found = told(everything())
    assert found.keys() == REGISTER.keys()
    for name, family in found.items():
        assert family.documentation == REGISTER[name].help
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(REGISTER[name].labels)


def test_cheap_rungs_are_told_of_each_entry_and_the_others_of_the_front() -> None:
    ups = {(each.labels["rung"], each.labels["entry"]) for each in told(everything())["chaosjc_hub_up"].samples}
    cheap = {(rung, entry) for rung in ("proxy", "hub", "api") for entry in ("lb", "w1")}
    assert ups == cheap | {(rung, "lb") for rung in RUNGS[3:]}


def test_at_first_nothing_is_known_and_all_is_counted_from_0() -> None:
    found = told(begun())
    assert REGISTER.keys() - found.keys() == {"chaosjc_hub_up", "chaosjc_hub_seconds", "chaosjc_hub_live_seconds"}
    failures = found["chaosjc_hub_failures_total"].samples
    assert {each.labels["reason"] for each in failures} == set(REASONS)
    assert {each.value for each in failures} == {0}


def test_a_live_server_is_live_while_its_last_answer_is_fresh() -> None:
    figures = begun()
    figures.live["w1"].tally.good(110.0, 110.5)
    for now, ok, age in ((111.0, 1, 0.5), (112.5, 1, 2.0), (113.0, 0, 2.5)):
        found = told(figures, now)
        assert value(found, "chaosjc_hub_live_ok", worker="w1") == ok
        assert value(found, "chaosjc_hub_live_age_seconds", worker="w1") == age


def test_of_a_worker_whose_server_runs_elsewhere_nothing_is_told() -> None:
    """Absent, and neither 1 nor 0: nobody knows how users of that worker fare."""
    figures = begun()
    for each in figures.live.values():
        each.tally.good(109.0, 109.5)
    figures.live["w1"].life.has_kernel("k", "secret", astray=True)
    found = told(figures)
    for name in ("live_ok", "live_age_seconds", "live_outage_age_seconds"):
        assert [each.labels["worker"] for each in found[f"chaosjc_hub_{name}"].samples] == ["w2"]
    figures.live["w1"].life.lost_server()
    assert value(told(figures), "chaosjc_hub_live_ok", worker="w1") == 1


def test_the_time_without_a_server_grows_until_one_could_start_elsewhere() -> None:
    figures = begun()
    life, name = figures.live["w1"].life, "chaosjc_hub_live_elsewhere_seconds"
    life.has_server("first")
    life.away = True
    life.lost_server(100.0)
    assert [value(told(figures, now), name, worker="w1") for now in (105.0, 110.0)] == [5, 10]
    life.moved(112.0)
    assert value(told(figures, 200.0), name, worker="w1") == 12
    assert value(told(figures, 200.0), "chaosjc_hub_live_elsewhere_total", worker="w1") == 1


def test_an_interval_that_nobody_knows_is_not_told() -> None:
    found = told(figures_of(Config({"lb": "http://lb"}, "/token", 9815), Pace(), 100.0))
    assert "chaosjc_hub_last_activity_interval_seconds" not in found
    assert value(told(begun()), "chaosjc_hub_last_activity_interval_seconds") == 30


def test_one_that_never_answered_is_not_live_and_as_old_as_the_canary() -> None:
    found = told(begun(), 100.5)
    assert value(found, "chaosjc_hub_live_ok", worker="w2") == 0
    assert value(found, "chaosjc_hub_live_age_seconds", worker="w2") == 0.5


def test_a_present_outage_grows_from_scrape_to_scrape_by_itself() -> None:
    figures = begun()
    figures.rungs["hub", "lb"].bad(101.0, 101.1, "5xx")
    for now in (102.0, 110.0):
        found = told(figures, now)
        assert value(found, "chaosjc_hub_outage_seconds_total", rung="hub", entry="lb") == now - 101
        assert value(found, "chaosjc_hub_outage_age_seconds", rung="hub", entry="lb") == now - 101
        assert value(found, "chaosjc_hub_outages_total", rung="hub", entry="lb") == 1
    assert value(found, "chaosjc_hub_failures_total", rung="hub", entry="lb", reason="5xx") == 1


def test_figures_can_be_told_while_they_change() -> None:
    """A scrape has a thread of its own."""
    figures, over = begun(), threading.Event()

    def change() -> None:
        tally, due = figures.rungs["hub", "lb"], 100.0
        while not over.is_set():
            due += 0.1
            attempt = tally.begin(due)
            tally.bad(due, due + 0.01, "5xx")
            tally.good(due + 0.05, due + 0.06)
            tally.end(attempt)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        counts = [value(told(figures, 1e6), "chaosjc_hub_outages_total", rung="hub", entry="lb") for _ in range(100)]
    finally:
        over.set()
        thread.join()
    assert counts == sorted(counts)
