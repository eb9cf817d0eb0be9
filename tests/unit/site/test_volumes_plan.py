"""The pool of brick VMs → plan, as data: tests/cases/site/volumes."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from chaosjc.errors import StageError
from chaosjc.site.stages import volumes_plan
from chaosjc.site.stages.volumes_plan import VolumeFacts
from tests.unit.site.fakes import ROOT, lab_site, small_site

CASES: list[dict[str, Any]] = yaml.safe_load((ROOT / "tests/cases/site/volumes/cases.yaml").read_text())
SITE = lab_site()
VMS = ("brick-001", "brick-002", "brick-003")


def as_planned() -> dict[str, Any]:
    assert SITE.storage
    volumes: dict[str, Any] = {}
    for name, volume in SITE.storage.volumes.items():
        volumes[name] = {
            "name": name,
            "uuid": f"{name}-id",
            "status": "Started",
            "replica": 3,
            "arbiter": 0,
            "bricks": [{"host": vm, "path": SITE.brick_path(name)} for vm in VMS],
            "options": volumes_plan.wanted_options(volume),
        }
    bricks = {f"{vm}:{SITE.brick_path(name)}": name for name in volumes for vm in VMS}
    return {
        "there": list(VMS),
        "asked": "brick-001",
        "peers": {vm: {"uuid": vm, "host": vm, "state": "Peer in Cluster", "connected": True} for vm in VMS[1:]},
        "volumes": volumes,
        "online": dict.fromkeys(bricks, True),
        "bricks": {brick: {"volume": f"{name}-id"} for brick, name in bricks.items()},
    }


def facts(case: dict[str, Any]) -> VolumeFacts:
    raw = as_planned() | case.get("replace", {})
    for path, value in case.get("set", {}).items():
        *way, last = re.findall(r"brick-\d+:[^.]*|[^.]+", path)
        there: Any = raw
        for each in way:
            there = there[each]
        there[last] = value
    for table, key in case.get("drop", {}).items():
        del raw[table][key]
    options: dict[str, str] = raw["volumes"].get("homes", {}).get("options", {})
    for name, value in case.get("options", {}).items():
        if value is None:
            del options[name]
        else:
            options[name] = value
    return TypeAdapter(VolumeFacts).validate_python(raw)


@pytest.mark.parametrize("case", [pytest.param(each, id=each["name"]) for each in CASES])
def test_volumes(case: dict[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(StageError, match=re.escape(case["error"])):
            volumes_plan.plan(SITE, facts(case))
    else:
        assert [str(each) for each in volumes_plan.plan(SITE, facts(case))] == case["plan"]


def test_a_site_without_storage_has_no_volumes() -> None:
    assert volumes_plan.plan(small_site(), VolumeFacts()) == ()


def test_the_file_has_the_last_word_on_options() -> None:
    assert SITE.storage
    wanted = volumes_plan.wanted_options(SITE.storage.volumes["homes"])
    assert wanted["network.ping-timeout"] == str(SITE.storage.volumes["homes"].options["network.ping-timeout"])
    assert wanted.keys() >= volumes_plan.OPTIONS.keys()
    assert [volumes_plan.as_option(each) for each in (True, False, "enable", "NO", 7)] == [
        "on",
        "off",
        "on",
        "off",
        "7",
    ]
