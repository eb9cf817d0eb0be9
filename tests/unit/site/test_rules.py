"""The rules ask only for what the register has, and know the bricks; the contract suite has promtool judge them."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from chaosjc.site.model import Role, SiteFile
from chaosjc.site.roles.scrapes import HUB_SERIES, KUBELET_SERIES
from chaosjc.site.rules import BACKUP, BACKUPS, CONTROLLER, HUB, LAYOUT, RULES, rule_files
from chaosjc.site.sections import Monitoring, Storage, Volume
from tests.sites import cloud_file
from tests.unit.register import Register
from tests.unit.site.fakes import lab_site

GROUPS = {name: yaml.safe_load(text)["groups"] for name, text in RULES.items()}
WRITTEN: list[dict[str, Any]] = [rule for groups in GROUPS.values() for group in groups for rule in group["rules"]]
LAID_OUT = {
    "chaosjc:brick_expected": frozenset({"volume", "set", "brick"}),
    "chaosjc:replica_set_size": frozenset({"volume", "set"}),
    "chaosjc:replica_set_needed": frozenset({"volume", "set"}),
    "chaosjc:volume_sacrificial": frozenset({"volume"}),
    "chaosjc:backup_tolerated_seconds": frozenset({"of"}),
}
PREFIXES = {"volume:": frozenset({"volume"}), "rung:": frozenset({"rung"}), "worker:": frozenset({"worker"})}
RECORDED = {
    rule["record"]: next(
        (labels for prefix, labels in PREFIXES.items() if rule["record"].startswith(prefix)),
        frozenset({"volume", "set", "brick"}),
    )
    for rule in WRITTEN
    if "record" in rule
}
OTHERS = {"up": frozenset[str](), **LAID_OUT, **RECORDED, **HUB_SERIES, **KUBELET_SERIES}
REGISTER = Register({**OTHERS, "chaosjc:replica_set_up": frozenset({"volume", "set"})})


@pytest.mark.parametrize("rule", WRITTEN, ids=[rule.get("alert") or rule["record"] for rule in WRITTEN])
def test_a_rule_asks_for_what_the_register_has(rule: dict[str, Any]) -> None:
    assert REGISTER.problems(rule["expr"]) == []


@pytest.mark.parametrize("rule", [rule for rule in WRITTEN if "alert" in rule], ids=lambda rule: rule["alert"])
def test_an_alert_says_what_happened_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert len(rule["annotations"]["runbook"]) > 60


def test_a_site_gets_rules_for_what_it_has() -> None:
    assert rule_files(lab_site(storage=None)) == {}
    whole = SiteFile.restore(json.dumps(cloud_file()))
    assert HUB in rule_files(whole) and CONTROLLER not in rule_files(whole)
    watching = Monitoring(also={"controller": ("10.0.0.9:9830",)})
    assert set(rule_files(lab_site(storage=None, monitoring=watching))) == {CONTROLLER}


@pytest.mark.parametrize(
    ("gone", "changed", "limits"),
    [
        ((), {}, {"etcd": 150, "hub database": 150}),
        (("hub", "lbaas"), {}, {"etcd": 150}),
        ((), {"backup": "10m"}, {"etcd": 1860, "hub database": 1860}),
        ((), {"backup": "0s"}, None),
    ],
)
def test_a_backup_may_be_some_periods_old(
    gone: tuple[str, ...], changed: dict[str, str], limits: dict[str, int] | None
) -> None:
    raw = {name: value for name, value in cloud_file().items() if name not in gone}
    found = rule_files(SiteFile.restore(json.dumps(raw | {"kubernetes": raw["kubernetes"] | changed})))
    assert (BACKUP in found) == (BACKUPS in found) == (limits is not None)
    if limits is not None:
        [group] = yaml.safe_load(found[BACKUPS])["groups"]
        wanted = {what: f"vector({seconds})" for what, seconds in limits.items()}
        assert {rule["labels"]["of"]: rule["expr"] for rule in group["rules"]} == wanted


@pytest.mark.parametrize(("replica", "needed"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)])
def test_writing_needs_a_majority_or_half_with_the_first(replica: int, needed: int) -> None:
    assert {rule["expr"] for rule in _layout("chaosjc:replica_set_needed", replica=replica)} == {f"vector({needed})"}


def test_bricks_fill_one_set_after_the_other() -> None:
    found = {(r["labels"]["set"], r["labels"]["brick"]) for r in _layout("chaosjc:brick_expected", distribute=2)}
    assert found == {(f"homes/{(n - 1) // 3}", f"brick-00{n}") for n in range(1, 7)}


def test_a_sacrificial_volume_is_marked() -> None:
    assert [r["labels"] for r in _layout("chaosjc:volume_sacrificial", sacrificial=True)] == [{"volume": "homes"}]
    assert _layout("chaosjc:volume_sacrificial") == []


def _layout(record: str, **volume: Any) -> list[dict[str, Any]]:
    """The rules of this name, for one volume on as many bricks as it needs."""
    homes = Volume(mount="/srv/homes", **volume)
    count = homes.replica * homes.distribute
    brick = Role(count=count, numbered=True, image="image", flavor="small", groups=("internal",), disks={"/data": 1})
    site = lab_site(roles={**lab_site().roles, "brick": brick}, storage=Storage(volumes={"homes": homes}))
    [group] = yaml.safe_load(rule_files(site)[LAYOUT])["groups"]
    return [rule for rule in group["rules"] if rule["record"] == record]
