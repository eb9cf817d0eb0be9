from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from chaosjc.journal.effects import Comparison, compared, control, member
from chaosjc.journal.events import CheckPlan, Phase, Sample
from chaosjc.journal.measure import samples_of
from chaosjc.journal.state import fold
from chaosjc.journal.timeline import Window
from chaosjc.journal.verdict import judge
from tests.unit.report import journals, peers


class Case:
    """What can be compared of one check in the run of `peers`."""

    def __init__(self, check: CheckPlan, extra: float = peers.SLOWER) -> None:
        entries = peers.slowed(extra)
        state = fold(entries)
        assert state
        self.check, self.planned, self.samples = check, state.planned, samples_of(entries)
        self.windows = judge(entries).windows

    def groups(self) -> dict[str, Comparison]:
        found = compared(self.check, self.planned, self.samples, self.windows)
        assert control(self.check, self.planned, self.samples, self.windows) == found.groups
        return {each.phase: each for each in found.groups}

    def phases(self) -> dict[str, Comparison]:
        found = compared(self.check, self.planned, self.samples, self.windows)
        return {each.phase: each for each in found.phases}


def test_targets_lie_above_others_during_the_fault_and_only_then() -> None:
    found = Case(peers.WAIT).groups()
    assert list(found) == ["before", "during", "recovering", "after"]
    assert {(each.one, each.other) for each in found.values()} == {("targets", "others")}
    shift, delta = found["during"].effect.shift, found["during"].effect.delta
    assert shift and shift.low and shift.high and delta
    assert shift.low < peers.SLOWER < shift.high and shift.high - shift.low < 0.2
    assert delta.value == 1.0
    assert [found[phase].effect.seen for phase in ("before", "during", "after")] == [False, True, False]
    assert (found["during"].effect.n_one, found["during"].effect.n_other) == (61, 122)


def test_phases_are_compared_with_the_one_before() -> None:
    found = Case(peers.WAIT).phases()
    assert [(each.one, each.other) for each in found.values()] == [
        ("during", "before"),
        ("recovering", "before"),
        ("after", "before"),
    ]
    assert found["during"].effect.seen and not found["after"].effect.seen
    assert found["recovering"].effect.few == "too few samples: 1 of 20"


@pytest.mark.parametrize("until", [40.0, 41.0, 46.0, 80.0])
def test_a_lost_series_is_no_effect_though_its_last_words_were_heard(until: float) -> None:
    """One worker answers in about 1 s, one in about 10 s, neither changes; the second is lost, and comes back."""
    random = Random(7)
    noise = {t: random.gauss(0.0, 0.1) for t in journals.seconds(0, 142)}
    slow: Callable[[float], float | None] = lambda t: None if until <= t <= 101 else 10 + noise[t + 1]  # noqa: E731
    journal = journals.Journal(start=0.0)
    journal.samples(peers.WAIT, journals.seconds(0, 141), {"a": lambda t: 1 + noise[t], "b": slow})
    windows: dict[Phase, Window] = {"before": Window(0, 39.5), "during": Window(40.5, 100), "after": Window(102, 140)}
    found = compared(peers.WAIT, journals.planned(), samples_of(journal.entries()), windows)
    during, after = found.phases
    assert (during.left_out, after.left_out) == (1, 0)
    assert (during.effect.n_one, during.effect.n_other) == (60, 40)
    assert not during.effect.seen and not after.effect.seen
    assert after.effect.n_one == 2 * 39


def test_a_series_that_comes_and_goes_is_left_out_and_counted() -> None:
    journal = journals.Journal(start=0.0)
    seldom: Callable[[float], float | None] = lambda t: 9.0 if t % 40 < 10 else None  # noqa: E731
    journal.samples(peers.WAIT, journals.seconds(0, 81), {"a": lambda t: 1.0 + t % 2, "b": seldom})
    windows: dict[Phase, Window] = {"before": Window(0, 39.5), "during": Window(39.9, 80)}
    [during] = compared(peers.WAIT, journals.planned(), samples_of(journal.entries()), windows).phases
    assert (during.left_out, during.effect.n_one, during.effect.n_other) == (1, 41, 40)


def test_a_series_that_came_later_is_no_effect_either() -> None:
    journal = journals.Journal(start=0.0)
    later: Callable[[float], float | None] = lambda t: None if t < 40 else 9.0 + t % 2  # noqa: E731
    journal.samples(peers.WAIT, journals.seconds(0, 101), {"a": lambda t: 1.0 + t % 2, "b": later})
    windows: dict[Phase, Window] = {"before": Window(0, 39.5), "during": Window(40.5, 100)}
    [during] = compared(peers.WAIT, journals.planned(), samples_of(journal.entries()), windows).phases
    assert during.left_out == 1
    assert during.effect.shift and during.effect.shift.value == pytest.approx(0.0, abs=1.0)


@pytest.mark.parametrize("late", [0.5, 1.5])
def test_who_was_asked_seldom_was_there_whenever_that_was(late: float) -> None:
    """Every 2 s in a baseline of 5 s: three times or twice."""
    journal = journals.Journal(start=0.0)
    for name, first in (("a", 0.0), ("b", late)):
        journal.samples(peers.WAIT, [first + 2 * number for number in range(8)], {name: lambda t: t})
    windows: dict[Phase, Window] = {"before": Window(0, 5), "during": Window(5.1, 15)}
    [during] = compared(peers.WAIT, journals.planned(), samples_of(journal.entries()), windows).phases
    assert (during.left_out, during.effect.few) == (0, "too few samples: 3 of 20")


def test_without_a_series_in_both_there_is_no_figure() -> None:
    journal = journals.Journal(start=0.0)
    early: Callable[[float], float | None] = lambda t: 1.0 + t % 2 if t < 40 else None  # noqa: E731
    later: Callable[[float], float | None] = lambda t: None if t < 40 else 1.0 + t % 2  # noqa: E731
    journal.samples(peers.WAIT, journals.seconds(0, 101), {"a": early, "b": later})
    windows: dict[Phase, Window] = {"before": Window(0, 39.5), "during": Window(40.5, 100)}
    [during] = compared(peers.WAIT, journals.planned(), samples_of(journal.entries()), windows).phases
    assert (during.left_out, during.effect.n_one, during.effect.few) == (2, 0, "too few samples: 0 of 20")


def test_where_nothing_happened_nothing_is_seen() -> None:
    case = Case(peers.WAIT, extra=0.0)
    assert not [each for each in (*case.groups().values(), *case.phases().values()) if each.effect.seen]


def test_a_fall_is_negative() -> None:
    found = Case(peers.WAIT, extra=-0.4).groups()["during"].effect
    assert found.shift and found.shift.value == pytest.approx(-0.4, abs=0.1)
    assert found.delta and found.delta.value < -0.9


def test_without_series_of_both_there_is_no_control_group() -> None:
    case = Case(peers.LOAD)
    assert case.groups() == {}
    assert set(case.phases()) == {"during", "recovering", "after"}


def test_the_same_run_gives_the_same_figures_and_another_seed_others() -> None:
    first, again, other = Case(peers.WAIT), Case(peers.WAIT), Case(peers.WAIT)
    other.planned = other.planned.model_copy(update={"seed": 8})
    assert first.groups() == again.groups()
    assert first.groups()["before"].effect.delta != other.groups()["before"].effect.delta


def test_texts_cannot_be_compared() -> None:
    found = compared(journals.BACK, journals.planned(), texts(), {"before": Window(0, 30), "after": Window(40, 70)})
    assert (found.phases, found.groups) == ((), ())


def texts() -> tuple[Sample, ...]:
    journal = journals.Journal(start=0.0)
    journal.samples(journals.BACK, journals.seconds(0, 80), {"worker-001": lambda _: "whole"})
    return samples_of(journal.entries())


def test_a_run_that_never_began_has_nothing_to_compare() -> None:
    case = Case(peers.WAIT)
    found = compared(case.check, case.planned, case.samples, {})
    assert replace(found, check=journals.BACK) == replace(found, check=journals.BACK, phases=(), groups=())


@pytest.mark.parametrize(
    ("series", "belongs"),
    [
        ("worker-001", True),
        ("worker-001:/bricks/homes", True),
        ('up{instance="worker-001:9100",job="node"}', True),
        ('{vm="worker-001",volume="homes"}', True),
        ('{vm="worker-0011"}', False),
        ('{vm="a-worker-001"}', False),
        ('up{job="worker-001 of many"}', False),
        ("", False),
    ],
)
def test_a_series_is_of_those_whom_it_names(series: str, belongs: bool) -> None:
    assert member(series, ["worker-001", "worker-007"]) is belongs


def test_a_series_that_names_both_is_of_none() -> None:
    both = '{from="worker-001",to="worker-002"}'
    for alone in ('{vm="worker-001"}', '{vm="worker-002"}'):
        journal = journals.Journal(start=0.0)
        journal.samples(peers.WAIT, journals.seconds(0, 40), {both: lambda t: t, alone: lambda t: t})
        samples = samples_of(journal.entries())
        assert control(peers.WAIT, journals.planned(), samples, {"before": Window(0.0, 39.0)}) == ()
