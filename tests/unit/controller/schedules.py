"""Schedules at hand."""

from __future__ import annotations

import datetime
import json
from typing import Any

from chaosjc.controller.model import Schedule
from chaosjc.site.calendar import Calendar

WORKDAYS = ["mon", "tue", "wed", "thu", "fri"]


def schedule(*entries: dict[str, Any], seed: int = 1, **calendar: Any) -> Schedule:
    """With these entries; what an entry says is added to a name and an experiment."""
    named = [{"name": f"e{number}", "experiments": ["x.yaml"]} | each for number, each in enumerate(entries)]
    raw = {"apiVersion": "chaosjc/v1", "kind": "Schedule", "name": "s", "seed": seed}
    return Schedule.model_validate_json(json.dumps({**raw, "calendar": calendar, "entries": named}))


def policy(**calendar: Any) -> Calendar:
    """The calendar of a site."""
    return Calendar.model_validate_json(json.dumps(calendar))


def utc(text: str) -> datetime.datetime:
    """`2026-12-01T09:30`."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)
