"""What the benchmark of outages computes, on outages that a person can count."""

from __future__ import annotations

import itertools
import random

import pytest

from benchmarks import outages
from benchmarks.figures import told
from benchmarks.outage_server import KINDS, Outage
from benchmarks.outages import CALM, HELD, Probe, Scale, between, draw, probed, quantile, reports, spread
from chaosjc.canary.hub_figures import CHEAP


def test_outages_are_of_all_kinds_and_lengths_and_apart() -> None:
    plan = [outage for seed in range(20) for outage in draw(random.Random(seed), 100.0, Scale(1, 200.0))]
    assert {each.kind for each in plan} == set(KINDS)
    assert min(each.seconds for each in plan) < 0.3
    assert max(each.seconds for each in plan) > 15
    assert all(each.seconds >= HELD for each in plan if each.kind == "held")
    one = draw(random.Random(1), 100.0, Scale(1, 200.0))
    assert one[0].at == 100 + CALM
    assert all(b.at == pytest.approx(a.at + a.seconds + CALM) for a, b in itertools.pairwise(one))
    assert one[-1].at + one[-1].seconds + CALM <= 300


def test_each_failed_probe_stands_for_its_interval() -> None:
    probes = [(0.0, True), (15.0, False), (30.0, False), (45.0, True), (60.0, False)]
    assert probed((14.0, 40.0), probes) == 30
    assert probed((31.0, 44.0), probes) == 0  # it fell between two probes
    assert probed((44.0, 50.0), probes) == 0  # a probe in it was answered well


def test_quantiles_are_values_that_were_there() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [quantile(values, q) for q in (0.5, 0.99, 1.0)] == [50, 99, 100]
    assert quantile([3.0], 0.99) == 3


def test_a_spread_is_of_absolute_errors_and_its_mean_has_a_sign() -> None:
    line = spread("canary", [-0.03, 0.01])
    assert "p50     10.0 ms" in line
    assert "max     30.0 ms" in line
    assert "mean   -10.0 ms" in line


def test_a_figure_stands_beside_its_target_and_their_ratio() -> None:
    assert told("p99", 25.0, 50.0, "ms").split() == ["p99", "25", "ms", "target", "50", "ms", "ratio", "0.50"]


class Answers(Probe):
    """One that has asked already."""

    def __init__(self, *seen: tuple[float, bool]) -> None:
        self.seen = list(seen)


def test_what_each_observer_says_of_each_outage() -> None:
    plan = [Outage(10.0, 1.0, "refused"), Outage(20.0, 5.0, "held")]
    counters = [dict.fromkeys(CHEAP, total) for total in (0.5, 1.53, 6.5)]
    first, second = reports(plan, [[10.0, 11.0], [20.01, 25.01]], counters, Answers((9.0, True), (24.0, False)))
    assert (first.planted, first.kind, first.probed) == (1.0, "refused", 0)
    assert first.canary["api"] == pytest.approx(1.03)
    assert (second.planted, second.probed) == (pytest.approx(5.0), 15)
    assert second.canary["proxy"] == pytest.approx(4.97)


class Hands:
    """A clock that only sleeping moves."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_counters_are_read_before_the_first_outage_and_after_each(monkeypatch: pytest.MonkeyPatch) -> None:
    hands = Hands()
    monkeypatch.setattr(outages, "time", hands)
    plan = [Outage(10.0, 1.0, "error"), Outage(13.0, 2.0, "error")]

    def scrape() -> dict[str, float]:
        return {f"outage_seconds_total{{{rung}}}": hands.now for rung in CHEAP}

    assert [each["hub"] for each in between(plan, scrape)] == [9, 12, 16]
