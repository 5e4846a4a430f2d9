"""Looks at a Prometheus: does it scrape the gateway, does it have the data and the rules."""

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from modelmeter.dashboards.finding import Finding, ok, warning, wrong
from modelmeter.dashboards.gateway_checks import GatewayState
from modelmeter.dashboards.more_queries import MORE_QUERIES
from modelmeter.dashboards.promql import RANGE, RATE, VARIABLES
from modelmeter.dashboards.queries import QUERIES
from modelmeter.dashboards.web_pages import WebPages
from modelmeter.errors import UpstreamError

__all__ = ["check_prometheus"]

CLOCK_SECONDS_MAX: Final = 5
"""By how much clocks may differ before marks and ranges are visibly wrong."""

_JOB: Final = "modelmeter"
_RULES: Final = "modelmeter-gateway"
_DURATION: Final = re.compile(r"(\d+)(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def check_prometheus(
    prometheus: WebPages,
    gateway: WebPages,
    state: GatewayState,
    *,
    scrape_interval_seconds: float,
) -> Iterator[Finding]:
    """Its target, its data, the dashboard's queries, its rules, its clock."""
    try:
        targets = prometheus.prometheus("targets", state="active")
        yield from _target(targets, gateway.place, scrape_interval_seconds)
        yield _data(prometheus, state)
        yield _queries(prometheus)
        yield _rules(prometheus)
        yield _clock(prometheus)
    except UpstreamError as error:
        yield wrong("prometheus", str(error), "start it, or give --prometheus")


def _target(
    targets: Mapping[str, Any], place: str, scrape_interval_seconds: float
) -> Iterator[Finding]:
    active = targets.get("activeTargets", [])
    found = [target for target in active if target.get("labels", {}).get("job") == _JOB]
    found = found or [target for target in active if f"//{place}/" in target.get("scrapeUrl", "")]
    if not found:
        yield wrong(
            "target",
            f"Prometheus has no job {_JOB} and none that scrapes {place}",
            "add the job of deploy/prometheus.yml",
        )
        return
    down = [target for target in found if target.get("health") != "up"]
    if down:
        yield wrong(
            "target",
            f"{down[0].get('scrapeUrl')} is {down[0].get('health')}: {down[0].get('lastError')}",
            "see docs/runbooks/no_data_showing.md",
        )
    else:
        yield ok("target", f"{len(found)} up: {found[0].get('scrapeUrl')}")
    told = _duration(found[0].get("scrapeInterval", ""))
    if told is not None and told != scrape_interval_seconds:
        yield warning(
            "interval",
            f"Prometheus scrapes every {told:g} s, the gateway reckons with "
            f"{scrape_interval_seconds:g} s",
            "set scrape_interval_seconds to Prometheus' interval, so that first calls are counted",
        )


def _data(prometheus: WebPages, state: GatewayState) -> Finding:
    answer = prometheus.prometheus("query", query="sum(llm_requests_total)")["result"]
    calls = int(float(answer[0]["value"][1])) if answer else 0
    if state.calls and not calls:
        return wrong(
            "data",
            f"the gateway shows {state.calls} calls, Prometheus none",
            "wait three scrape intervals; then look at the target",
        )
    return ok("data", f"{calls} calls in Prometheus")


def _queries(prometheus: WebPages) -> Finding:
    asked = answered = 0
    for queries in (QUERIES | MORE_QUERIES).values():
        for query in queries:
            result = prometheus.prometheus("query", query=_filled(query.expr))["result"]
            asked += 1
            answered += bool(result)
    return ok("queries", f"{asked} of the dashboard's queries run, {answered} return data")


def _filled(expr: str) -> str:
    expr = expr.replace(RATE, "5m").replace(RANGE, "1h")
    for variable in VARIABLES:
        expr = expr.replace(f'"${variable}"', '".*"')
    return expr


def _rules(prometheus: WebPages) -> Finding:
    groups = prometheus.prometheus("rules")["groups"]
    if not any(group["name"] == _RULES for group in groups):
        return warning(
            "rules",
            "Prometheus has no alert rules of modelmeter",
            "add `modelmeter dashboard rules` to its rule_files",
        )
    firing = [
        rule["name"]
        for group in groups
        for rule in group["rules"]
        if rule.get("state") == "firing" and rule["name"].startswith("LLM")
    ]
    return ok("rules", "loaded" + (f"; firing: {', '.join(sorted(set(firing)))}" if firing else ""))


def _clock(prometheus: WebPages) -> Finding:
    told = float(prometheus.prometheus("query", query="time()")["result"][1])
    apart = abs(told - time.time())
    if apart > CLOCK_SECONDS_MAX:
        return wrong(
            "clock",
            f"Prometheus' clock and this machine's differ by {apart:.0f} s",
            "set both by NTP",
        )
    return ok("clock", "agrees with Prometheus'")


def _duration(text: str) -> float | None:
    parts = _DURATION.findall(text)
    return sum(int(number) * _SECONDS[unit] for number, unit in parts) if parts else None
