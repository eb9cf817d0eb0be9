from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from chaosjc.canary.hub_http import Failure, Throttled
from chaosjc.canary.hub_pace import LAG, Pace, glimpsed, measured
from chaosjc.canary.hub_tally import Tally


class Hands:
    """A clock that the test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_who_beats_all_the_time_ran() -> None:
    clock = Hands()
    pace = Pace(clock)
    for _ in range(20):
        clock.now += LAG * 0.9
        pace.beat()
    assert pace.ran(100.0)
    assert pace.stood_still == 0


def test_what_was_under_way_when_it_stood_still_cannot_be_judged_and_what_begins_later_can() -> None:
    clock = Hands()
    pace = Pace(clock)
    clock.now += 30
    assert not pace.ran(100.0)
    assert (pace.stood_still, pace.resumed) == (30, 130)
    assert not pace.ran(129.9)
    assert pace.ran(130.0)


def test_a_hiccup_in_a_long_attempt_is_neglected_and_in_a_short_one_not() -> None:
    clock = Hands()
    pace = Pace(clock)
    clock.now += LAG + 0.1
    pace.beat()
    for _ in range(100):
        clock.now += LAG / 2
        pace.beat()
    assert pace.ran(100.0)
    clock.now += LAG + 0.1
    assert pace.ran(100.0)
    assert not pace.ran(clock.now - 2)


async def well() -> str:
    return "done"


async def badly() -> str:
    raise Failure("refused")


async def throttled() -> str:
    raise Throttled(7)


def outcome(work: Awaitable[str], pace: Pace | None = None) -> tuple[Tally, str | Failure | Throttled]:
    tally = Tally(2, 10)

    async def run() -> str | Failure | Throttled:
        try:
            return await measured(tally, pace or Pace(), time.monotonic(), work)
        except (Failure, Throttled) as error:
            return error

    return tally, asyncio.run(run())


def test_a_success_is_counted_with_its_latency() -> None:
    tally, said = outcome(well())
    assert (said, tally.successes, sum(tally.failures.values())) == ("done", 1, 0)
    assert tally.up(time.monotonic()) is True
    assert tally.oldest(time.monotonic()) == 0


def test_a_failure_is_counted_by_its_reason_and_is_an_outage() -> None:
    tally, said = outcome(badly())
    assert isinstance(said, Failure)
    assert (tally.successes, tally.failures["refused"], tally.outages.count()) == (0, 1, 1)
    assert tally.up(time.monotonic()) is False


def test_to_be_throttled_is_neither_and_says_until_when() -> None:
    tally, said = outcome(throttled())
    assert isinstance(said, Throttled)
    assert (tally.successes, sum(tally.failures.values()), tally.throttled) == (0, 0, 1)
    assert tally.paused - time.monotonic() == pytest.approx(7, abs=1)
    assert tally.up(time.monotonic()) is None


@pytest.mark.parametrize("work", [well, badly])
def test_nothing_is_counted_while_it_stood_still(work: Callable[[], Awaitable[str]]) -> None:
    clock = Hands()
    clock.now = time.monotonic() - 60
    stalled = Pace(clock)
    clock.now += 70
    stalled.beat()
    tally, _ = outcome(work(), stalled)
    assert (tally.successes, sum(tally.failures.values()), tally.up(time.monotonic())) == (0, 0, None)


def test_what_is_under_way_has_an_age() -> None:
    tally = Tally(2, 10)
    first, second = tally.begin(100.0), tally.begin(101.0)
    assert tally.oldest(105.0) == 5
    tally.end(first)
    assert tally.oldest(105.0) == 4
    tally.end(second)
    assert tally.oldest(105.0) == 0


def test_what_was_seen_long_ago_says_nothing_of_now() -> None:
    tally = Tally(2, 10)
    tally.good(100.0, 100.1)
    assert (tally.up(105.0), tally.up(110.2)) == (True, None)


@pytest.mark.parametrize(("work", "outages"), [(well, 0), (badly, 1)])
def test_a_look_tells_of_outages_and_counts_as_nothing_else(work: Callable[[], Awaitable[str]], outages: int) -> None:
    tally = Tally(2, 10)
    asyncio.run(glimpsed(tally, Pace(), time.monotonic(), work()))
    assert tally.outages.count() == outages
    assert (tally.successes, sum(tally.failures.values()), tally.up(time.monotonic())) == (0, 0, None)
    assert tally.oldest(time.monotonic()) == 0


def test_a_look_may_end_an_outage() -> None:
    tally = Tally(2, 10)
    tally.bad(100.0, 100.01, "refused")
    tally.glimpse(100.03, 100.04, well=True)
    assert tally.outages.seconds(101.0) == pytest.approx(0.04)


def test_a_look_that_is_throttled_says_until_when() -> None:
    tally = Tally(2, 10)
    asyncio.run(glimpsed(tally, Pace(), time.monotonic(), throttled()))
    assert (tally.throttled, tally.outages.count()) == (0, 0)
    assert tally.paused - time.monotonic() == pytest.approx(7, abs=1)


def test_a_look_says_nothing_while_it_stood_still() -> None:
    clock = Hands()
    clock.now = time.monotonic() - 60
    stalled = Pace(clock)
    clock.now += 70
    stalled.beat()
    tally = Tally(2, 10)
    asyncio.run(glimpsed(tally, stalled, time.monotonic(), badly()))
    assert tally.outages.count() == 0
