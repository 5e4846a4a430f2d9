"""Goes from a gateway over Prometheus to Grafana, and says at each step how it is."""

from collections.abc import Iterator
from datetime import date
from typing import Final

from modelmeter.dashboards.dashboard import DASHBOARD_UID
from modelmeter.dashboards.finding import Finding, ok, warning, wrong
from modelmeter.dashboards.gateway_checks import GatewayState, check_gateway
from modelmeter.dashboards.grafana_api import GrafanaApi
from modelmeter.dashboards.prometheus_checks import check_prometheus
from modelmeter.dashboards.web_pages import WebPages
from modelmeter.errors import UpstreamError
from modelmeter.pricing.freshness import newest_price_on

__all__ = ["PRICES_DAYS_MAX", "diagnose"]

PRICES_DAYS_MAX: Final = 90
"""Prices change every few weeks: a catalogue without a new one for longer is out of date."""


def diagnose(
    gateway: WebPages,
    prometheus: WebPages,
    grafana: GrafanaApi | None,
    *,
    today: date,
) -> Iterator[Finding]:
    """Everything, in the order in which data flows; each finding as soon as it is known."""
    state = GatewayState()
    yield from check_gateway(gateway, state)
    yield from check_prometheus(prometheus, gateway, state)
    if grafana is not None:
        yield from _grafana(grafana)
    yield _prices(today)


def _grafana(grafana: GrafanaApi) -> Iterator[Finding]:
    try:
        sources = [one.name for one in grafana.data_sources() if one.type == "prometheus"]
        if sources:
            yield ok("data source", f"Grafana has {', '.join(sources)}")
        else:
            yield wrong(
                "data source",
                "Grafana has no data source for Prometheus",
                "`modelmeter dashboard push --prometheus URL` makes one",
            )
        if grafana.has_dashboard(DASHBOARD_UID):
            yield ok("dashboard", f"is at {grafana.url}/d/{DASHBOARD_UID}")
        else:
            yield wrong(
                "dashboard", "Grafana does not have it", "`modelmeter dashboard push` puts it there"
            )
    except UpstreamError as error:
        yield wrong("grafana", str(error), "look at --grafana and the token")


def _prices(today: date) -> Finding:
    newest = newest_price_on(today)
    days = (today - newest).days
    if days > PRICES_DAYS_MAX:
        return warning(
            "prices",
            f"the newest price known is of {newest}, {days} days ago",
            "update modelmeter and genai-prices, then `modelmeter reprice`",
        )
    return ok("prices", f"the newest price known is of {newest}")
