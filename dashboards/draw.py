"""The kinds of panel that the dashboards use, so that all look alike; queries name the register's metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from grafana_foundation_sdk.builders import common, heatmap, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import common as shared
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heat
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from chaosjc.names import Metric

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
PERIOD = "$__rate_interval"
GREEN, YELLOW, RED = "green", "yellow", "red"
Lines: TypeAlias = "dict[str, str]"  # legend → query


def of(metric: Metric, *matchers: str, suffix: str = "") -> str:
    """A selector of the metric in the chosen volumes, if it has a volume; `suffix` is `_bucket` of a histogram."""
    chosen = (*(['volume=~"$volume"'] if "volume" in metric.labels else []), *matchers)
    return f"{metric.name}{suffix}{{{','.join(chosen)}}}" if chosen else f"{metric.name}{suffix}"


def rate(metric: Metric, *matchers: str) -> str:
    """What a counter gains in a second; of a histogram, its buckets."""
    return f"rate({of(metric, *matchers, suffix='_bucket' if metric.buckets else '')}[{PERIOD}])"


def quantile(q: float, metric: Metric, *by: str) -> str:
    """A quantile of a histogram, for each value of the labels."""
    return f"histogram_quantile({q}, sum by ({', '.join((*by, 'le'))}) ({rate(metric)}))"


def missing(metric: Metric, *by: str) -> str:
    """How many series of a 0/1 gauge are not 1 now but were there in the time that is shown: gone counts."""
    known = f"count by ({', '.join(by)}) (last_over_time({of(metric)}[$__range]))"
    return f"{known} - (sum by ({', '.join(by)}) ({of(metric)}) or 0 * {known})"


def figure(title: str, says: str, expr: str, unit: str, limits: tuple[float | None, float]) -> stat.Panel:
    """One number for each volume: yellow and red from these values on (`limits`; None: no yellow)."""
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
        .with_target(_query("A", expr, "{{volume}}").instant())
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
    texts = {
        "0": model.ValueMappingResult(text=names[0], color=RED, index=0),
        "1": model.ValueMappingResult(text=names[1], color=GREEN, index=1),
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


def heat_map(title: str, says: str, metric: Metric) -> heatmap.Panel:
    """How many observations of a histogram fell into each bucket."""
    expr = f"sum by (le) (increase({of(metric, suffix='_bucket')}[{PERIOD}]))"
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
