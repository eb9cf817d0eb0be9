"""What is kept of each release's journals, below tests/cases/journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CASES = Path(__file__).parents[2] / "cases/journal"
RECORDED = ("experiment", "sha256", "vars", "seed", "verdict", "code", "reason", "started_at", "ended_at", "debts")


def recorded(told: dict[str, Any]) -> dict[str, Any]:
    """Of the object of `runs show --json`, what a later release says in the same way."""
    kept = {name: told[name] for name in RECORDED}
    held = {each["name"]: each["held"] for each in told["hypotheses"]}
    return kept | {"hypotheses": held, "faults": told["faults"], "debt_cleared_at": told["debt_cleared_at"]}
