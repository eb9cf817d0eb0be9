"""What claims tell of an entry."""

from __future__ import annotations

import pytest

from chaosjc.controller.claims import Claim, Outcome, in_vain


def claims(*became: tuple[Outcome, int | None], entry: str = "e") -> list[Claim]:
    """One due time each, an hour apart; what was prepared or ended had begun before."""
    found: list[Claim] = []
    for hour, (outcome, code) in enumerate(became):
        due = f"2026-12-01T{hour:02}:00:00+00:00"
        if outcome in ("ended", "prepare-failed"):
            found.append(Claim("s", entry, due, "begun"))
        found.append(Claim("s", entry, due, outcome, code))
    return found


@pytest.mark.parametrize(
    ("became", "times"),
    [
        ([], 0),
        ([("ended", 0)], 0),
        ([("ended", 1)], 0),
        ([("ended", 3)], 1),
        ([("ended", 4)], 1),
        ([("ended", 2), ("ended", 70)], 2),
        ([("ended", 0), ("prepare-failed", 4), ("refused", 4), ("busy", None)], 3),
        ([("prepare-failed", 4), ("ended", 1), ("refused", 4)], 1),
        ([("refused", 4), ("begun", None)], 1),
        ([("ended", 0), ("begun", None), ("begun", None)], 1),
    ],
)
def test_times_in_a_row_without_a_verdict(became: list[tuple[Outcome, int | None]], times: int) -> None:
    others = claims(("ended", 0), entry="other")
    assert in_vain([*claims(*became), *others], "s", "e") == times


def test_one_that_a_newer_one_was_busy_beside_is_under_way_no_more() -> None:
    """It counts by the order in which they fell due."""
    first, *_ = claims(("begun", None), ("busy", None))
    ended = Claim("s", "e", first.due, "ended", 0)
    assert in_vain([*claims(("begun", None), ("busy", None)), ended], "s", "e") == 1
