"""
The thirteen panels of the LLM Usage Dashboard: what each shows, in which unit, and what is good.

The Grafana dashboard and the page of the gateway are both made from this table, so their titles,
units, thresholds and words are the same. How a panel gets its numbers is not said here: Grafana
asks Prometheus, the page asks the ledger.
"""

from typing import Final, Literal

import msgspec

from modelmeter.record import FAILED_STATUSES, Status

__all__ = [
    "CACHE_HIT_RATE_AIM_PERCENT",
    "COUNTED_STATUSES",
    "DAILY_COST_USD",
    "DETAILED",
    "ERROR_RATE_MAX_PERCENT",
    "LATENCY_P99_MAX_SECONDS",
    "LATENCY_QUANTILES",
    "OVERVIEW",
    "PANELS",
    "Chart",
    "Level",
    "Panel",
    "Threshold",
    "Unit",
    "cost_thresholds",
]

Chart = Literal["stat", "lines", "stacked", "pie", "bars", "gauges", "table"]
"""
One number; lines over time; stacked areas over time; shares of a whole; one bar a name; one bar
a name that fills towards 100; rows of numbers.
"""
Unit = Literal["calls_per_second", "tokens_per_second", "calls", "usd", "percent", "seconds"]
Level = Literal["good", "notice", "warning", "critical"]
"""Shown as green, yellow, orange and red."""

OVERVIEW: Final = "Overview"
DETAILED: Final = "Detailed Metrics"

COUNTED_STATUSES: Final = (Status.SUCCESS, *FAILED_STATUSES)
"""
What error rate and success rate are shares of. A caller who left and a call that a budget or a
throttle refused are neither a success nor a failure.
"""

ERROR_RATE_MAX_PERCENT: Final = 1
CACHE_HIT_RATE_AIM_PERCENT: Final = 30
LATENCY_P99_MAX_SECONDS: Final = 10
LATENCY_QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
DAILY_COST_USD: Final = 100
"""The day's cost that the dashboard takes for the limit unless told another."""

_NOTICE_PERCENT = 50
_WARNING_PERCENT = 80


class Threshold(msgspec.Struct, frozen=True):
    """From ``at`` on, up to the next threshold, a value is of this level."""

    at: float | None
    """In the panel's unit; None: from the lowest value on."""
    level: Level
    meaning: str


class Panel(msgspec.Struct, frozen=True):
    """One panel, whoever draws it."""

    key: str
    title: str
    description: str
    metrics: tuple[str, ...]
    """The metrics it is about, as Prometheus names them."""
    unit: Unit
    chart: Chart
    group: str
    split_by: tuple[str, ...] = ()
    """The labels that tell its lines, slices or bars apart."""
    lines: tuple[str, ...] = ()
    """The names of its lines where no label tells them apart."""
    thresholds: tuple[Threshold, ...] = ()
    """In rising order; the first has no ``at``."""
    idle: Literal["zero", "no traffic", "no budgets"] = "zero"
    """What stands there without any call: a 0 that is true, or words where a number would lie."""


def cost_thresholds(daily_usd: float) -> tuple[Threshold, ...]:
    """Levels of a day's cost at 50, 80 and 100 % of a limit in USD."""
    notice, warning = daily_usd * _NOTICE_PERCENT / 100, daily_usd * _WARNING_PERCENT / 100
    return (
        Threshold(None, "good", "below half of the day's limit"),
        Threshold(notice, "notice", f"{_NOTICE_PERCENT} % of the day's limit is spent"),
        Threshold(warning, "warning", f"{_WARNING_PERCENT} % of the day's limit is spent"),
        Threshold(daily_usd, "critical", "the day's limit is spent"),
    )


_OVERVIEW_PANELS = (
    Panel(
        key="total_requests",
        title="Total LLM Requests",
        description="Calls that ended, a second, of all agents together.",
        metrics=("llm_requests_total",),
        unit="calls_per_second",
        chart="stat",
        group=OVERVIEW,
    ),
    Panel(
        key="total_cost",
        title="Total Cost (24h)",
        description="What the calls of the last 24 hours cost. The colours are at 50, 80 and 100 % "
        "of a day's limit.",
        metrics=("llm_cost_total",),
        unit="usd",
        chart="stat",
        group=OVERVIEW,
        thresholds=cost_thresholds(DAILY_COST_USD),
    ),
    Panel(
        key="cache_hit_rate",
        title="Cache Hit Rate",
        description="Share of calls that were answered from the response cache. Aim for more than "
        f"{CACHE_HIT_RATE_AIM_PERCENT} %.",
        metrics=("llm_cache_hits_total", "llm_cache_misses_total"),
        unit="percent",
        chart="stat",
        group=OVERVIEW,
        thresholds=(
            Threshold(None, "warning", "below the aim: look at the cache's TTL and size"),
            Threshold(CACHE_HIT_RATE_AIM_PERCENT, "good", "the aim is reached"),
        ),
        idle="no traffic",
    ),
    Panel(
        key="error_rate",
        title="Error Rate",
        description="Share of calls that failed: errors, timeouts and lost outcomes. Callers who "
        "left and calls refused by a budget or throttle do not count. 0 without traffic.",
        metrics=("llm_requests_total",),
        unit="percent",
        chart="stat",
        group=OVERVIEW,
        thresholds=(
            Threshold(None, "good", "hardly any call fails"),
            Threshold(ERROR_RATE_MAX_PERCENT / 2, "notice", "half of the alert's bound"),
            Threshold(ERROR_RATE_MAX_PERCENT, "critical", "above this the alert fires"),
        ),
    ),
)

_DETAILED_PANELS = (
    Panel(
        key="requests_per_agent",
        title="Requests per Agent",
        description="Calls that ended, a second, of each agent.",
        metrics=("llm_requests_total",),
        unit="calls_per_second",
        chart="lines",
        group=DETAILED,
        split_by=("agent_id",),
    ),
    Panel(
        key="cost_per_team",
        title="Cost per Team",
        description="What each team's calls cost in the chosen range. An agent's team is the one "
        "it called with; agents without a team are shown as unassigned.",
        metrics=("llm_cost_total", "llm_agent_info"),
        unit="usd",
        chart="pie",
        group=DETAILED,
        split_by=("team",),
    ),
    Panel(
        key="request_latency",
        title="Request Latency Distribution",
        description="Time from a request to the end of its answer: half of the calls (p50), 90 % "
        f"(p90) and 99 % (p99) took at most this long. The alert's bound is p99 above "
        f"{LATENCY_P99_MAX_SECONDS} s.",
        metrics=("llm_request_duration_seconds",),
        unit="seconds",
        chart="lines",
        group=DETAILED,
        lines=tuple(LATENCY_QUANTILES),
        thresholds=(
            Threshold(None, "good", "within the alert's bound"),
            Threshold(LATENCY_P99_MAX_SECONDS, "critical", "a p99 above this fires the alert"),
        ),
        idle="no traffic",
    ),
    Panel(
        key="token_usage",
        title="Token Usage by Model",
        description="Tokens of each model, a second, of all types: input, output, cached, "
        "reasoning. Each token is in exactly one type.",
        metrics=("llm_tokens_used_total",),
        unit="tokens_per_second",
        chart="stacked",
        group=DETAILED,
        split_by=("model",),
    ),
    Panel(
        key="cache_performance",
        title="Cache Performance",
        description="Calls a second that the response cache answered (hits), and that it did not "
        "(misses).",
        metrics=("llm_cache_hits_total", "llm_cache_misses_total"),
        unit="calls_per_second",
        chart="lines",
        group=DETAILED,
        lines=("hits", "misses"),
    ),
    Panel(
        key="errors_by_provider",
        title="Error Rate by Provider",
        description="Calls a second that did not succeed, by provider and by why. Callers who "
        "left (cancelled), refused calls and lost outcomes (unknown) are shown too.",
        metrics=("llm_errors_total",),
        unit="calls_per_second",
        chart="lines",
        group=DETAILED,
        split_by=("provider", "error_type"),
    ),
    Panel(
        key="cost_by_model",
        title="Cost Breakdown by Model",
        description="What each model's calls cost in the chosen range.",
        metrics=("llm_cost_total",),
        unit="usd",
        chart="bars",
        group=DETAILED,
        split_by=("model",),
    ),
    Panel(
        key="active_requests",
        title="Active Requests",
        description="Calls under way at this moment, by provider.",
        metrics=("llm_active_requests",),
        unit="calls",
        chart="lines",
        group=DETAILED,
        split_by=("provider",),
    ),
    Panel(
        key="success_rate",
        title="Request Success Rate",
        description="Share of calls that succeeded: 100 % less the error rate.",
        metrics=("llm_requests_total",),
        unit="percent",
        chart="stat",
        group=DETAILED,
        thresholds=(
            Threshold(None, "critical", "the alert on the error rate fires"),
            Threshold(100 - ERROR_RATE_MAX_PERCENT, "notice", "above half of the alert's bound"),
            Threshold(100 - ERROR_RATE_MAX_PERCENT / 2, "good", "hardly any call fails"),
        ),
        idle="no traffic",
    ),
)

PANELS: Final = (*_OVERVIEW_PANELS, *_DETAILED_PANELS)
"""In the order they are shown."""
