"""Schedule files that fire when a test wants them to."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from chaosjc.controller.model import Schedule
from chaosjc.controller.schedule import firings


def firing_at(at: datetime.datetime, experiment: Path, **entry: str) -> dict[str, Any]:
    """One entry that fires at that second: hours of one minute, and a seed under which that is the one."""
    minute = at.hour * 60 + at.minute
    hours = "-".join(f"{each // 60:02}:{each % 60:02}" for each in (minute, minute + 1))
    soon = {"name": "soon", "mtbf": {"mean": 1}, "experiments": [str(experiment)], **entry}
    raw: dict[str, Any] = {"apiVersion": "chaosjc/v1", "kind": "Schedule", "name": "s"}
    raw |= {"calendar": {"hours": hours}, "entries": [soon]}
    for seed in range(10_000):
        raw["seed"] = seed
        found = Schedule.model_validate_json(json.dumps(raw))
        if firings(found, at, at + datetime.timedelta(seconds=1)):
            return raw
    raise AssertionError("no such seed")
