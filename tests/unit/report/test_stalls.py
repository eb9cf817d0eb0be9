from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from chaosjc.journal.events import CheckPlan
from chaosjc.report.data import run_object
from chaosjc.report.stalls import Stall, lasted, stalls, watched
from chaosjc.report.story import read
from tests.unit.report import journals, storage

WORKER = 'chaosjc_storage_oldest_inflight_seconds{vm="worker-001",volume="homes"}'


def ramp(due: float, length: float) -> Callable[[float], float]:
    """The age of a write due at `due` that was answered after `length`."""
    return lambda t: t - due if due <= t < due + length else 0.0


def found(
    series: Mapping[str, Callable[[float], float | None]],
    told: Callable[[float], float] | None = None,
    *,
    every: float = 1.0,
) -> tuple[Stall, ...]:
    """The stalls of a run whose gauges showed this from second 0.4 to 40.4."""
    watched_: tuple[CheckPlan, ...] = (storage.LONGEST,) if told else ()
    plan = journals.planned(hypotheses=(storage.OLDEST,), observations=watched_)
    times = [0.4 + every * i for i in range(round(40 / every))]
    journal = journals.begin(plan).samples(storage.OLDEST, times, series)
    if told:
        journal.samples(storage.LONGEST, times, {WORKER.replace("oldest_inflight", "longest_stall"): told})
    return stalls(read(journals.undo(journal).closed(42.0)))


def offsets(all_: tuple[Stall, ...]) -> list[tuple[float, float, float | None]]:
    return [
        (round(s.start - journals.START, 3), round(s.least, 3), None if s.most is None else round(s.most, 3))
        for s in all_
    ]


def test_a_stall_begins_when_its_first_write_was_due_and_its_length_is_bounded() -> None:
    assert offsets(found({WORKER: ramp(10.1, 5.5)})) == [(10.1, 5.3, 6.3)]


def test_the_length_that_the_canary_told_is_exact() -> None:
    told: Callable[[float], float] = lambda t: 5.5 if t > 15.6 else max(0.0, t - 10.1)  # noqa: E731
    [stall] = found({WORKER: ramp(10.1, 5.5)}, told)
    assert offsets((stall,)) == [(10.1, 5.5, 5.5)]
    assert stall.exact
    assert stall.who == "homes · worker-001"


def test_a_length_told_of_an_earlier_stall_is_not_taken() -> None:
    """Within the minute the canary's gauge still tells of the long one."""
    two: Callable[[float], float] = lambda t: ramp(10.1, 5.5)(t) + ramp(25.0, 2.0)(t)  # noqa: E731
    told: Callable[[float], float] = lambda t: 5.5 if t > 15.6 else max(0.0, t - 10.1)  # noqa: E731
    assert offsets(found({WORKER: two}, told)) == [(10.1, 5.5, 5.5), (25.0, 1.4, 2.4)]


def test_a_length_told_before_it_began_is_not_taken_though_it_fits() -> None:
    told: Callable[[float], float] = lambda t: 2.0  # noqa: E731
    assert offsets(found({WORKER: ramp(25.0, 1.6)}, told)) == [(25.0, 1.4, 2.4)]


def test_what_the_canary_tells_at_first_was_before_the_run() -> None:
    assert found({WORKER: lambda _: 0.0}, lambda t: 5.0 if t < 20 else 0.0) == ()


def test_a_stall_too_short_to_be_looked_at_is_known_from_what_the_canary_told() -> None:
    assert offsets(found({WORKER: ramp(20.5, 1.2)})) == []
    told: Callable[[float], float] = lambda t: 1.2 if t > 21.7 else 0.0  # noqa: E731
    [stall] = found({WORKER: ramp(20.5, 1.2)}, told)
    assert stall.seconds == pytest.approx(1.2)
    assert abs(stall.start - journals.START - 20.5) <= 1.0


def test_a_stall_that_nobody_saw_end() -> None:
    [stall] = found({WORKER: ramp(30.0, 99.0)})
    assert stall.most is None
    assert lasted(stall) == "9.4 s and more"


def test_two_stalls_between_two_looks_are_two() -> None:
    """Looked at every five seconds: the second look's write was not yet due at the first."""
    two: Callable[[float], float] = lambda t: ramp(8.0, 4.0)(t) + ramp(13.0, 4.0)(t)  # noqa: E731
    assert offsets(found({WORKER: two}, every=5.0)) == [(8.0, 2.4, 7.4), (13.0, 2.4, 7.4)]


def test_each_series_has_its_own() -> None:
    other = WORKER.replace("worker-001", "worker-002")
    assert [s.who for s in found({WORKER: ramp(10.1, 5.0), other: ramp(20.1, 3.0)})] == [
        "homes · worker-001",
        "homes · worker-002",
    ]


def test_no_write_was_late() -> None:
    assert found({WORKER: ramp(10.1, 0.9)}) == ()


def test_a_run_that_asked_for_no_such_gauge_is_not_watched() -> None:
    plain = journals.planned(hypotheses=(journals.UP,))
    assert not watched(read(journals.recover(journals.undo(journals.begin(plain))).closed(42.0)))
    assert watched(read(storage.frozen()))


def test_the_whole_story_without_what_the_canary_told_is_the_same_but_bounded() -> None:
    exact, bounded = (stalls(read(storage.frozen(told=told))) for told in (True, False))
    assert len(exact) == len(bounded) == 3
    for one, other in zip(exact, bounded, strict=True):
        assert one.start == pytest.approx(other.start, abs=0.001)
        assert other.most is not None
        assert other.least - 0.001 <= one.seconds <= other.most + 0.001


def test_they_are_in_the_run_as_data() -> None:
    first = run_object(storage.frozen())["stalls"][0]
    assert first == {
        "series": 'chaosjc_storage{job="storage",vm="worker-001",volume="homes"}',
        "who": "homes · worker-001", "start": "2026-11-24T16:35:02.100Z", "seconds": 5.2, "at_least": 5.2,
        "exact": True,
    }  # fmt: skip
