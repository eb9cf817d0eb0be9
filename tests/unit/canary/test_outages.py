from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosjc.canary.outages import Outages
from chaosjc.canary.stalls import merged

LIMIT = 2.0


def fed(*events: tuple[float, float, bool]) -> Outages:
    """(due, answered, good), in the order in which they came to be known."""
    outages = Outages(LIMIT)
    for due, at, good in sorted(events, key=lambda each: each[1]):
        (outages.good if good else outages.bad)(due, at)
    return outages


def test_nothing_failed() -> None:
    outages = fed((0.0, 0.01, True), (0.1, 0.5, True))
    assert (outages.count(), outages.seconds(9), outages.age(9), outages.since()) == (0, 0, 0, None)


def test_refused_connections_last_from_the_first_of_them_to_the_next_good_answer() -> None:
    refused = [(at / 10, at / 10 + 0.001, False) for at in range(10, 60)]
    outages = fed((0.9, 0.91, True), *refused, (6.0, 6.01, True), (6.1, 6.11, True))
    assert (outages.count(), outages.since()) == (1, None)
    assert outages.seconds(9) == pytest.approx(5.01)


def test_a_hang_lasts_until_it_ends_although_its_last_probes_were_answered_within_their_limit() -> None:
    """All that was due from 0 to 5 got nothing until 5: the first 3 s of it failed, the rest was answered at 5."""
    failed = [(due / 10, due / 10 + LIMIT, False) for due in range(30)]
    answered = [(due / 10, 5.0, True) for due in range(31, 50)]
    outages = fed(*failed, *answered)
    assert (outages.count(), outages.seconds(9)) == (1, pytest.approx(5.0))


def test_a_single_lost_request_is_as_long_as_it_takes_the_next_to_be_served() -> None:
    outages = fed((0.0, LIMIT, False), *((at / 10, at / 10 + 0.01, True) for at in range(1, 20)))
    assert (outages.count(), outages.seconds(9)) == (1, pytest.approx(0.11))


def test_a_good_answer_to_what_was_due_before_ends_nothing() -> None:
    outages = fed((1.0, 1.01, False), (0.5, 1.5, True))
    assert (outages.since(), outages.age(3.0), outages.seconds(3.0)) == (1.0, 2.0, 2.0)


def test_the_present_one_is_counted_and_grows() -> None:
    outages = fed((1.0, 1.01, False))
    assert (outages.count(), outages.seconds(2.0), outages.seconds(4.0)) == (1, 1.0, 3.0)


Events = st.lists(st.tuples(st.integers(0, 60), st.booleans(), st.integers(0, 19)), max_size=60)


@given(Events)
def test_it_is_all_the_time_in_which_nobody_could_be_served(drawn: list[tuple[int, bool, int]]) -> None:
    """Against the definition, computed afterwards; the figures never go back on the way."""
    events = sorted(
        {due: (due / 10, due / 10 + 0.01 + wait / 10, good) for due, good, wait in drawn}.values(),
        key=lambda each: each[1],
    )
    outages, told = Outages(LIMIT), [(0, 0.0)]
    for due, at, good in events:
        (outages.good if good else outages.bad)(due, at)
        told.append((outages.count(), outages.seconds(at)))
    end = max((at for _, at, _ in events), default=0.0)
    expected = merged(
        [
            (due, min((at for other, at, well in events if well and other > due), default=end))
            for due, _, good in events
            if not good
        ]
    )
    length = sum(stop - start for start, stop in expected)
    assert told == sorted(told)
    assert outages.seconds(end) >= length - 1e-6
    ended = sum(stop - start for start, stop in outages._ended) + outages._seconds
    assert ended + outages.age(end) == pytest.approx(length, abs=1e-6)
    assert outages.count() >= len(expected)
