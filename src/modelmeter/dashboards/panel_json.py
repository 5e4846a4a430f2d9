"""A panel and its queries as Grafana's panel model."""

from collections.abc import Iterable, Mapping
from string import ascii_uppercase
from typing import Final

from modelmeter.dashboards.promql import Query
from modelmeter.metrics.panels import Chart, Level, Panel, Unit

__all__ = ["DATA_SOURCE", "Json", "panel_json"]

Json = dict[str, object]

DATA_SOURCE: Final[Json] = {"type": "prometheus", "uid": "${datasource}"}

PLUGIN_VERSION: Final = "11.0.0"
"""The release of Grafana whose panel options these are; later ones read them as they stand."""

_UNITS: Final[dict[Unit, str]] = {
    "calls_per_second": "reqps",
    "tokens_per_second": "ops",
    "calls": "short",
    "usd": "currencyUSD",
    "percent": "percent",
    "seconds": "s",
}
_COLOURS: Final[dict[Level, str]] = {
    "good": "green",
    "notice": "yellow",
    "warning": "orange",
    "critical": "red",
}
_PLUGINS: Final[dict[Chart, str]] = {
    "stat": "stat",
    "lines": "timeseries",
    "stacked": "timeseries",
    "pie": "piechart",
    "bars": "barchart",
    "gauges": "bargauge",
    "table": "table",
}
_HIDDEN_NOWHERE: Final[Json] = {"legend": False, "tooltip": False, "viz": False}
_LAST_VALUE: Final[Json] = {"calcs": ["lastNotNull"], "fields": "", "values": False}


def panel_json(
    panel: Panel,
    queries: Iterable[Query],
    *,
    panel_id: int,
    place: Mapping[str, int],
    note: str = "",
) -> Json:
    """
    The panel at ``place`` (``x``, ``y``, ``w`` and ``h`` in Grafana's grid of 24 columns).

    ``note`` is said after its description.
    """
    targets = [_target(query, ref) for query, ref in zip(queries, ascii_uppercase, strict=False)]
    made: Json = {
        "id": panel_id,
        "type": _PLUGINS[panel.chart],
        "title": panel.title,
        "description": _description(panel, note),
        "datasource": DATA_SOURCE,
        "gridPos": dict(place),
        "pluginVersion": PLUGIN_VERSION,
        "targets": targets,
        "fieldConfig": {"defaults": _field_defaults(panel), "overrides": []},
        "options": _options(panel, targets),
    }
    transformations = _transformations(panel, [str(target["refId"]) for target in targets])
    if transformations:
        made["transformations"] = transformations
    return made


def _description(panel: Panel, note: str) -> str:
    names = ", ".join(f"`{name}`" for name in panel.metrics)
    said = f"{panel.description} {note}" if note else panel.description
    return f"{said}\n\nFrom {names}."


def _target(query: Query, ref: str) -> Json:
    target: Json = {
        "refId": ref,
        "datasource": DATA_SOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "format": "table" if query.table else "time_series",
        "instant": query.instant,
        "range": not query.instant,
        "legendFormat": query.legend or "__auto",
    }
    if query.min_step:
        target["interval"] = query.min_step
    return target


def _field_defaults(panel: Panel) -> Json:
    defaults: Json = {
        "unit": _UNITS[panel.unit],
        "color": {"mode": "thresholds" if _coloured_by_value(panel) else "palette-classic"},
        "thresholds": {"mode": "absolute", "steps": _steps(panel)},
        "mappings": [],
        "noValue": "0" if panel.idle == "zero" else panel.idle,
    }
    if panel.chart in ("lines", "stacked"):
        defaults["min"] = 0
        defaults["custom"] = _lines(panel)
    elif panel.chart == "bars":
        defaults["custom"] = {"fillOpacity": 80, "lineWidth": 1, "hideFrom": _HIDDEN_NOWHERE}
    elif panel.chart == "pie":
        defaults["custom"] = {"hideFrom": _HIDDEN_NOWHERE}
    elif panel.chart == "table":
        defaults["custom"] = {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False}
    if panel.unit == "percent":
        defaults |= {"min": 0, "max": 100, "decimals": 2}
    return defaults


def _coloured_by_value(panel: Panel) -> bool:
    return panel.chart in ("stat", "gauges")


def _steps(panel: Panel) -> list[Json]:
    if not panel.thresholds:
        return [{"color": "blue", "value": None}]
    return [
        {"color": _COLOURS[threshold.level], "value": threshold.at}
        for threshold in panel.thresholds
    ]


def _lines(panel: Panel) -> Json:
    stacked = panel.chart == "stacked"
    return {
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": 30 if stacked else 10,
        "gradientMode": "none",
        "showPoints": "auto",
        "pointSize": 4,
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if panel.thresholds else "off"},
        "axisPlacement": "auto",
        "scaleDistribution": {"type": "linear"},
        "hideFrom": _HIDDEN_NOWHERE,
    }


def _options(panel: Panel, targets: list[Json]) -> Json:
    match panel.chart:
        case "stat":
            return {
                "colorMode": "value",
                "graphMode": "none" if all(target["instant"] for target in targets) else "area",
                "justifyMode": "auto",
                "orientation": "auto",
                "reduceOptions": _LAST_VALUE,
                "percentChangeColorMode": "standard",
                "showPercentChange": False,
                "textMode": "value",
                "wideLayout": True,
            }
        case "pie":
            return {
                "pieType": "donut",
                "displayLabels": ["percent"],
                "orientation": "auto",
                "sort": "desc",
                "reduceOptions": _LAST_VALUE,
                "legend": _legend("table", "right") | {"values": ["value", "percent"]},
                "tooltip": {"mode": "single", "sort": "none"},
            }
        case "bars":
            return _bars(panel)
        case "gauges":
            return {
                "displayMode": "basic",
                "valueMode": "color",
                "namePlacement": "auto",
                "showUnfilled": True,
                "sizing": "auto",
                "minVizWidth": 8,
                "minVizHeight": 16,
                "maxVizHeight": 300,
                "orientation": "horizontal",
                "reduceOptions": _LAST_VALUE,
                "legend": _legend("list", "bottom") | {"showLegend": False},
            }
        case "table":
            return {"cellHeight": "sm", "frameIndex": 0, "showHeader": True}
        case "lines" | "stacked":
            return {
                "legend": _legend("table", "bottom") | {"calcs": ["lastNotNull", "max"]},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }


def _bars(panel: Panel) -> Json:
    return {
        "orientation": "horizontal",
        "xField": panel.split_by[0],
        "barWidth": 0.8,
        "groupWidth": 0.7,
        "barRadius": 0,
        "fullHighlight": False,
        "showValue": "auto",
        "stacking": "none",
        "xTickLabelMaxLength": 0,
        "xTickLabelRotation": 0,
        "xTickLabelSpacing": 0,
        "legend": _legend("list", "bottom") | {"showLegend": False},
        "tooltip": {"mode": "single", "sort": "none"},
    }


def _legend(mode: str, placement: str) -> Json:
    return {"calcs": [], "displayMode": mode, "placement": placement, "showLegend": True}


def _transformations(panel: Panel, refs: list[str]) -> list[Json]:
    """Tables of answers become one table with a column a number, named after the panel's lines."""
    if panel.chart == "bars":
        renamed = {"Value": panel.title}
    elif panel.chart == "table":
        renamed = {f"Value #{ref}": name for ref, name in zip(refs, panel.lines, strict=True)}
    else:
        return []
    tidy: Json = {
        "id": "organize",
        "options": {
            "excludeByName": {"Time": True, **{f"Time {n}": True for n in range(1, len(refs) + 1)}},
            "indexByName": {},
            "renameByName": renamed,
        },
    }
    if panel.chart == "bars":
        return [tidy]
    by_name: Json = {"byField": panel.split_by[0], "mode": "outer"}
    return [{"id": "joinByField", "options": by_name}, tidy]
