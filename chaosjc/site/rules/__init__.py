"""Recording and alerting rules for the site's Prometheus.

The files here are the same for every site that has what they are about. What they cannot know is written by
`rule_files` from the site file: which bricks there should be, so that one that vanished with its VM is down and not
merely silent, how many of each replica set writing needs, and which volumes may lose that: for them nobody is woken;
and what there should be backups of, and how old they may be.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

from chaosjc.site.model import SiteFile
from chaosjc.site.roles import backup
from chaosjc.site.sections import Storage

STORAGE, HUB, CONTROLLER, BACKUP = "storage.yml", "hub.yml", "controller.yml", "backup.yml"
RULES: Mapping[str, str] = {
    name: resources.files(__package__ or "").joinpath(name).read_text("utf-8")
    for name in (STORAGE, HUB, CONTROLLER, BACKUP)
}
"""Text of each rule file, by its name."""

LAYOUT, BACKUPS = "storage-layout.yml", "backups.yml"


def rule_files(site: SiteFile) -> dict[str, str]:
    """All rule files that the site needs, text by name; none for what it does not have."""
    found = {STORAGE: RULES[STORAGE], LAYOUT: _layout(site, site.storage)} if site.storage else {}
    if site.hub:
        found[HUB] = RULES[HUB]
    if limits := backup.tolerated(site):
        found |= {BACKUP: RULES[BACKUP], BACKUPS: _backups(limits)}
    if site.monitoring.also:
        found[CONTROLLER] = RULES[CONTROLLER]
    return found


def _layout(site: SiteFile, storage: Storage) -> str:
    return _group("storage-layout", list(_recorded(site, storage)))


def _backups(limits: Mapping[str, float]) -> str:
    rules = [_constant("chaosjc:backup_tolerated_seconds", round(s), {"of": what}) for what, s in limits.items()]
    return _group("backups", rules)


def _group(name: str, rules: list[dict[str, Any]]) -> str:
    """JSON, which is YAML."""
    return json.dumps({"groups": [{"name": name, "interval": "15s", "rules": rules}]}, indent=1) + "\n"


def _recorded(site: SiteFile, storage: Storage) -> Iterator[dict[str, Any]]:
    vms = [machine.name for machine in site.machines if machine.role == storage.role]
    for name, volume in storage.volumes.items():
        if volume.sacrificial:
            yield _constant("chaosjc:volume_sacrificial", 1, {"volume": name})
        # Of an even number, half is enough for the side that has the first brick: GlusterFS's quorum `auto`.
        needed = volume.replica // 2 + volume.replica % 2
        for number in range(volume.distribute):
            labels = {"volume": name, "set": f"{name}/{number}"}
            yield _constant("chaosjc:replica_set_size", volume.replica, labels)
            yield _constant("chaosjc:replica_set_needed", needed, labels)
            for vm in vms[number * volume.replica : (number + 1) * volume.replica]:
                yield _constant("chaosjc:brick_expected", 1, {**labels, "brick": vm})


def _constant(name: str, value: int, labels: Mapping[str, str]) -> dict[str, Any]:
    return {"record": name, "expr": f"vector({value})", "labels": dict(labels)}
