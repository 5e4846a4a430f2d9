"""The rows beyond the thirteen panels: budgets and limits, cost and cache, the gateway itself."""

from typing import Final

from modelmeter.metrics.panels import LATENCY_QUANTILES, Panel, Threshold

__all__ = ["BUDGETS", "COST_AND_CACHE", "GATEWAY", "MORE_PANELS"]

BUDGETS: Final = "Budgets and Limits"
COST_AND_CACHE: Final = "Cost and Cache in Detail"
GATEWAY: Final = "The Gateway Itself"

MORE_PANELS: Final = (
    Panel(
        key="budget_use",
        title="Budget Use",
        description="How much of each budget's limit its running window has spent.",
        metrics=("llm_budget_spent_usd", "llm_budget_limit_usd"),
        unit="percent",
        chart="gauges",
        group=BUDGETS,
        split_by=("budget",),
        thresholds=(
            Threshold(None, "good", "below half of the limit"),
            Threshold(50, "notice", "50 % of the limit is spent"),
            Threshold(80, "warning", "80 % of the limit is spent"),
            Threshold(100, "critical", "the limit is spent"),
        ),
        idle="no budgets",
    ),
    Panel(
        key="budget_amounts",
        title="Budgets in USD",
        description="Each budget's limit, what its window spent, what calls under way have "
        "reserved, what is left, and what the window will have spent at its end if it goes on like "
        "this (nothing for windows that are young or roll).",
        metrics=(
            "llm_budget_limit_usd",
            "llm_budget_spent_usd",
            "llm_budget_reserved_usd",
            "llm_budget_forecast_usd",
        ),
        unit="usd",
        chart="table",
        group=BUDGETS,
        split_by=("budget",),
        lines=("Limit", "Spent", "Reserved", "Left", "Forecast"),
        idle="no budgets",
    ),
    Panel(
        key="budget_blocked",
        title="Calls Blocked by Budgets",
        description="Calls a second that a budget refused.",
        metrics=("llm_budget_blocked_total",),
        unit="calls_per_second",
        chart="lines",
        group=BUDGETS,
        split_by=("budget",),
    ),
    Panel(
        key="throttled",
        title="Throttled Calls",
        description="Calls a second that a throttle refused, by agent.",
        metrics=("llm_throttled_total",),
        unit="calls_per_second",
        chart="lines",
        group=BUDGETS,
        split_by=("agent_id",),
    ),
    Panel(
        key="circuits",
        title="Open Circuits",
        description="1 while a provider's circuit is open: calls go elsewhere or are refused at "
        "once, until the provider answers again.",
        metrics=("llm_circuit_open",),
        unit="calls",
        chart="lines",
        group=BUDGETS,
        split_by=("provider",),
    ),
    Panel(
        key="cache_savings",
        title="Saved by the Cache (24h)",
        description="What the calls of the last 24 hours that the response cache answered would "
        "have cost.",
        metrics=("llm_cache_savings_total",),
        unit="usd",
        chart="stat",
        group=COST_AND_CACHE,
    ),
    Panel(
        key="unpriced",
        title="Unpriced Calls",
        description="Calls of the chosen range whose price nobody knows. Their cost stands at 0 "
        "until they are priced again.",
        metrics=("llm_unpriced_requests_total",),
        unit="calls",
        chart="stat",
        group=COST_AND_CACHE,
        thresholds=(
            Threshold(None, "good", "every call has a price"),
            Threshold(0.5, "warning", "costs are incomplete"),
        ),
    ),
    Panel(
        key="overstated",
        title="Cost Overstated",
        description="By how much the cost stands above the truth: a counter never falls, so what "
        "calls were priced too high by stands here until later costs have made up for it.",
        metrics=("llm_cost_overstated_usd",),
        unit="usd",
        chart="stat",
        group=COST_AND_CACHE,
    ),
    Panel(
        key="tokens_by_type",
        title="Token Usage by Type",
        description="Tokens a second by type: what was read from a provider's prompt cache costs "
        "less than input, reasoning costs as much as output.",
        metrics=("llm_tokens_used_total",),
        unit="tokens_per_second",
        chart="stacked",
        group=COST_AND_CACHE,
        split_by=("token_type",),
    ),
    Panel(
        key="first_token",
        title="Time to First Token",
        description="Time from a request to the first bytes of a streamed answer.",
        metrics=("llm_time_to_first_token_seconds",),
        unit="seconds",
        chart="lines",
        group=COST_AND_CACHE,
        lines=tuple(LATENCY_QUANTILES),
        idle="no traffic",
    ),
    Panel(
        key="cache_size",
        title="Cache Size",
        description="Answers in the response cache, by tenant.",
        metrics=("llm_cache_size",),
        unit="calls",
        chart="lines",
        group=COST_AND_CACHE,
        split_by=("tenant_id",),
    ),
    Panel(
        key="gateways",
        title="Gateways",
        description="Gateways that Prometheus scrapes at this moment.",
        metrics=("modelmeter_build_info",),
        unit="calls",
        chart="stat",
        group=GATEWAY,
        thresholds=(
            Threshold(None, "critical", "no gateway is scraped"),
            Threshold(1, "good", "at least one gateway is scraped"),
        ),
    ),
    Panel(
        key="ledger_failures",
        title="Ledger Failures",
        description="Transactions of the chosen range that the ledger could not commit. No call "
        "is made whose record could not be kept.",
        metrics=("modelmeter_ledger_failures_total",),
        unit="calls",
        chart="stat",
        group=GATEWAY,
        thresholds=(
            Threshold(None, "good", "every transaction was committed"),
            Threshold(0.5, "critical", "the ledger's disk needs a look"),
        ),
    ),
    Panel(
        key="budget_drift",
        title="Budget Drift",
        description="By how much a budget differs from the entries and holds that it stands for, "
        "in its unit. Anything but 0 is a fault of modelmeter.",
        metrics=("modelmeter_budget_drift",),
        unit="calls",
        chart="stat",
        group=GATEWAY,
        thresholds=(
            Threshold(None, "good", "every budget is what its entries say"),
            Threshold(1e-12, "critical", "a budget is not what its entries say"),
        ),
    ),
    Panel(
        key="overhead",
        title="Delay by the Gateway",
        description="Delay that the gateway itself put in front of the provider.",
        metrics=("llm_gateway_overhead_seconds",),
        unit="seconds",
        chart="lines",
        group=GATEWAY,
        lines=tuple(LATENCY_QUANTILES),
        idle="no traffic",
    ),
    Panel(
        key="ledger_queue",
        title="Writes Waiting for the Ledger",
        description="Writes that wait for the ledger's next transaction.",
        metrics=("modelmeter_ledger_queue_length",),
        unit="calls",
        chart="lines",
        group=GATEWAY,
        lines=("waiting",),
    ),
    Panel(
        key="refused",
        title="Refused Requests",
        description="Requests a second that the gateway refused before any provider saw them, by "
        "error code.",
        metrics=("modelmeter_refused_requests_total",),
        unit="calls_per_second",
        chart="lines",
        group=GATEWAY,
        split_by=("code",),
    ),
)
