"""The stalls that are computed while writes happen, against a reading of the whole list of writes by brute force."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chaosjc.canary.stalls import Stalls

Write = tuple[int, int]  # due and answered, in eighths of a second, which floats hold exactly
UNIT = 8
WRITES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 40)), max_size=25, unique_by=lambda each: each[0]).map(
    lambda found: sorted((due, due + took) for due, took in found)
)


def fed(writes: list[Write], until: int = 10**6) -> Stalls:
    """Told of everything that happened up to `until`, in order; what is due comes before what is answered."""
    stalls = Stalls(20.0)
    events = [(due, 0, number) for number, (due, _) in enumerate(writes)]
    events += [(answered, 1, number) for number, (_, answered) in enumerate(writes)]
    for at, kind, number in sorted(events):
        if at <= until:
            (stalls.answered if kind else stalls.due)(number, at / UNIT)
    return stalls


def brute_force(writes: list[Write]) -> list[Write]:
    """Stretches of half units that a late write covers, its ends included."""
    late = [(due * 2, answered * 2) for due, answered in writes if answered - due > UNIT]
    covered = [any(due <= at <= answered for due, answered in late) for at in range(2 * 120)]
    edges = [at for at in range(1, len(covered)) if covered[at] != covered[at - 1]]
    starts = [0] * covered[0] + [at for at in edges if covered[at]]
    ends = [at - 1 for at in edges if not covered[at]]
    return [(start // 2, end // 2) for start, end in zip(starts, ends, strict=True)]


def lengths(stretches: list[Write]) -> list[float]:
    return [(end - start) / UNIT for start, end in stretches]


@given(WRITES)
def test_ended_stalls_are_those_of_the_whole_list(writes: list[Write]) -> None:
    stalls, expected = fed(writes), lengths(brute_force(writes))
    assert stalls.count == len(expected)
    assert stalls.seconds == sum(expected)
    assert stalls.inflight == 0


@given(WRITES, st.integers(0, 110))
def test_at_any_instant_the_longest_wait_is_that_of_the_list_so_far(writes: list[Write], now: int) -> None:
    """At an instant, a write that is not answered has waited until now."""
    waits = [min(answered, now) - due for due, answered in writes if due <= now]
    assert fed(writes, now).longest(now / UNIT) == max(waits, default=0) / UNIT


@given(WRITES, st.integers(0, 110))
def test_the_oldest_is_the_first_that_waits(writes: list[Write], now: int) -> None:
    waiting = [due for due, answered in writes if due <= now < answered]
    stalls = fed(writes, now)
    assert stalls.oldest(now / UNIT) == (now - min(waiting, default=now)) / UNIT
    assert stalls.inflight == len(waiting)


@given(WRITES.filter(bool), st.randoms(use_true_random=False))
def test_answers_that_come_to_be_known_in_another_order_change_nothing(writes: list[Write], random: object) -> None:
    """Children answer at once what the loop hears one after the other."""
    stalls = Stalls(20.0)
    for number, (due, _) in enumerate(writes):
        stalls.due(number, due / UNIT)
    order = list(enumerate(writes))
    random.shuffle(order)  # type: ignore[attr-defined]
    for number, (_, answered) in order:
        stalls.answered(number, answered / UNIT)
    assert stalls.seconds == sum(lengths(brute_force(writes)))


def test_a_wait_is_told_while_it_lasts_and_for_as_long_as_it_is_to_be_remembered() -> None:
    stalls = fed([(0, 64), (1, 68)], until=40)
    assert (stalls.longest(5.0), stalls.count) == (5.0, 0)
    stalls = fed([(0, 64), (1, 68)])
    assert [stalls.longest(at) for at in (28.0, 28.125, 28.5, 28.625)] == [8.375, 8.375, 8.375, 0.0]


def test_writes_that_wait_one_after_the_other_make_a_long_stall_and_no_long_wait() -> None:
    stalls = fed([(at, at + 12) for at in range(0, 80, 8)])
    assert (stalls.seconds, stalls.longest(12.0)) == (10.5, 1.5)


def test_a_write_within_a_second_is_no_stall() -> None:
    assert fed([(0, 8)]).count == 0
    assert fed([(0, 9)]).count == 1


def test_a_backlog_that_drains_late_is_one_stall_with_what_held_it_up() -> None:
    stalls = fed([(0, 12), (7, 40)])
    assert (stalls.count, stalls.seconds) == (1, 5.0)
