from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from random import Random

import pytest

from chaosjc.journal.effects import Compared, Comparison, compared, control, member
from chaosjc.journal.events import CheckPlan, Entry, Phase, Reading, Sample
from chaosjc.journal.measure import samples_of
from chaosjc.journal.state import fold
from chaosjc.journal.timeline import JITTER, Window
from chaosjc.journal.verdict import judge
from chaosjc.report.story import read, track
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


# ------------------------------------------------------------------ the time before a run


def earlier(check: CheckPlan, times: Iterable[float], series: Mapping[str, Callable[[float], float]]) -> Sample:
    """As a run asks for it at its end."""
    readings = [
        Reading(series=name, time=time, value=of(time), interval=1.0) for time in times for name, of in series.items()
    ]
    return Sample(check=check.id, source="backfill", readings=tuple(readings))


def short(*more: Sample, end: int = 40) -> Compared:
    """A baseline of 5 s, then a minute of 1.5 s more."""
    journal = journals.Journal(start=0.0)
    slower: Callable[[float], float] = lambda t: noisy(t) + (1.5 if t >= 6 else 0.0)  # noqa: E731
    journal.samples(peers.WAIT, journals.seconds(0, end), {"a": slower})
    windows: dict[Phase, Window] = {"before": Window(0, 5), "during": Window(6, end)}
    return compared(peers.WAIT, journals.planned(), (*samples_of(journal.entries()), *more), windows)


def noisy(t: float) -> float:
    return 1.0 + Random(t).gauss(0.0, 0.2)


def test_a_short_baseline_is_stood_for_by_the_time_before_the_run() -> None:
    [during] = short().phases
    assert during.effect.few == "too few samples: 6 of 20"
    [during] = short(earlier(peers.WAIT, journals.seconds(-60, -2), {"a": noisy})).phases
    assert (during.effect.n_one, during.effect.n_other, during.left_out) == (34, 58, 0)
    shift = during.effect.shift
    assert shift and shift.low and shift.high and shift.low < 1.5 < shift.high and during.effect.seen


def test_groups_before_the_fault_are_compared_over_the_time_before_the_run_too() -> None:
    both: dict[str, Callable[[float], float]] = {
        '{vm="worker-001"}': noisy,
        '{vm="worker-002"}': lambda t: noisy(t + 1000),
    }
    journal = journals.Journal(start=0.0).samples(peers.WAIT, journals.seconds(0, 5), both)
    sample = earlier(peers.WAIT, journals.seconds(-60, -2), both)
    samples = (*samples_of(journal.entries()), sample)
    [before] = control(peers.WAIT, journals.planned(), samples, {"before": Window(0, 5)})
    assert (before.phase, before.effect.n_one, before.effect.n_other) == ("before", 58, 58)
    assert not before.effect.few and not before.effect.seen


@pytest.mark.parametrize("times", [(-1.0, *(-1.0 - n for n in range(1, 19))), (-300.0,)])
def test_too_little_of_it_does_not_stand_for_the_baseline(times: tuple[float, ...]) -> None:
    """Such as a source says of just before the baseline, or of what it saw last."""
    [during] = short(earlier(peers.WAIT, sorted(times), {"a": noisy})).phases
    assert during.effect.n_other == 6


def test_a_baseline_that_is_longer_is_kept() -> None:
    journal = journals.Journal(start=0.0)
    journal.samples(peers.WAIT, journals.seconds(0, 141), {"a": noisy})
    windows: dict[Phase, Window] = {"before": Window(0, 80), "during": Window(81, 140)}
    sample = earlier(peers.WAIT, journals.seconds(-60, -2), {"a": noisy})
    found = compared(peers.WAIT, journals.planned(), (*samples_of(journal.entries()), sample), windows)
    assert found.phases[0].effect.n_other == 81


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in journals.ALL.items()])
def test_what_was_before_a_run_changes_nothing_of_its_judgement(make: Callable[[], list[Entry]]) -> None:
    entries = make()
    until = journals.START - JITTER
    told = [
        earlier(check, [until - 58 + t for t in range(59)], {"": lambda _: 99.0, 'up{instance="worker-002"}': noisy})
        for check in (journals.UP, journals.STALL)
    ]
    late = [entries[-2].model_copy(update={"event": sample}) for sample in told]
    assert judge([*entries[:-1], *late, entries[-1]]) == judge(entries)
    before, after = read(entries), read([*entries[:-1], *late, entries[-1]])
    assert [track(after, check) for check in after.planned.hypotheses] == [
        track(before, check) for check in before.planned.hypotheses
    ]
