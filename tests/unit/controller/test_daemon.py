"""What APScheduler asks of us: an error is told, and does not end it."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from chaosjc.controller.controller import GRACE
from chaosjc.controller.daemon import AGAIN, Trigger
from tests.unit.controller.test_controller import NOON, World


def test_claims_that_cannot_be_read_are_read_again_before_what_is_due_is_too_late(tmp_path: Path) -> None:
    world, told = World(tmp_path), list[str]()
    trigger = Trigger(world.controller, world.due, told.append)
    (tmp_path / "claims.jsonl").mkdir()
    assert trigger.get_next_fire_time(None, NOON) == NOON + AGAIN
    assert AGAIN < GRACE
    assert "claims.jsonl: Is a directory" in told[0]
    (tmp_path / "claims.jsonl").rmdir()
    world.now = NOON + AGAIN
    assert world.controller.fire(world.due()), "what fell due meanwhile"
    assert trigger.get_next_fire_time(None, world.now) == NOON + datetime.timedelta(hours=1)


@pytest.mark.parametrize(
    "line",
    [
        b'{"schedule": "s", "entry": "\xff", "due": "2026-12-01T11:00:00+00:00", "outcome": "ended"}',
        b'{"schedule": "s", "ent{}',
        b'{"schedule": "s", "entry": "e0"}',
        b'{"schedule": "s", "entry": "e0", "due": "noon", "outcome": "ended"}',
        b'{"schedule": "s", "entry": "e0", "due": "2026-12-01T11:00:00", "outcome": "ended"}',
        b'{"schedule": "s", "entry": "e0", "due": 1, "outcome": "ended"}',
        b'{"schedule": [], "entry": "e0", "due": "2026-12-01T11:00:00+00:00", "outcome": "ended"}',
        b"[{}",
    ],
)
def test_neither_does_a_line_that_is_no_claim(tmp_path: Path, line: bytes) -> None:
    world, told = World(tmp_path), list[str]()
    due = world.due()
    world.controller.fire(due)
    with (tmp_path / "claims.jsonl").open("ab") as file:
        file.write(line + b"\n")
    assert Trigger(world.controller, lambda: due, told.append).get_next_fire_time(None, NOON) == NOON + AGAIN
    assert "claims.jsonl:3: not a claim" in told[0]
