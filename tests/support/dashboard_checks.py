"""Holds what a real Prometheus answers to the dashboard's queries against the ledger."""

import json
import math
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from dashboard_queries import Json, Target, expand, targets
from dashboard_truth import QUANTILES, TRUTHS, Entry, Values, matching
from ledger_file import query
from prometheus_server import PrometheusServer

from modelmeter.dashboards.dashboard import dashboard_json
from modelmeter.metrics.panels import LATENCY_QUANTILES

__all__ = [
    "BUDGET_PANELS",
    "CHOICES",
    "DASHBOARD",
    "SCRAPE_SECONDS",
    "TARGETS",
    "TOLERANCE",
    "VERSION",
    "WINDOW_SECONDS",
    "check_deployments",
    "check_every_target_answers",
    "check_no_traffic_is_said",
    "check_panels",
    "check_the_readmes_queries",
    "check_variables",
    "run",
    "shown",
]

SCRAPE_SECONDS = 0.5
WINDOW_SECONDS = 600
"""Longer than the whole run: a rate over it times it is the number of calls."""
TOLERANCE = 0.03
VERSION = "2026.11"

DASHBOARD: Json = json.loads(json.dumps(dashboard_json()))
TARGETS = targets(DASHBOARD)
BUDGET_PANELS = {"Budget Use", "Budgets in USD"}
"""Panels that say "no budgets" where there are none."""
IDLE_WORDS = {"Cache Hit Rate", "Request Success Rate"}
"""Panels that have no number at all without traffic: their words stand there instead."""

CHOICES: tuple[dict[str, Sequence[str]], ...] = (
    {},
    {"agent_id": ["meetmind.coordinator"]},
    {"agent_id": ["supportbot.triage", "research.coder", "finpilot.risk"]},
    {"model": ["gpt-4o"]},
    {"model": ["us.amazon.nova-pro-v1:0", "gemini-2.5-flash"]},
    {"provider": ["bedrock"]},
    {"provider": ["openai", "genai"]},
    {"agent_id": ["research.reader", "research.coder"], "provider": ["genai"]},
)
"""Of each variable: All, one value, several; and two variables at once."""


def shown(results: Sequence[Mapping[str, Any]], names: Sequence[str] = ()) -> Values:
    """The values of an instant query by the given labels, or by all that a result has."""
    found: Values = {}
    for result in results:
        labels, (_, text) = result["metric"], result["value"]
        key = tuple(labels.get(name, "") for name in names) if names else tuple(labels.values())
        found[key] = float(text)
    assert len(found) == len(results)
    return found


def run(
    prometheus: PrometheusServer,
    target: Target,
    chosen: Mapping[str, Sequence[str]],
    *,
    rate_seconds: float | None = None,
) -> Values:
    """A target's values now, as Grafana would ask for them."""
    expr = expand(
        target,
        chosen,
        range_seconds=WINDOW_SECONDS,
        scrape_seconds=SCRAPE_SECONDS,
        rate_seconds=rate_seconds,
    )
    names = {
        "Error Rate by Provider": ("provider", "error_type"),
    }.get(target.panel, ())
    found = shown(prometheus.query(expr), names)
    assert not any(math.isnan(value) for value in found.values()), (target.panel, expr)
    return found


def check_every_target_answers(prometheus: PrometheusServer, *, traffic: bool) -> None:
    """With the intervals that Grafana would use, none is empty that should not be, none is NaN."""
    now = time.time()
    for target in TARGETS:
        if target.panel in BUDGET_PANELS:
            continue
        found = run(prometheus, target, {}, rate_seconds=4 * SCRAPE_SECONDS)
        quantile = target.legend in LATENCY_QUANTILES
        if not (quantile or target.panel in IDLE_WORDS or target.legend == "no traffic"):
            assert found, target
            assert traffic or target.panel in STILL_COUNTED or not any(found.values()), target
        if not target.instant:
            expr = expand(target, {}, range_seconds=WINDOW_SECONDS, scrape_seconds=SCRAPE_SECONDS)
            lines = prometheus.query_range(expr, start=now - 30, end=now, step=SCRAPE_SECONDS)
            values = [float(value) for line in lines for _, value in line["values"]]
            assert all(math.isfinite(value) for value in values), expr


STILL_COUNTED = {
    "Total Cost (24h)",
    "Cost per Team",
    "Cost Breakdown by Model",
    "Unpriced Calls",
    "Saved by the Cache (24h)",
    "Cache Size",
    "Open Circuits",
    "Gateways",
}
"""Panels over the whole range, which have a number also when there is no traffic now."""


def check_no_traffic_is_said(prometheus: PrometheusServer) -> None:
    """Shares and quantiles have no number without traffic, and quantiles say so with a line."""
    for target in TARGETS:
        found = run(prometheus, target, {}, rate_seconds=4 * SCRAPE_SECONDS)
        if target.panel in IDLE_WORDS or target.legend in LATENCY_QUANTILES:
            assert found == {}, target
        if target.legend == "no traffic":
            assert found == {(): 0.0}, target


def check_panels(prometheus: PrometheusServer, found: Sequence[Entry]) -> None:
    """Each panel, for each choice of the variables, against the ledger."""
    for chosen in CHOICES:
        for panel, (truth, labels) in TRUTHS.items():
            expected = truth(matching(found, chosen, labels))
            actual = panel_values(prometheus, panel, chosen)

            assert set(actual) == set(expected), (panel, chosen, set(actual) ^ set(expected))
            for key, value in expected.items():
                assert actual[key] == pytest.approx(value, rel=TOLERANCE), (panel, chosen, key)
        check_quantiles(
            prometheus, chosen, matching(found, chosen, ("agent_id", "model", "provider"))
        )


def panel_values(
    prometheus: PrometheusServer, panel: str, chosen: Mapping[str, Sequence[str]]
) -> Values:
    """What a panel shows; rates are turned into the calls or tokens that they stand for."""
    actual: Values = {}
    for target in TARGETS:
        if target.panel != panel:
            continue
        found = run(prometheus, target, chosen, rate_seconds=WINDOW_SECONDS)
        is_rate = "rate(" in target.expr and "100 *" not in target.expr
        scale = WINDOW_SECONDS if is_rate else 1
        if panel == "Cache Performance":
            (value,) = found.values()
            found = {(target.legend,): value}
        actual |= {key: value * scale for key, value in found.items()}
    return {
        key: value
        for key, value in actual.items()
        if key not in (("no traffic",), ("no errors", ""))
    }


def check_quantiles(
    prometheus: PrometheusServer, chosen: Mapping[str, Sequence[str]], found: Sequence[Entry]
) -> None:
    """The panels of quantiles; where nothing was observed they have none."""
    for target in TARGETS:
        if target.panel in QUANTILES and target.legend in LATENCY_QUANTILES:
            observed, edges = QUANTILES[target.panel]
            values = run(prometheus, target, chosen, rate_seconds=WINDOW_SECONDS).values()
            seconds = observed(found)

            assert len(values) == bool(seconds), (target.panel, chosen)
            for value in values:
                check_quantile(value, LATENCY_QUANTILES[target.legend], seconds, edges)


def check_quantile(
    value: float, share: float, seconds: Sequence[float], edges: Sequence[float]
) -> None:
    """A quantile is right to one bucket of the histogram."""
    bounds = (0.0, *edges, math.inf)
    true = seconds[min(int(share * len(seconds)), len(seconds) - 1)]
    bucket = bisect_left(bounds, true)

    assert bounds[max(bucket - 2, 0)] <= value <= bounds[min(bucket + 1, len(bounds) - 1)]


def check_variables(prometheus: PrometheusServer, found: Sequence[Entry]) -> None:
    """A variable offers what the ledger holds; the models are those of the chosen agents."""
    for variable in DASHBOARD["templating"]["list"][1:]:
        name = variable["name"]
        selector, _, label = variable["query"]["query"][len("label_values(") : -1].rpartition(", ")
        target = msgspec.structs.replace(TARGETS[0], expr=selector, min_step="")
        for chosen in ({}, {"agent_id": ["supportbot.triage"]}):
            expr = expand(target, chosen, range_seconds=600, scrape_seconds=SCRAPE_SECONDS)
            applied = chosen if name == "model" else {}
            expected = {getattr(e, name) for e in matching(found, applied, ("agent_id",))}

            assert label == name
            assert set(prometheus.label_values(label, expr)) == expected


def check_deployments(prometheus: PrometheusServer, ledger: Path) -> None:
    """A deployment stands at the time that the ledger says, in milliseconds."""
    (annotation,) = [a for a in DASHBOARD["annotations"]["list"] if a["name"] == "Deployments"]
    ((whole, pico),) = query(ledger, "SELECT whole, pico FROM series WHERE kind = 'deployment'")
    assert isinstance(whole, int)
    assert isinstance(pico, int)

    now = time.time()
    (line,) = prometheus.query_range(annotation["expr"], start=now - 10, end=now, step=5)

    assert line["metric"] == {"version": VERSION}
    for _, value in line["values"]:
        assert float(value) == pytest.approx(whole * 1000 + pico / 10**9, abs=1)
    assert abs(whole - now) < WINDOW_SECONDS


def check_the_readmes_queries(prometheus: PrometheusServer, found: Sequence[Entry]) -> None:
    """The four queries that the README gives, word by word."""
    readme = (Path(__file__).parents[2] / "src/modelmeter/dashboards/README.md").read_text()
    block = readme.partition("```promql\n")[2].partition("```")[0]
    cost, hits, errors, latency = block.strip().split("\n\n")

    by_agent = shown(prometheus.query(cost))
    by_error = shown(prometheus.query(errors), ("provider", "error_type"))
    expected_cost = {
        (agent,): sum(e.cost_pico_usd for e in found if e.agent_id == agent) / 10**12
        for agent in {entry.agent_id for entry in found}
    }

    assert by_agent == pytest.approx(expected_cost, rel=TOLERANCE)
    assert prometheus.value(hits) == pytest.approx(
        TRUTHS["Cache Hit Rate"][0](found)[()], rel=TOLERANCE
    )
    assert {key: value * 300 for key, value in by_error.items()} == pytest.approx(
        TRUTHS["Error Rate by Provider"][0](found), rel=TOLERANCE
    )
    p99 = prometheus.value(latency)
    assert p99 is not None
    observed, edges = QUANTILES["Request Latency Distribution"]
    check_quantile(p99, 0.99, observed(found), edges)
