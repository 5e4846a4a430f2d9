"""Holds what Prometheus says of budgets, refusals and rules against the ledger."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from dashboard_checks import (
    BUDGET_PANELS,
    DASHBOARD,
    TARGETS,
    TOLERANCE,
    WINDOW_SECONDS,
    run,
    shown,
)
from dashboard_truth import TRUTHS, Entry
from prometheus_server import PrometheusServer

__all__ = [
    "check_budget_alerts",
    "check_budgets",
    "check_no_budgets_is_said",
    "check_refusals",
    "check_rules",
]


def check_no_budgets_is_said(prometheus: PrometheusServer) -> None:
    """Where no budget is configured, panels of budgets have no number."""
    for target in TARGETS:
        if target.panel in BUDGET_PANELS:
            assert run(prometheus, target, {}) == {}, target


def check_budgets(
    prometheus: PrometheusServer, found: Sequence[Entry], limits: Mapping[str, float]
) -> None:
    """Budgets over everything, and over agents: what they spent is what the entries cost."""
    for budget, limit in limits.items():
        agent = budget.removeprefix("only-")
        spent = sum(
            entry.cost_pico_usd for entry in found if entry.agent_id == agent or budget == agent
        )
        usd = spent / 10**12
        *amounts, forecast = [
            run(prometheus, target, {}).get((budget,))
            for target in TARGETS
            if target.panel == "Budgets in USD"
        ]
        (use,) = [target for target in TARGETS if target.panel == "Budget Use"]

        assert amounts == pytest.approx([limit, usd, 0, limit - usd], rel=1e-9, abs=1e-12)
        assert forecast is None, "its window rolls"
        assert run(prometheus, use, {})[budget,] == pytest.approx(100 * usd / limit, rel=1e-9)


def check_refusals(prometheus: PrometheusServer, found: Sequence[Entry]) -> None:
    """What budgets and throttles refused is what the entries say."""
    for panel, error_type in (
        ("Calls Blocked by Budgets", "budget_exceeded"),
        ("Throttled Calls", "throttled"),
    ):
        (target,) = [target for target in TARGETS if target.panel == panel]
        refused = [entry for entry in found if entry.error_type == error_type]
        rates = run(prometheus, target, {}, rate_seconds=WINDOW_SECONDS)

        assert refused
        assert sum(rates.values()) * WINDOW_SECONDS == pytest.approx(len(refused), rel=TOLERANCE)


def check_rules(prometheus: PrometheusServer, found: Sequence[Entry]) -> None:
    """Every rule runs, and what is recorded of calls is what the entries say."""
    unhealthy = [rule["name"] for rule in prometheus.rules() if rule["health"] != "ok"]
    counted = [e for e in found if e.status in ("success", "error", "timeout", "unknown")]
    calls = Counter((entry.provider,) for entry in counted)
    recorded = shown(prometheus.query("provider:llm_requests:rate5m * 300"))
    error_percent = TRUTHS["Error Rate"][0](found)[()]

    assert unhealthy == []
    assert recorded == pytest.approx(dict(calls), rel=TOLERANCE)
    assert prometheus.value("100 * platform:llm_requests_failed:ratio_rate5m") == pytest.approx(
        error_percent, rel=TOLERANCE
    )
    assert prometheus.value("100 * platform:llm_cache_hits:ratio_rate15m") == pytest.approx(
        TRUTHS["Cache Hit Rate"][0](found)[()], rel=TOLERANCE
    )


def check_budget_alerts(prometheus: PrometheusServer, budget: str) -> None:
    """The mark of a spent budget, by the shipped rules."""
    (annotation,) = [a for a in DASHBOARD["annotations"]["list"] if a["name"] == "Budget Alerts"]

    now = time.time()
    lines = prometheus.query_range(annotation["expr"], start=now - 10, end=now, step=1)

    marks = [line["metric"] for line in lines]
    assert {"alertname": "LLMBudgetSpent", "budget": budget, "threshold": "100%"} in marks

    # Without the rules, the query's second half speaks.
    fallback = annotation["expr"].partition(" or on (budget) ")[2]
    lines = prometheus.query_range(fallback, start=now - 10, end=now, step=1)

    marks = [line["metric"] for line in lines]
    assert marks == [{"alertname": "LLMBudgetSpent", "budget": budget, "threshold": "50%"}]
    assert all(float(value) >= 0.5 for line in lines for _, value in line["values"])
