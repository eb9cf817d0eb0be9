from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chaosjc.canary import grid

TODAY = 1_795_000_000
EVERY = st.sampled_from([0.02, 0.05, 0.1, 0.25, 1.0, 7.0])


def test_instants_are_multiples_of_the_period() -> None:
    assert [number * 0.1 for number in grid.due(grid.tick(100.0, 0.1), 100.35, 0.1, 99)] == [
        number * 0.1 for number in (1001, 1002, 1003)
    ]


@given(EVERY, st.integers(0, 10**6))
def test_an_instant_of_the_grid_is_its_own_tick(every: float, number: int) -> None:
    number += int(TODAY / every)
    assert grid.tick(number * every, every) == number


@given(EVERY, st.lists(st.floats(0, 3), max_size=30))
def test_every_instant_is_due_once_however_irregularly_one_looks(every: float, pauses: list[float]) -> None:
    wall, last, seen = float(TODAY), grid.tick(TODAY, every), list[int]()
    for pause in pauses:
        wall += pause
        seen += grid.due(last, wall, every, 10**6)
        last = grid.tick(wall, every)
    assert seen == list(range(grid.tick(TODAY, every) + 1, grid.tick(wall, every) + 1))


def test_after_a_long_absence_only_the_latest_are_due() -> None:
    assert list(grid.due(0, 100.0, 1.0, 3)) == [98, 99, 100]


def test_a_clock_that_is_set_back_makes_nothing_due_and_the_grid_goes_on_there() -> None:
    assert list(grid.due(1000, 500.0, 1.0, 99)) == []
    assert list(grid.due(500, 501.0, 1.0, 99)) == [501]
