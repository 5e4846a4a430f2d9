"""The LLM Usage Dashboard as Grafana's dashboard model."""

from collections.abc import Iterable
from itertools import groupby
from typing import Final

import msgspec

from modelmeter.dashboards.more_panels import MORE_PANELS
from modelmeter.dashboards.more_queries import MORE_QUERIES
from modelmeter.dashboards.panel_json import Json, panel_json
from modelmeter.dashboards.queries import NOTES, QUERIES
from modelmeter.dashboards.variables import annotations, links, variables
from modelmeter.metrics.panels import DAILY_COST_USD, PANELS, Panel, cost_thresholds

__all__ = ["DASHBOARD_UID", "DashboardOptions", "dashboard_json", "dashboard_panels"]

DASHBOARD_UID: Final = "llm-usage"
TITLE: Final = "LLM Usage Dashboard"
SCHEMA_VERSION: Final = 41
"""The classic model, as Grafana 11.6 knows it; earlier ones read it, later ones migrate it."""

_GRID_COLUMNS: Final = 24
_ROW_HEIGHT: Final = 1
_STAT_SIZE: Final = (6, 4)
_CHART_SIZE: Final = (12, 8)
_ODD_SIZES: Final = {
    # The last line of the detailed panels: a bar chart's other half is shared by two.
    "active_requests": (6, 8),
    "success_rate": (6, 8),
    **dict.fromkeys(("cache_savings", "unpriced", "overstated"), (8, 4)),
    **dict.fromkeys(("gateways", "ledger_failures", "budget_drift"), (8, 4)),
    "circuits": (24, 6),
    "cache_size": (12, 8),
}


class DashboardOptions(msgspec.Struct, frozen=True):
    """What differs between installations."""

    daily_usd: float = DAILY_COST_USD
    """The day's limit that colours the panel Total Cost (24h)."""
    page_url: str = "http://127.0.0.1:4000/"
    """The gateway's own page, for a link; empty: no link."""
    runbooks_url: str = ""
    """Where the runbooks are published, for a link; empty: no link."""


def dashboard_panels(options: DashboardOptions) -> tuple[Panel, ...]:
    """All panels, the thirteen first."""
    coloured = {"total_cost": cost_thresholds(options.daily_usd)}
    return tuple(
        msgspec.structs.replace(panel, thresholds=coloured.get(panel.key, panel.thresholds))
        for panel in (*PANELS, *MORE_PANELS)
    )


def dashboard_json(options: DashboardOptions | None = None) -> Json:
    """The dashboard itself: what provisioning reads, and what the API wants wrapped."""
    options = options or DashboardOptions()
    return {
        "id": None,
        "uid": DASHBOARD_UID,
        "title": TITLE,
        "description": "LLM calls: how many, how fast, what they cost, and what failed. Made by "
        "modelmeter; the ledger is the bill, this shows it as Prometheus saw it.",
        "tags": ["llm", "modelmeter"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "weekStart": "",
        "timezone": "browser",
        "time": {"from": "now-6h", "to": "now"},
        "timepicker": {},
        "refresh": "30s",
        "liveNow": False,
        "links": links(options.page_url, options.runbooks_url),
        "templating": {"list": variables()},
        "annotations": {"list": annotations()},
        "panels": _panels(dashboard_panels(options)),
    }


def _panels(panels: Iterable[Panel]) -> list[Json]:
    """Rows with their panels, placed from left to right; ids follow the order."""
    queries = QUERIES | MORE_QUERIES
    made: list[Json] = []
    top = 0
    for group, members in groupby(panels, key=lambda panel: panel.group):
        made.append(_row(group, panel_id=len(made) + 1, top=top))
        top += _ROW_HEIGHT
        left = line_height = 0
        for panel in members:
            width, height = _size(panel)
            if left + width > _GRID_COLUMNS:
                top, left, line_height = top + line_height, 0, 0
            place = {"x": left, "y": top, "w": width, "h": height}
            made.append(
                panel_json(
                    panel,
                    queries[panel.key],
                    panel_id=len(made) + 1,
                    place=place,
                    note=NOTES.get(panel.key, ""),
                )
            )
            left, line_height = left + width, max(line_height, height)
        top += line_height
    return made


def _size(panel: Panel) -> tuple[int, int]:
    return _ODD_SIZES.get(panel.key, _STAT_SIZE if panel.chart == "stat" else _CHART_SIZE)


def _row(title: str, *, panel_id: int, top: int) -> Json:
    return {
        "id": panel_id,
        "type": "row",
        "title": title,
        "collapsed": False,
        "gridPos": {"x": 0, "y": top, "w": _GRID_COLUMNS, "h": _ROW_HEIGHT},
        "panels": [],
    }
