"""How precisely the length of an outage is known by when the canary looks: in time that is made up, on no machine."""

from __future__ import annotations

import math
import random

import pytest

from benchmarks.outages import LONGEST, SHORTEST, TARGET, quantile
from chaosjc.canary.hub_config import Every, Limits
from chaosjc.canary.hub_probe import LOOKS
from chaosjc.canary.outages import Outages

PROMPT = 0.005  # seconds to an answer, where there is one at once
EVERY, LIMIT = Every().probe, Limits().probe


def error(rng: random.Random, looks: int, *, held: bool) -> float:
    """Of one outage: seconds reported less those that were; `held` requests are answered at its end or given up."""
    shortest = LIMIT + 0.5 if held else SHORTEST
    seconds = math.exp(rng.uniform(math.log(shortest), math.log(LONGEST)))
    begin = 1 + rng.uniform(0, EVERY)
    end = begin + seconds
    outcomes: list[tuple[float, float, bool]] = []
    for number in range(math.ceil((end + 1) / EVERY * looks)):
        due = number * EVERY / looks
        if not begin <= due < end:
            outcomes.append((due, due + PROMPT, True))
        elif not held:
            outcomes.append((due, due + PROMPT, False))
        elif number % looks == 0 or due - begin < EVERY:  # later looks are left out: an answer is awaited
            answered = end - due <= LIMIT
            outcomes.append((due, end + PROMPT if answered else due + LIMIT, answered))
    outages = Outages(LIMIT)
    for due, at, good in sorted(outcomes, key=lambda each: each[1]):
        (outages.good if good else outages.bad)(due, at)
    return outages.seconds(end + 1) - seconds


def p99(looks: int, *, held: bool) -> float:
    rng = random.Random(7)
    return quantile([abs(error(rng, looks, held=held)) for _ in range(1000)], 0.99)


@pytest.mark.parametrize("held", [False, True])
def test_with_the_looks_of_the_front_it_is_as_precise_as_was_promised(held: bool) -> None:
    assert p99(LOOKS, held=held) <= 0.8 * TARGET


@pytest.mark.parametrize("held", [False, True])
def test_with_the_probes_alone_it_would_not_be(held: bool) -> None:
    assert p99(1, held=held) > TARGET
