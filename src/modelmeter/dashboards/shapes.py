"""The shapes in which Grafana's doors take a dashboard, as text."""

import json
from collections.abc import Callable
from typing import Final

from modelmeter.dashboards.panel_json import Json

__all__ = ["SHAPES", "any_door", "as_text", "bare", "wrapped"]


def bare(dashboard: Json) -> Json:
    """For provisioning from a file, and for Dashboards > Import."""
    return dashboard


def wrapped(dashboard: Json) -> Json:
    """For ``POST /api/dashboards/db``: replaces the dashboard of the same uid."""
    return {"dashboard": dashboard, "overwrite": True}


def any_door(dashboard: Json) -> Json:
    """
    For the API and for import alike: the dashboard, and beside its keys itself once more.

    The API reads only ``dashboard`` and ``overwrite``; import and provisioning read the keys
    around them. Grafana: pkg/services/dashboards/models.go, DashboardImportK8s.tsx.
    """
    return dashboard | wrapped(dashboard)


SHAPES: Final[dict[str, Callable[[Json], Json]]] = {
    "any": any_door,
    "bare": bare,
    "wrapped": wrapped,
}


def as_text(shape: Json) -> str:
    """JSON with a line for each value, so that a difference is readable."""
    return json.dumps(shape, indent=2, ensure_ascii=False) + "\n"
