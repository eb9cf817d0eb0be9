"""What a thread tries again and again."""

from __future__ import annotations

import logging

import pytest

from chaosjc.lab.openstack.attempts import Since, all_tried, tried


def test_one_failure_keeps_nobody_from_their_turn(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def visit(name: str, status: str) -> None:
        seen.append(name)
        if status == "broken":
            raise KeyError(name)

    rows = [("a", "fine"), ("b", "broken"), ("c", "broken"), ("d", "fine")]
    assert not all_tried(visit, rows)
    assert seen == ["a", "b", "c", "d"]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        "visit('b', 'broken')",
        "visit('c', 'broken')",
    ]
    assert all_tried(visit, rows[:1])
    assert tried(visit, "a", "fine")


def test_only_what_lasts_without_a_break_counts() -> None:
    now = [100.0]
    silent = Since(lambda: now[0])
    assert silent.seconds("a") == 0
    now[0] = 115.0
    assert (silent.seconds("a"), silent.seconds("b")) == (15, 0)
    silent.over("a")
    assert "a" not in silent
    assert "b" in silent
    now[0] = 120.0
    assert (silent.seconds("a"), silent.seconds("b")) == (0, 5)
    silent.over("never was")
