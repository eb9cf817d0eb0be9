"""The lab's site file, cut down to what a test is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
EXPORTERS = "9810-9820"


def cloud_file() -> dict[str, Any]:
    """sites/jupytercloud.yaml as it was read: the whole stack."""
    return yaml.safe_load((ROOT / "sites" / "jupytercloud.yaml").read_text())


def lab_file(*, storage: bool) -> dict[str, Any]:
    """sites/lab.yaml as it was read; without `storage`, nothing in it is about GlusterFS."""
    raw: dict[str, Any] = yaml.safe_load((ROOT / "sites" / "lab.yaml").read_text())
    if not storage:
        del raw["storage"], raw["roles"]["brick"]
        groups = raw["security_groups"]
        del groups["brick"], groups["worker"]
        groups["internal"] = [each for each in groups["internal"] if each.get("ports") != EXPORTERS]
        raw["roles"]["worker"]["groups"] = ["internal"]
        raw["policy"]["targets"] = [each for each in raw["policy"]["targets"] if each != "brick"]
    return raw
