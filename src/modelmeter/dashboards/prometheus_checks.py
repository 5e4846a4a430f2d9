"""Looks at a Prometheus: does it scrape the gateway, does it have the data and the rules."""

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from modelmeter.dashboards.finding import Finding, ok, warning, wrong
from modelmeter.dashboards.gateway_checks import GatewayState
from modelmeter.dashboards.more_queries import MORE_QUERIES
from modelmeter.dashboards.promql import RANGE, RATE, VARIABLES
from modelmeter.dashboards.queries import QUERIES
from modelmeter.dashboards.web_pages import WebPages
from modelmeter.errors import UpstreamError
from modelmeter.metrics.names import LEDGER_INFO

__all__ = ["check_prometheus"]

CLOCK_SECONDS_MAX: Final = 5
"""By how much clocks may differ before marks and ranges are visibly wrong."""

_JOB: Final = "modelmeter"
_RULES: Final = "modelmeter-gateway"
_DURATION: Final = re.compile(r"(\d+)(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}

Target = Mapping[str, Any]


def check_prometheus(
    prometheus: WebPages, gateway: WebPages, state: GatewayState
) -> Iterator[Finding]:
    """Its target, its data, the dashboard's queries, its rules, its clock."""
    try:
        found = _targets(prometheus, gateway.place)
        ours = found if state.ledger_id is None else _of_ledger(prometheus, found, state.ledger_id)
        yield _target(found, ours, gateway)
        if ours:
            yield from _interval(ours[0], state)
            yield _data(prometheus, ours[0], state)
        yield _queries(prometheus)
        yield _rules(prometheus)
        yield _clock(prometheus)
    except UpstreamError as error:
        yield wrong("prometheus", str(error), "start it, or give --prometheus")


def _targets(prometheus: WebPages, place: str) -> list[Target]:
    """Those of the job by its name; without it those at the gateway's address."""
    active = prometheus.prometheus("targets", state="active").get("activeTargets", [])
    found = [target for target in active if target.get("labels", {}).get("job") == _JOB]
    return found or [target for target in active if f"//{place}/" in target.get("scrapeUrl", "")]


def _of_ledger(prometheus: WebPages, found: Sequence[Target], ledger_id: str) -> list[Target]:
    """Those whose metrics come from this ledger: at their address may be another gateway."""
    query = f"{LEDGER_INFO.name}{{ledger_id={json.dumps(ledger_id)}}}"
    samples = prometheus.prometheus("query", query=query)["result"]
    places = {_place(sample["metric"]) for sample in samples}
    return [target for target in found if _place(target.get("labels", {})) in places]


def _place(labels: Mapping[str, str]) -> tuple[str, str]:
    return labels.get("job", ""), labels.get("instance", "")


def _target(found: Sequence[Target], ours: Sequence[Target], gateway: WebPages) -> Finding:
    if not found:
        return wrong(
            "target",
            f"Prometheus has no job {_JOB} and none that scrapes {gateway.place}",
            "add the job of deploy/prometheus.yml",
        )
    for target in found:
        if target.get("health") != "up":
            return wrong(
                "target",
                f"{target.get('scrapeUrl')} is {target.get('health')}: {target.get('lastError')}",
                "see docs/runbooks/no_data_showing.md",
            )
    if not ours:
        return wrong(
            "target",
            f"Prometheus scrapes {found[0].get('scrapeUrl')}, which shows another ledger than "
            f"{gateway.url}",
            "have it scrape this gateway, or give --gateway; after a start wait for a scrape",
        )
    return ok("target", f"{len(found)} up: {ours[0].get('scrapeUrl')}")


def _interval(target: Target, state: GatewayState) -> Iterator[Finding]:
    told, reckoned = _duration(target.get("scrapeInterval", "")), state.scrape_interval_seconds
    if told is not None and reckoned is not None and told != reckoned:
        yield warning(
            "interval",
            f"Prometheus scrapes every {told:g} s, the gateway reckons with {reckoned:g} s",
            "set scrape_interval_seconds to Prometheus' interval, so that first calls are counted",
        )


def _data(prometheus: WebPages, target: Target, state: GatewayState) -> Finding:
    """What Prometheus has of the target; of each gateway on a ledger that is the same."""
    job, instance = (json.dumps(label) for label in _place(target.get("labels", {})))
    query = f"sum(llm_requests_total{{job={job}, instance={instance}}})"
    answer = prometheus.prometheus("query", query=query)["result"]
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
