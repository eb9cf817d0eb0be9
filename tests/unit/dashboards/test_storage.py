"""dashboards/storage.json is what its module draws, fits Grafana's own model, and asks only for known metrics."""

from __future__ import annotations

import json
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from chaosjc.names import SITE_METRICS
from dashboards import draw, storage
from tests.unit.register import Register, registered

QUERIES = list(draw.queries(storage.drawn()))
PANELS: list[dict[str, Any]] = [panel for panel in storage.drawn()["panels"] if panel["type"] != "row"]


def test_the_committed_file_is_what_the_module_draws() -> None:
    assert storage.FILE.read_text() == storage.text(), "make dashboards"


def test_grafanas_own_model_reads_it_and_writes_the_same() -> None:
    committed = json.loads(storage.FILE.read_text())
    again = json.loads(json.dumps(Dashboard.from_json(committed), cls=JSONEncoder))
    assert again == committed


@pytest.mark.parametrize(("panel", "expr"), QUERIES, ids=[f"{panel}-{i}" for i, (panel, _) in enumerate(QUERIES)])
def test_a_query_asks_for_what_the_register_has(panel: str, expr: str) -> None:
    assert Register({}).problems(draw.filled(expr)) == [], panel
    assert "$" not in draw.filled(expr)


def test_every_metric_of_the_register_is_shown() -> None:
    asked = " ".join(expr for _, expr in QUERIES)
    assert [metric.name for metric in SITE_METRICS if f"{metric.name}" not in asked] == []


def test_panels_fill_rows_and_do_not_overlap() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in PANELS:
        place = panel["gridPos"]
        for x in range(place.get("x", 0), place.get("x", 0) + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert 0 <= x < 24
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
    widths = {y: sum(1 for _, row in taken if row == y) for _, y in taken}
    assert set(widths.values()) == {24}


@pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])
def test_a_panel_says_what_to_do_and_in_what_unit(panel: dict[str, Any]) -> None:
    assert len(panel["description"]) > 60 or panel["title"].startswith("Writes")
    unit = panel["fieldConfig"]["defaults"].get("unit") or panel.get("options", {}).get("yAxis", {}).get("unit")
    assert unit or panel["type"] == "state-timeline"
    assert all(target["legendFormat"] for target in panel["targets"])


def test_titles_are_unique() -> None:
    titles = [panel["title"] for panel in PANELS]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize(
    ("expr", "problem"),
    [
        ("chaosjc_storage_upp", "chaosjc_storage_upp is not in the register"),
        ("rate(chaosjc_storage_up[1m])", "rate of the gauge chaosjc_storage_up"),
        ('chaosjc_storage_up{errno="EIO"}', "chaosjc_storage_up has no label errno"),
        ("sum by (errno) (chaosjc_storage_up)", "chaosjc_storage_up has no label errno"),
        ("chaosjc_storage_up / on (brick) chaosjc_storage_inflight", "chaosjc_storage_up has no label brick"),
        ("chaosjc_storage_write_seconds", "chaosjc_storage_write_seconds is a histogram"),
        ("sum by (le) (rate(chaosjc_storage_write_seconds_count[1m]))", "has no label le"),
    ],
)
def test_the_register_sees_what_is_wrong(expr: str, problem: str) -> None:
    assert problem in Register({}).problems(expr)[0]


def test_a_series_of_elsewhere_can_be_allowed() -> None:
    assert Register({"up": frozenset()}).problems('up{job="gluster"} == 0') == []
    assert "up" not in registered()
