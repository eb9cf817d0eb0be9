"""What all storage experiments have in common, beside being correct files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from chaosjc.spec.problems import Problems
from chaosjc.spec.reader import load
from chaosjc.spec.variables import substitute

ALL = Path(__file__).parents[2] / "experiments"
STORAGE = [
    path for path in sorted(ALL.glob("*.yaml")) if "chaosjc_storage_longest_wait" in path.read_text(encoding="utf-8")
]
HUB = [path for path in sorted(ALL.glob("*.yaml")) if "chaosjc_hub_" in path.read_text(encoding="utf-8")]


def contents(path: Path) -> dict[str, Any]:
    document = load(path, Problems())
    assert document
    return document.data


def test_there_are_some() -> None:
    assert len(STORAGE) == 11
    assert len(HUB) == 14


@pytest.mark.parametrize("path", HUB, ids=lambda path: path.stem)
def test_whoever_is_to_notice_nothing_is_asked_in_every_phase(path: Path) -> None:
    """A kernel that was lost, or a cell that was missed, counts whenever it was."""
    of_live = [each for each in contents(path)["hypotheses"] if "chaosjc_hub_live_" in each.get("promql", "")]
    assert of_live
    assert [each["name"] for each in of_live if "phases" in each] == []


@pytest.mark.parametrize("path", HUB, ids=lambda path: path.stem)
def test_who_never_misses_a_cell_is_asked_for_every_cell(path: Path) -> None:
    """`live_ok` forgives one that was late or lost."""
    asked = [(each["name"], each.get("promql", "")) for each in contents(path)["hypotheses"]]
    missed = [promql for name, promql in asked if re.search(r"miss(es)? a cell", name)]
    assert all(re.search(r"\bincrease\(chaosjc_hub_live_failures_total\b", each) for each in missed)
    assert len(missed) == sum("chaosjc_hub_live_ok" in promql for _, promql in asked), "one beside each"


@pytest.mark.parametrize("path", HUB, ids=lambda path: path.stem)
def test_recovery_waits_for_what_a_user_sees(path: Path) -> None:
    seen = [each.get("promql", "") for each in contents(path)["recovery"]["until"]]
    assert any("chaosjc_hub_" in each for each in seen)


@pytest.mark.parametrize("path", [*STORAGE, *HUB], ids=lambda path: path.stem)
def test_every_variable_is_used(path: Path) -> None:
    data = contents(path)
    unused = [name for name in data["vars"] if f"${name}" not in path.read_text(encoding="utf-8")]
    assert unused == []


@pytest.mark.parametrize("path", STORAGE, ids=lambda path: path.stem)
def test_a_site_that_scrapes_less_often_chooses_the_window_of_every_rate(path: Path) -> None:
    problems = Problems()
    document = load(path, problems)
    assert document
    document, _ = substitute(document, problems, site={"window": "45s"})
    problems.check()
    assert set(re.findall(r"\[(\w+)\]\)", str(document.data))) == {"45s"}


@pytest.mark.parametrize("path", STORAGE, ids=lambda path: path.stem)
def test_a_series_that_is_gone_afterwards_is_missed(path: Path) -> None:
    asked = {each["promql"]: each.get("phases") for each in contents(path)["hypotheses"]}
    assert asked['up{job="storage"}'] == ["before", "after"]
    assert asked['chaosjc_gluster_split_brain{volume="$volume"}'] == ["before", "after"]


def test_the_way_back_past_a_new_proxy_is_judged_by_what_the_hub_is_set_to() -> None:
    data = contents(ALL / "proxy-pod-killed.yaml")
    interval = "chaosjc_hub_last_activity_interval_seconds"
    assert [each["expect"] for each in data["hypotheses"] if interval in each.get("promql", "")] == ["<= $proxy_start"]
    assert f"max({interval})" in [each["promql"] for each in data["observe"]], "the report draws it beside the promise"


def test_a_hub_that_was_restarted_has_not_seen_again_by_itself() -> None:
    asked = {
        each["promql"]: each["expect"]
        for each in contents(ALL / "master-vm-frozen.yaml")["hypotheses"]
        if "promql" in each
    }
    assert asked['process_start_time_seconds{job="jupyterhub"}'] == "within 0% of before"
