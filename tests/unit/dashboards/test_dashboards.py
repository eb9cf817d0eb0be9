"""Every dashboard's JSON is what its module draws, fits Grafana's own model, and asks only for known metrics."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from chaosjc.journal.verdict import EXIT_CODES
from chaosjc.names import CONTROLLER_METRICS, HUB_METRICS, SITE_METRICS, Metric
from chaosjc.site.roles.scrapes import HUB_SERIES, KUBELET_SERIES
from dashboards import draw, hub, resilience, storage
from tests.unit.register import Register, registered

BOARDS = (storage, hub, resilience)
DRAWN: dict[ModuleType, dict[str, Any]] = {each: each.drawn() for each in BOARDS}
QUERIES = [
    pytest.param(panel, expr, id=f"{each.FILE.stem}-{panel}-{i}")
    for each in BOARDS
    for i, (panel, expr) in enumerate(draw.queries(DRAWN[each]))
]
PANELS: list[dict[str, Any]] = [
    panel for drawn in DRAWN.values() for panel in drawn["panels"] if panel["type"] != "row"
]
REGISTER = Register({"up": frozenset(), **HUB_SERIES, **KUBELET_SERIES})
boards = pytest.mark.parametrize("board", BOARDS, ids=[each.FILE.stem for each in BOARDS])


@boards
def test_the_committed_file_is_what_the_module_draws(board: ModuleType) -> None:
    assert board.FILE.read_text() == draw.text(DRAWN[board]), "make dashboards"


@boards
def test_grafanas_own_model_reads_it_and_writes_the_same(board: ModuleType) -> None:
    """But for what marks say, which is the data source's affair."""
    committed = json.loads(board.FILE.read_text())
    again = json.loads(json.dumps(Dashboard.from_json(committed), cls=JSONEncoder))
    for mark in committed["annotations"]["list"]:
        assert mark.pop("titleFormat") and mark.pop("textFormat") and mark.pop("tagKeys")
    assert again == committed


@pytest.mark.parametrize(("panel", "expr"), QUERIES)
def test_a_query_asks_for_what_the_register_has(panel: str, expr: str) -> None:
    assert REGISTER.problems(draw.filled(expr)) == [], panel
    assert "$" not in draw.filled(expr)


@pytest.mark.parametrize(("expr", "_color", "says"), draw.MARKS.values(), ids=draw.MARKS)
def test_a_mark_asks_for_what_the_register_has(expr: str, _color: str, says: dict[str, str]) -> None:
    alerts = {"ALERTS": frozenset({"alertstate", "alertname", "severity", "volume", "rung", "worker"})}
    assert Register(alerts).problems(expr) == []
    assert set(says) == {"titleFormat", "textFormat", "tagKeys"}


@pytest.mark.parametrize(
    ("board", "metrics"),
    [(storage, SITE_METRICS), (hub, HUB_METRICS), (resilience, CONTROLLER_METRICS)],
    ids=["storage", "hub", "resilience"],
)
def test_every_metric_of_the_register_is_shown(board: ModuleType, metrics: tuple[Metric, ...]) -> None:
    asked = " ".join(expr for _, expr in draw.queries(DRAWN[board]))
    assert [metric.name for metric in metrics if metric.name not in asked] == []


def test_every_series_that_is_kept_of_others_is_shown() -> None:
    asked = " ".join(expr for _, expr in draw.queries(DRAWN[hub]))
    assert [name for name in (*HUB_SERIES, *KUBELET_SERIES) if name not in asked] == []


@boards
def test_panels_fill_rows_and_do_not_overlap(board: ModuleType) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in (each for each in DRAWN[board]["panels"] if each["type"] != "row"):
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


@boards
def test_titles_are_unique(board: ModuleType) -> None:
    titles = [panel["title"] for panel in DRAWN[board]["panels"]]
    assert len(titles) == len(set(titles))


def test_a_verdict_has_the_colour_and_the_number_that_the_exporter_gives() -> None:
    assert {text: value for value, text, _ in resilience.VERDICTS} == dict(EXIT_CODES)


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
