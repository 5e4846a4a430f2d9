"""Puts the dashboard into a Grafana: folder, data source, dashboard; as often as one likes."""

from typing import Final, Literal

import msgspec

from modelmeter.dashboards.grafana_api import GrafanaApi
from modelmeter.dashboards.panel_json import Json
from modelmeter.errors import SettingsError, UpstreamError
from modelmeter.record import ErrorType

__all__ = ["FOLDER_TITLE", "Pushed", "push_dashboard"]

FOLDER_TITLE: Final = "LLM"

State = Literal["made", "there", "not seen"]
"""Not seen: the token may not look at it."""


class Pushed(msgspec.Struct, frozen=True):
    """What was done."""

    folder: State
    data_source: State
    dashboard_url: str


def push_dashboard(
    grafana: GrafanaApi,
    dashboard: Json,
    *,
    folder_title: str = FOLDER_TITLE,
    prometheus_url: str | None = None,
    scrape_interval_seconds: float = 15,
) -> Pushed:
    """
    Put a bare dashboard into a folder of Grafana.

    Where Grafana has no Prometheus, a data source for ``prometheus_url`` is made.

    Raises:
        SettingsError: there is no data source, and no address to make one for.
        UpstreamError: Grafana does not answer, or does not allow it.
    """
    folder_uid, made = grafana.ensure_folder(folder_title)
    source = _ensure_data_source(grafana, prometheus_url, scrape_interval_seconds)
    url = grafana.save_dashboard(dashboard, folder_uid)
    return Pushed(folder="made" if made else "there", data_source=source, dashboard_url=url)


def _ensure_data_source(
    grafana: GrafanaApi, prometheus_url: str | None, scrape_interval_seconds: float
) -> State:
    try:
        sources = grafana.data_sources()
    except UpstreamError as error:
        # An Editor may save dashboards but not see data sources: the dashboard can still be used.
        if error.error_type != ErrorType.PERMISSION or prometheus_url is not None:
            raise
        return "not seen"
    if any(source.type == "prometheus" for source in sources):
        return "there"
    if prometheus_url is None:
        raise SettingsError(
            "Grafana has no data source for Prometheus: give --prometheus URL to make one"
        )
    grafana.add_prometheus(prometheus_url, scrape_interval_seconds=scrape_interval_seconds)
    return "made"
