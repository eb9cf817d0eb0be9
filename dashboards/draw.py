"""The kinds of panel that the dashboards use, so that all look alike; queries name the register's metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from grafana_foundation_sdk.builders import common, heatmap, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as shared
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heat
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from chaosjc import names
from chaosjc.names import Metric

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
PERIOD = "$__rate_interval"
GREEN, YELLOW, RED, ORANGE, BLUE, GREY = "green", "yellow", "red", "orange", "blue", "text"
Lines: TypeAlias = "dict[str, str]"  # legend → query
States: TypeAlias = "Sequence[tuple[int, str, str]]"  # value, text, colour
Rows: TypeAlias = "Mapping[str, Sequence[Any]]"  # title → panels

MARKS: Mapping[str, tuple[str, str, dict[str, str]]] = {
    "Alerts": (
        'ALERTS{alertstate="firing"}',
        RED,
        {
            "titleFormat": "{{alertname}}",
            "textFormat": "{{volume}} {{rung}} {{worker}} {{vm}}",
            "tagKeys": "severity",
        },
    ),
    "Faults": (
        names.FAULTS_ACTIVE.name,
        "purple",
        {"titleFormat": "{{fault}} on {{target}}", "textFormat": "{{run}}", "tagKeys": "fault"},
    ),
}
"""What marks every plot for as long as the query has a series: query, colour, and what the marks say."""


def board(name: str, says: str, rows: Rows, *variables: build.QueryVariable) -> dict[str, Any]:
    """A dashboard as data: all of them are made alike."""
    dashboard = (
        build.Dashboard(f"JupyterCloud {name}")
        .uid(f"chaosjc-{name}")
        .description(says)
        .tags(["chaosjc", name])
        .time("now-1h", "now")
        .timezone("utc")
        .refresh("10s")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .editable()
        .with_variable(build.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    for each in variables:
        dashboard = dashboard.with_variable(each)
    for title, (expr, color, _) in MARKS.items():
        mark = build.AnnotationQuery().name(title).datasource(SOURCE).expr(expr).enable(True).icon_color(color)
        dashboard = dashboard.annotation(mark)
    for title, panels in rows.items():
        dashboard = dashboard.with_row(build.Row(title))
        for panel in panels:
            dashboard = dashboard.with_panel(panel)
    return _with_marks(json.loads(json.dumps(dashboard.build(), cls=JSONEncoder)))


def _with_marks(drawn: dict[str, Any]) -> dict[str, Any]:
    """What they say is the Prometheus data source's own affair: the dashboard's model does not have it."""
    for mark in drawn["annotations"]["list"]:
        mark.update(MARKS[mark["name"]][2])
    return drawn


def text(drawn: dict[str, Any]) -> str:
    """A dashboard as it is committed."""
    return json.dumps(drawn, indent=2) + "\n"


def volumes() -> build.QueryVariable:
    """Which volumes are shown."""
    return (
        build.QueryVariable("volume")
        .label("Volume")
        .datasource(SOURCE)
        .query(f'label_values({{__name__=~"{names.STORAGE_UP.name}|{names.BRICK_UP.name}"}}, volume)')
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".+")
    )


def of(metric: Metric, *matchers: str, suffix: str = "") -> str:
    """A selector of the metric in the chosen volumes, if it has a volume; `suffix` is `_bucket` of a histogram."""
    chosen = (*(['volume=~"$volume"'] if "volume" in metric.labels else []), *matchers)
    return f"{metric.name}{suffix}{{{','.join(chosen)}}}" if chosen else f"{metric.name}{suffix}"


def rate(metric: Metric, *matchers: str) -> str:
    """What a counter gains in a second; of a histogram, its buckets."""
    return f"rate({of(metric, *matchers, suffix='_bucket' if metric.buckets else '')}[{PERIOD}])"


def gained(metric: Metric, *matchers: str) -> str:
    """What a counter gains from one point of a plot to the next."""
    return f"increase({of(metric, *matchers)}[{PERIOD}])"


def quantile(q: float, metric: Metric, *by: str) -> str:
    """A quantile of a histogram, for each value of the labels."""
    return f"histogram_quantile({q}, sum by ({', '.join((*by, 'le'))}) ({rate(metric)}))"


def missing(metric: Metric, *by: str, only: str = "") -> str:
    """How many series of a 0/1 gauge are not 1 now but were there in the time that is shown: gone counts."""
    series = of(metric, only) if only else of(metric)
    known = f"count by ({', '.join(by)}) (last_over_time({series}[$__range]))"
    return f"{known} - (sum by ({', '.join(by)}) ({series}) or 0 * {known})"


def figure(
    title: str, says: str, expr: str, unit: str, limits: tuple[float | None, float], legend: str = "{{volume}}"
) -> stat.Panel:
    """One number for each series: yellow and red from these values on (`limits`; None: no yellow)."""
    return (
        stat.Panel()
        .title(title)
        .description(says)
        .datasource(SOURCE)
        .unit(unit)
        .thresholds(_thresholds(*limits))
        .color_mode(shared.BigValueColorMode.BACKGROUND)
        .graph_mode(shared.BigValueGraphMode.NONE)
        .text_mode(shared.BigValueTextMode.VALUE_AND_NAME)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value("no data")
        .with_target(_query("A", expr, legend).instant())
        .height(4)
        .span(3)
    )


def lines(title: str, says: str, unit: str, series: Lines, *, log: bool = False, width: int = 12) -> timeseries.Panel:
    """Values over time."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(says)
        .datasource(SOURCE)
        .unit(unit)
        .line_width(1.5)
        .show_points(shared.VisibilityMode.AUTO)
        .legend(_legend())
        .tooltip(_tooltip())
        .height(8)
        .span(width)
    )
    for ref, (legend, expr) in zip("ABCDEFGH", series.items(), strict=False):
        panel = panel.with_target(_query(ref, expr, legend).range())
    if log:
        scale = common.ScaleDistributionConfig().type(shared.ScaleDistribution.LOG).log(10)
        return panel.scale_distribution(scale)
    return panel.axis_soft_min(0)


def limit(panel: timeseries.Panel, legend: str) -> timeseries.Panel:
    """Draw the lines whose names begin so as a dashed red limit."""
    return panel.override_by_regexp(
        f"^{legend}.*",
        [
            model.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [10, 10]}),
            model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": RED}),
        ],
    )


def states(title: str, says: str, legend: str, expr: str, names: tuple[str, str]) -> statetimeline.Panel:
    """A strip for each series of a 0/1 gauge; `names` are those of 0 and 1."""
    return strips(title, says, legend, expr, ((0, names[0], RED), (1, names[1], GREEN)))


def strips(title: str, says: str, legend: str, expr: str, of_values: States) -> statetimeline.Panel:
    """A strip for each series of a gauge that has few values."""
    texts = {
        str(value): model.ValueMappingResult(text=text, color=color, index=index)
        for index, (value, text, color) in enumerate(of_values)
    }
    return (
        statetimeline.Panel()
        .title(title)
        .description(says)
        .datasource(SOURCE)
        .mappings([model.ValueMap(options=texts)])
        .color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .show_value(shared.VisibilityMode.NEVER)
        .legend(_legend())
        .tooltip(_tooltip())
        .with_target(_query("A", expr, legend).range())
        .height(8)
        .span(12)
    )


def heat_map(title: str, says: str, metric: Metric, *matchers: str) -> heatmap.Panel:
    """How many observations of a histogram fell into each bucket."""
    expr = f"sum by (le) (increase({of(metric, *matchers, suffix='_bucket')}[{PERIOD}]))"
    return (
        heatmap.Panel()
        .title(title)
        .description(says)
        .datasource(SOURCE)
        .calculate(False)
        .color(heatmap.HeatmapColorOptions().mode(heat.HeatmapColorMode.SCHEME).scheme("Oranges").steps(64))
        .y_axis(heatmap.YAxisConfig().unit("s"))
        .cell_values(heatmap.CellValues().unit("short"))
        .filter_values(heatmap.FilterValueRange().le(0.001))
        .show_tooltip()
        .with_target(_query("A", expr, "{{le}}").range().format(PromQueryFormat.HEATMAP))
        .height(8)
        .span(12)
    )


def queries(drawn: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each query of a dashboard's JSON, with the title of its panel."""
    for panel in drawn["panels"]:
        yield from ((panel["title"], target["expr"]) for target in panel.get("targets", ()))
        yield from queries(panel) if panel.get("panels") else ()


def filled(expr: str, volume: str = ".*", period: str = "1m") -> str:
    """The query as Grafana would send it."""
    for name, value in (("$__rate_interval", period), ("$__range", period), ("$volume", volume)):
        expr = expr.replace(name, value)
    return expr


def _query(ref: str, expr: str, legend: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id(ref).expr(expr).legend_format(legend).datasource(SOURCE)


def _thresholds(warn: float | None, bad: float) -> build.ThresholdsConfig:
    steps: Sequence[tuple[float | None, str]] = [(None, GREEN), *([(warn, YELLOW)] if warn is not None else [])]
    found = [model.Threshold(value=value, color=color) for value, color in (*steps, (bad, RED))]
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(found)


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .display_mode(shared.LegendDisplayMode.LIST)
        .placement(shared.LegendPlacement.BOTTOM)
        .show_legend(True)
    )


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions().mode(shared.TooltipDisplayMode.MULTI).sort(shared.SortOrder.DESCENDING)
