from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from random import Random
from statistics import NormalDist

import pytest

from chaosjc.journal.blocks import SLICES, Group, group
from chaosjc.journal.statistics import (
    FEWEST,
    LEAST,
    THIN,
    Effect,
    Estimate,
    _Figure,
    _spread,
    compare,
    median_interval,
    student,
)
from chaosjc.journal.timeline import Window

MINUTE = Window(0.0, 60.0)


def of(values: Sequence[float]) -> Group:
    """One series, evenly over a minute."""
    step = MINUTE.length / len(values)
    return group([[((i + 0.5) * step, value) for i, value in enumerate(values)]], MINUTE)


def normal(random: Random, n: int, *, resemblance: float = 0.0, mean: float = 0.0) -> list[float]:
    """An AR(1) process of variance 1: each value resembles the one before."""
    last, found = random.gauss(0, 1), list[float]()
    for _ in range(n):
        found.append(mean + last)
        last = resemblance * last + math.sqrt(1 - resemblance**2) * random.gauss(0, 1)
    return found


def known(found: Estimate | None) -> tuple[float, float]:
    assert found is not None and found.low is not None and found.high is not None
    return found.low, found.high


def delta_of_normals(shift: float) -> float:
    """Cliff's delta of two normal distributions of variance 1 whose means are `shift` apart."""
    return 2 * NormalDist().cdf(shift / math.sqrt(2)) - 1


# ------------------------------------------------------------------ the intervals keep what they promise

TRIALS, SHIFT = 1000, 0.8
SEEDS = (12, 34, 56, 78)
LENGTHS = (LEAST, 60, 120)


def alone(random: Random) -> Effect:
    """Independent samples, in each group as many as there may be."""
    return compared(random, resemblance=0.0)


def sticky(random: Random) -> Effect:
    """Samples that resemble their neighbours."""
    return compared(random, resemblance=0.6)


def compared(random: Random, *, resemblance: float) -> Effect:
    one, other = (normal(random, random.choice(LENGTHS), resemblance=resemblance, mean=mean) for mean in (SHIFT, 0.0))
    return compare(of(one), of(other), paired=False, seed=str(random.random()))


def struck_together(random: Random) -> Effect:
    """Two minutes of samples that resemble their neighbours; half of their variance is common to both groups."""
    common = normal(random, 120, resemblance=0.6)

    def mixed(mean: float) -> Group:
        own = normal(random, 120, resemblance=0.6)
        return of([mean + math.sqrt(0.5) * (a + b) for a, b in zip(own, common, strict=True)])

    return compare(mixed(SHIFT), mixed(0.0), paired=True, seed=str(random.random()))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("trial", [alone, sticky, struck_together])
def test_95_percent_intervals_cover_a_known_effect_in_93_to_97_of_100_trials(trial: Callable[[Random], Effect]) -> None:
    truths = {"delta": delta_of_normals(SHIFT), "shift": SHIFT}
    covered = dict.fromkeys(truths, 0)
    for seed in SEEDS:
        random = Random(seed)
        for _ in range(TRIALS // len(SEEDS)):
            effect = trial(random)
            for name, truth in truths.items():
                low, high = known(getattr(effect, name))
                covered[name] += low <= truth <= high
    assert all(0.93 <= count / TRIALS <= 0.97 for count in covered.values()), covered


@pytest.mark.parametrize(
    ("other", "widths", "freedom"),
    [(1.0, (1.0, 1.0), 18.0), (0.0, (1.0, 1.0), 9.0), (1.0, (3.0, 1.0), 14.4), (1.0, (1.0,), 9.0)],
)
def test_students_t_is_for_the_group_that_varies_most(other: float, widths: tuple[float, ...], freedom: float) -> None:
    draws = [1.0, -1.0, 0.5, -0.5] * 20
    figure = _Figure(0.0, draws, [other * value for value in draws])
    found = _spread(figure, (SLICES, SLICES), widths)
    assert found.t == pytest.approx(student(freedom))
    assert found.stretch == pytest.approx(math.sqrt(2.0) if widths[0] == 3.0 else 1.0)


def test_samples_that_resemble_their_neighbours_are_told_of_less_surely() -> None:
    def length(resemblance: float) -> float:
        random = Random(5)
        pairs = [[normal(random, 60, resemblance=resemblance) for _ in range(2)] for _ in range(20)]
        found = [known(compare(of(one), of(other), paired=False, seed="1").delta) for one, other in pairs]
        return statistics.mean(high - low for low, high in found)

    assert length(0.9) > 1.5 * length(0.6) > 2 * length(0.0)


def test_no_shift_is_greater_than_what_was_seen() -> None:
    """Of gauges of 0 and 1, however much the interval was widened."""
    random = Random(6)
    for _ in range(30):
        one, other = ([float(value > 0) for value in normal(random, 40, resemblance=0.95)] for _ in range(2))
        shift = compare(of(one), of(other), paired=False, seed="1").shift
        assert shift and (shift.low is None or -1.0 <= shift.low <= (shift.high or 0.0) <= 1.0)


def test_what_strikes_both_groups_at_once_makes_no_paired_interval_longer() -> None:
    random = Random(3)
    common = [value for _ in range(SLICES) for value in [random.gauss(0, 3)] * 6]  # one shock a slice
    one = [1 + value + random.gauss(0, 0.1) for value in common]
    other = [value + random.gauss(0, 0.1) for value in common]
    paired, apart = (known(compare(of(one), of(other), paired=way, seed="1").delta) for way in (True, False))
    assert paired[1] - paired[0] < (apart[1] - apart[0]) / 2
    assert apart[0] < 0 < apart[1]


@pytest.mark.parametrize("n", [6, 9, 20])
def test_the_interval_of_a_median_covers_it(n: int) -> None:
    random, covered = Random(5), 0
    for _ in range(2000):
        low, high = median_interval([random.expovariate(1) for _ in range(n)]) or (math.nan, math.nan)
        covered += low <= math.log(2) <= high
    assert 0.94 <= covered / 2000 <= 0.985


@pytest.mark.parametrize(("n", "expected"), [(5, None), (6, (1, 6)), (8, (1, 8)), (9, (2, 8)), (20, (6, 15))])
def test_the_interval_of_a_median_is_made_of_order_statistics(n: int, expected: tuple[float, float] | None) -> None:
    """As in tables of the sign test."""
    assert median_interval([float(value) for value in range(n, 0, -1)]) == expected


@pytest.mark.parametrize(("df", "t"), [(7, 2.365), (9, 2.262), (14, 2.145), (18, 2.101), (30, 2.042)])
def test_students_t_is_that_of_the_tables(df: int, t: float) -> None:
    assert student(df) == pytest.approx(t, abs=1e-3)


# ------------------------------------------------------------------ the figures


def test_delta_is_the_share_of_pairs_won_less_those_lost() -> None:
    one, other = [1.0, 2.0, 2.0, 5.0] * 5, [2.0, 3.0, 0.0, 2.0] * 5
    pairs = [(a > b) - (a < b) for a in one for b in other]
    effect = compare(of(one), of(other), paired=False, seed="1")
    assert effect.delta is not None and effect.delta.value == pytest.approx(sum(pairs) / len(pairs))
    assert effect.shift is not None
    assert effect.shift.value == statistics.median(one) - statistics.median(other)


def test_of_gauges_of_0_and_1_delta_is_the_difference_of_their_shares() -> None:
    effect = compare(of([1.0, 0.0] * 20), of([1.0, 1.0, 1.0, 0.0] * 10), paired=True, seed="1")
    assert effect.delta is not None and effect.delta.value == pytest.approx(0.5 - 0.75)


def test_the_same_seed_draws_the_same() -> None:
    one, other = of(normal(Random(1), 40)), of(normal(Random(2), 40))
    first, second, third = (compare(one, other, paired=False, seed=seed) for seed in ("1", "1", "2"))
    assert first == second
    assert first.delta != third.delta


def test_nothing_is_too_sure_where_every_pair_fell_out_the_same_way() -> None:
    high, low = of([5.0 + i / 60 for i in range(60)]), of([i / 60 for i in range(60)])
    above, below = compare(high, low, paired=True, seed="1"), compare(low, high, paired=True, seed="1")
    z = 1.959964
    far = (10 - z * z) / (10 + z * z)
    assert known(above.delta) == pytest.approx((far, 1.0))
    assert known(below.delta) == pytest.approx((-1.0, -far))
    assert above.seen and above.magnitude == "large"


def test_where_all_samples_are_the_same_there_is_no_interval() -> None:
    effect = compare(of([1.0] * 40), of([1.0] * 30), paired=True, seed="1")
    assert effect == Effect(40, 30, Estimate(0.0, None, None), Estimate(0.0, None, None))
    assert not effect.seen


@pytest.mark.parametrize(("delta", "word"), [(0.1, "negligible"), (-0.2, "small"), (0.4, "medium"), (-0.5, "large")])
def test_sizes_have_names(delta: float, word: str) -> None:
    assert Effect(1, 1, Estimate(delta, None, None)).magnitude == word


# ------------------------------------------------------------------ too few, too many, not finite


def test_too_few_samples_are_said_and_no_figure_is() -> None:
    few, enough = of([float(i) for i in range(LEAST - 1)]), of([1.0, 2.0] * 15)
    effect = compare(few, enough, paired=False, seed="1")
    assert (effect.delta, effect.shift, effect.few) == (None, None, "too few samples: 19 of 20")
    assert (effect.n_one, effect.n_other, effect.magnitude, effect.seen) == (19, 30, "", False)


def test_many_series_do_not_make_up_for_few_looks() -> None:
    looks = [(float(second), 1.0 + second) for second in range(0, 60, 6)]
    many = group([looks] * 50, MINUTE)
    assert (many.n, many.looks) == (500, 10)
    assert compare(many, many, paired=True, seed="1").few == "too few samples: 10 of 20"


def test_samples_of_a_part_of_the_time_are_too_few() -> None:
    busy = group([[(i / 10, float(i)) for i in range(400)]], MINUTE)  # of 40 s of 60
    whole = of([float(i) for i in range(60)])
    assert compare(busy, whole, paired=True, seed="1").few == "too few samples: in 7 of 10 parts of the time"
    assert FEWEST == 8
    assert compare(whole, whole, paired=True, seed="1").few == ""


def test_only_slices_that_both_have_are_paired() -> None:
    early = group([[(i / 4, float(i)) for i in range(4 * 48)]], MINUTE)  # slices 1 to 8
    late = group([[(12 + i / 4, float(i)) for i in range(4 * 48)]], MINUTE)  # slices 3 to 10
    assert compare(early, late, paired=False, seed="1").few == ""
    assert compare(early, late, paired=True, seed="1").few == "too few samples: in 6 of 10 parts of the time"


def test_of_paired_groups_only_the_common_slices_count() -> None:
    early = group([[(t / 4, 9.0 if t < 24 else t % 2) for t in range(4 * 54)]], MINUTE)  # slices 1 to 9, 9 in the first
    late = group([[(6 + t / 4, 0.5) for t in range(4 * 54)]], MINUTE)  # slices 2 to 10
    effect = compare(early, late, paired=True, seed="1")
    assert effect.delta is not None and effect.delta.value == 0.0
    assert (effect.n_one, effect.n_other) == (216, 216)
    apart = compare(early, late, paired=False, seed="1").delta
    assert apart is not None and apart.value > 0


def test_what_is_not_finite_or_not_of_the_phase_is_left_out() -> None:
    found = group([[(1.0, math.inf), (2.0, math.nan), (3.0, 7.0), (60.0, 8.0), (61.0, 9.0)]], MINUTE)
    assert [list(block) for block in found.blocks if block] == [[7.0], [8.0]]


def test_a_phase_without_length_has_one_slice() -> None:
    found = group([[(5.0, 1.0)]], Window(5.0, 5.0))
    assert [len(block) for block in found.blocks] == [1, *[0] * (SLICES - 1)]


def test_many_samples_are_thinned_and_say_the_same() -> None:
    random = Random(4)
    many, some = normal(random, 10_000, mean=SHIFT), normal(random, 700)
    assert len(some) / SLICES > THIN
    effect = compare(of(many), of(some), paired=True, seed="1")
    assert (effect.n_one, effect.n_other) == (10_000, 700)
    exact = delta_of_normals(SHIFT)
    assert effect.delta is not None and effect.delta.value == pytest.approx(exact, abs=0.05)
    low, high = known(effect.shift)
    assert low < SHIFT < high and high - low < 0.3
