"""What the time of a sample means: when it was taken counts, never when it was asked for, or came."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosjc.journal.events import Entry, HypothesisPlan, Phase, Reading, Sample
from chaosjc.journal.live import BLIND, alarm, steady
from chaosjc.journal.measure import HypothesisResult, measure
from chaosjc.journal.recovery import recovered_since
from chaosjc.journal.timeline import Window
from chaosjc.journal.verdict import judge
from tests.unit.journal.story import journal, story

WINDOWS: dict[Phase, Window] = {"before": Window(-15, 0), "during": Window(0, 60), "after": Window(70, 100)}
PLAN = HypothesisPlan(
    id="hub", name="hub", kind="promql", expect="== 1", stop=True, phases=("before", "during", "after")
)
NAN = float("nan")


def polled(*taken: float | None, value: float = 1.0, interval: float = 1.0, start: float = -15.0) -> list[Sample]:
    """One answer a second: the time at which the sample that it had was taken, or None where it had none."""
    return [
        Sample(check="hub", readings=(reading(at, start + second, value, interval),)) for second, at in enumerate(taken)
    ]


def reading(taken: float | None, now: float, value: float, interval: float) -> Reading:
    if taken is None:
        return Reading(series="a", time=now, why="empty", interval=interval)
    return Reading(series="a", time=taken, value=value, interval=interval)


def every(interval: float, *, until: float = 101.0, start: float = -15.0, lag: float = 0.0) -> list[Sample]:
    """Polls each second of a source that takes a sample every `interval`, and shows it `lag` later."""
    seconds = range(int(start), int(until))
    newest = [start + ((now - lag - start) // interval) * interval for now in seconds]
    return polled(*(taken if taken >= start else None for taken in newest), interval=interval, start=start)


def judged(samples: list[Sample]) -> HypothesisResult:
    return measure(PLAN, samples, WINDOWS)


@pytest.mark.parametrize("interval", [1.0, 5.0, 15.0])
@pytest.mark.parametrize("lag", [0.0, 0.7, 3.0])
def test_a_sample_shown_late_counts_for_when_it_was_taken(interval: float, lag: float) -> None:
    """Coverage is of the source's own interval: that polls are more frequent adds nothing."""
    found = judged(every(interval, lag=lag))
    assert found.held is True
    assert found.phases["during"].expected == 60 / interval
    assert found.phases["during"].samples == pytest.approx(60 / interval, abs=1)


def test_a_violation_belongs_to_the_phase_in_which_it_was_taken() -> None:
    """Taken at 59.5, in the last second of `during`, and shown when `after` had begun."""
    late = Sample(check="hub", readings=(Reading(series="a", time=59.5, value=0.0, interval=1.0),))
    found = judged([*every(1.0), late])
    assert [phase for phase, result in found.phases.items() if result.held is False] == ["during"]


def test_a_frozen_sample_is_one_sample_however_often_it_is_asked_for() -> None:
    """A source that repeats what it took at 5 says nothing of the time after 6."""
    frozen = [*every(1.0, until=6.0), *polled(*[5.0] * 95, start=6.0)]
    found = judged(frozen)
    assert found.phases["before"].held is True
    assert found.phases["during"].held is None
    assert found.phases["during"].unknown_s == pytest.approx(54)
    assert found.phases["after"].coverage == 0


def test_a_frozen_violated_sample_stays_violated_until_another_is_taken() -> None:
    """Nobody saw it end."""
    bad = polled(*[5.0] * 30, value=0.0, start=5.0)
    found = judged([*every(1.0, until=5.0), *bad, *every(1.0, until=101.0, start=35.0)])
    assert found.phases["during"].violated_s == 30
    assert [(each.start, each.end) for each in found.outages] == [(5.0, 35.0)]


def test_a_frozen_source_blinds_a_stop_check_and_does_not_let_a_run_begin() -> None:
    before = Window(-15, 0)
    frozen = [*every(1.0, until=1.0), *polled(*[0.0] * 20, start=1.0)]
    assert alarm(PLAN, frozen, before, {"during": Window(0.0, 1.0 + BLIND - 0.1)}) is None
    blind = alarm(PLAN, frozen, before, {"during": Window(0.0, 1.0 + BLIND)})
    assert blind is not None
    assert blind.cause == "blind"
    assert steady([PLAN], polled(*[-15.0] * 15), 15, 0.0).held is None


def test_a_frozen_source_never_shows_recovery() -> None:
    assert recovered_since([PLAN], polled(*[62.0] * 30, start=62.0), None, 60.0) is None
    assert recovered_since([PLAN], every(1.0, start=62.0, until=65.0), None, 60.0) == 62.0


def test_nan_is_no_data_whatever_is_expected() -> None:
    for expect in ("== 1", "!= 1", "<= 5", "between 0 and 2", "in [1, 2]"):
        plan = PLAN.model_copy(update={"expect": expect})
        found = measure(plan, polled(*map(float, range(-15, 100)), value=NAN), WINDOWS)
        assert (found.held, found.phases["during"].coverage) == (None, 0), expect


@pytest.mark.parametrize(
    ("half", "violated"),
    [(1, 30.0), (5, 30.0), (15, 30.0)],
)
def test_flapping_is_violated_for_the_sum_of_its_times(half: int, violated: float) -> None:
    """However fast it flaps: one stretch of half a minute, or thirty of a second."""
    flapping = [
        Sample(check="hub", readings=(Reading(series="a", time=t, value=1.0 - (t // half % 2 if 0 <= t < 60 else 0)),))
        for t in range(-15, 101)
    ]
    found = judged(flapping)
    assert found.phases["during"].violated_s == violated
    assert len(found.outages) == 30 / half
    assert measure(PLAN.model_copy(update={"tolerate": 30.0}), flapping, WINDOWS).held is True
    assert measure(PLAN.model_copy(update={"tolerate": 29.9}), flapping, WINDOWS).held is False


def test_what_flaps_has_not_recovered() -> None:
    for signs in ("+-" * 20, "++-" * 20):
        flapping = [
            Sample(check="hub", readings=(Reading(time=60.0 + n, value=float(sign == "+")),))
            for n, sign in enumerate(signs)
        ]
        assert recovered_since([PLAN], flapping, None, 60.0) is None


@pytest.mark.parametrize("source", ["live", "backfill"])
def test_a_series_that_is_not_there_yet_does_not_tell_when_its_samples_are_due(source: str) -> None:
    """The first poll found nothing, and so no interval; all that was scraped came every 15 s."""
    nothing = Sample(check="hub", readings=(Reading(time=-15.0, why="empty", interval=1.0),))
    scraped = [sample.model_copy(update={"source": source}) for sample in every(15.0, start=-14.0)]
    found = judged([nothing, *scraped])
    assert (found.held, found.phases["during"].expected) == (True, 4)


def test_where_there_is_no_value_at_all_what_the_source_said_counts() -> None:
    nothing = [Sample(check="hub", readings=(Reading(time=t, why="stale", interval=15.0),)) for t in range(60)]
    assert judged(nothing).phases["during"].expected == 4


def test_a_violation_between_two_scrapes_is_not_seen_and_not_made_up() -> None:
    """Fifteen seconds lie between two samples: what is known is what was sampled."""
    slow = every(15.0)
    assert judged(slow).held is True


@given(st.permutations(range(40)))
def test_the_order_in_which_samples_come_does_not_matter(order: list[int]) -> None:
    signs = "+" * 10 + "-" * 5 + "+" * 8 + "?" * 3 + "+" * 14
    entries = journal(story({"samples": {"hub": signs}}))
    samples = [entry.event for entry in entries if isinstance(entry.event, Sample)]
    shuffled = iter([samples[place] for place in order if place < len(samples)])
    mixed = [
        Entry(seq=entry.seq, at=entry.at, run=entry.run, event=next(shuffled))
        if isinstance(entry.event, Sample)
        else entry
        for entry in entries
    ]
    assert judge(mixed).hypotheses == judge(entries).hypotheses
