from __future__ import annotations

import math

import pytest

from chaosjc.report import words


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0 s"), (0.0213, "0.021 s"), (0.25, "0.2 s"), (0.0004, "0 s"), (9.0, "9 s"),
        (12.34, "12.3 s"), (119.94, "119.9 s"), (119.96, "2 min"),
        (125.0, "2 min 05 s"), (3600.0, "60 min"), (7260.0, "2 h 01 min"), (None, words.NONE),
    ],
)  # fmt: skip
def test_seconds(value: float | None, shown: str) -> None:
    assert words.seconds(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.0, "1"), (0.0298059, "0.0298"), (26.0221, "26"), (1234.5, "1234"), (123456.0, "123456"), (1e12, "1e+12"),
        (-2.5, f"{words.MINUS}2.5"), (math.inf, "∞"), (math.nan, "NaN"), ("whole", "whole"), (None, words.NONE),
    ],
)  # fmt: skip
def test_number(value: float | str | None, shown: str) -> None:
    assert words.number(value) == shown


@pytest.mark.parametrize(
    ("left", "shown"), [(-3.0, "0:00"), (0.2, "0:01"), (34.0, "0:34"), (725.0, "12:05"), (3725.0, "1:02:05")]
)
def test_countdown(left: float, shown: str) -> None:
    assert words.countdown(left) == shown


def test_moment_rounds_before_it_cuts() -> None:
    assert words.moment(59.96) == "00:01:00.0"
    assert words.moment(59.96, digits=2) == "00:00:59.96"
    assert words.moment(59.4, digits=0) == "00:00:59"


def test_counts() -> None:
    assert [words.count(1, "step"), words.count(2, "hypothesis"), words.count(0, "outage")] == [
        "1 step",
        "2 hypotheses",
        "0 outages",
    ]
