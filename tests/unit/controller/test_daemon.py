"""What APScheduler asks of us: an error is told, and does not end it."""

from __future__ import annotations

import datetime
from pathlib import Path

from chaosjc.controller.controller import GRACE
from chaosjc.controller.daemon import AGAIN, Trigger
from tests.unit.controller.test_controller import NOON, World


def test_claims_that_cannot_be_read_are_read_again_before_what_is_due_is_too_late(tmp_path: Path) -> None:
    world, told = World(tmp_path), list[str]()
    trigger = Trigger(world.controller, world.due(), told.append)
    (tmp_path / "claims.jsonl").mkdir()
    assert trigger.get_next_fire_time(None, NOON) == NOON + AGAIN
    assert AGAIN < GRACE
    assert "claims.jsonl: Is a directory" in told[0]
    (tmp_path / "claims.jsonl").rmdir()
    world.now = NOON + AGAIN
    assert world.controller.fire(world.due()), "what fell due meanwhile"
    assert trigger.get_next_fire_time(None, world.now) == NOON + datetime.timedelta(hours=1)
