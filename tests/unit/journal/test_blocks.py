"""How much neighbours resemble each other, and what that does to what blocks tell."""

from __future__ import annotations

import math
from random import Random

import pytest

from chaosjc.journal.blocks import MANY, STICKIEST, Group, apart, group, resemblance, together, widening
from chaosjc.journal.timeline import Window
from tests.unit.journal.test_statistics import normal, of

MINUTE = Window(0.0, 60.0)


@pytest.mark.parametrize("truth", [0.0, 0.3, 0.6, 0.8])
@pytest.mark.parametrize("n", [20, 60])
def test_resemblance_is_found_without_much_bias(truth: float, n: int) -> None:
    """Plain correlations of 20 samples are 0.1 to 0.2 too small."""
    random = Random(2)
    found = [resemblance([normal(random, n, resemblance=truth), normal(random, n, resemblance=truth)])
             for _ in range(300)]  # fmt: skip
    assert sum(found) / len(found) == pytest.approx(truth, abs=0.1)


def test_a_few_long_waits_do_not_rule_it() -> None:
    random = Random(3)
    values = normal(random, 400, resemblance=0.7)
    assert resemblance([[math.exp(3 * value) for value in values]]) == resemblance([values])


def test_levels_of_series_are_no_resemblance() -> None:
    random = Random(4)
    assert resemblance([normal(random, 200, mean=level) for level in (0.0, 50.0, 100.0)]) < 0.1


@pytest.mark.parametrize("values", [[1.0] * 30, [], [1.0, 2.0, 3.0]])
def test_what_never_varied_or_is_too_short_tells_nothing(values: list[float]) -> None:
    assert resemblance([values]) == 0.0


def test_it_has_an_end_on_either_side() -> None:
    assert resemblance([[float(value) for value in range(40)]]) == STICKIEST
    assert resemblance([[1.0, 2.0] * 20]) == 0.0


def test_of_very_many_series_some_are_enough() -> None:
    random = Random(5)
    many = [normal(random, 60, resemblance=0.6) for _ in range(5 * (MANY // 60))]
    assert resemblance(many) == resemblance(many[::5])


def covariance(n: int, truth: float) -> float:
    """The variance of the mean of n, from all of its pairs."""
    return sum(truth ** abs(i - j) for i in range(n) for j in range(n)) / n**2


@pytest.mark.parametrize("truth", [0.0, 0.5, 0.9])
@pytest.mark.parametrize(("n", "blocks"), [(20, 10), (120, 10), (32, 8)])
def test_widening_is_what_blocks_leave_out(truth: float, n: int, blocks: int) -> None:
    """Of blocks' means the sample variance is, on average, that of one less that of all, by B - 1."""
    told = (covariance(n // blocks, truth) - covariance(n, truth)) / (blocks - 1)
    assert widening(truth, n, blocks) == pytest.approx(covariance(n, truth) / told)


def test_independent_samples_need_none() -> None:
    assert widening(0.0, 60, 10) == pytest.approx(1.0)


def test_each_group_is_widened_by_its_own_length() -> None:
    random = Random(6)
    short, long = (of(normal(random, n, resemblance=0.7)) for n in (20, 120))
    first, second = apart(short, long, (10, 10))
    assert first > second > 1


def test_what_is_common_to_both_groups_is_no_resemblance_of_their_difference() -> None:
    random = Random(7)
    common = normal(random, 120, resemblance=0.95)
    one, other = (of([shock + 0.1 * own for shock, own in zip(common, normal(random, 120), strict=True)]) for _ in "ab")
    (width,) = together(one, other, 10)
    assert width < 1.5 < min(apart(one, other, (10, 10)))


def test_what_is_each_groups_own_is_not_hidden_by_what_is_common() -> None:
    random = Random(8)
    common = normal(random, 120)

    def group_of(count: int) -> Group:
        own = normal(random, 120, resemblance=0.95)
        series = [[(i / 2, 3 * shock + value) for i, (shock, value) in enumerate(zip(common, own, strict=True))]]
        return group(series * count, MINUTE)

    one, others = group_of(1), group_of(3)
    (width,) = together(one, others, 10)
    assert width > 1.3 > max(apart(one, others, (10, 10)))
