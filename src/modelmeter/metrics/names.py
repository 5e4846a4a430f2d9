"""Every metric: its name, type, labels and help. Names and labels are promises to users."""

from typing import Literal

import msgspec

from modelmeter.ledger import series

__all__ = [
    "ACTIVE_REQUESTS",
    "BUDGET_DRIFT",
    "BUDGET_FORECAST",
    "BUDGET_LIMIT",
    "BUDGET_RESERVED",
    "BUDGET_SPENT",
    "BUILD_INFO",
    "CACHE_BYTES",
    "CACHE_FAILURES",
    "CACHE_SIZE",
    "CATALOGUE_FALLBACK",
    "CATALOGUE_TIMESTAMP",
    "CIRCUIT_OPEN",
    "COST_OVERSTATED",
    "LEDGER_COMMITS",
    "LEDGER_CONFLICTS",
    "LEDGER_FAILURES",
    "LEDGER_INFO",
    "LEDGER_QUEUE_LENGTH",
    "METRICS",
    "RECOVERED_CALLS",
    "REFUSED_REQUESTS",
    "SCRAPE_INTERVAL",
    "UNMETERED_CALLS",
    "VALUES_LEFT_OUT",
    "Metric",
    "ProcessSample",
]

MetricType = Literal["counter", "gauge", "histogram"]


class ProcessSample(msgspec.Struct, frozen=True):
    """A number of this process, read when the metrics are shown."""

    name: str
    type: MetricType
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


class Metric(msgspec.Struct, frozen=True):
    """One metric family and where its samples come from."""

    name: str
    """As Prometheus stores it: a counter ends in ``_total``."""
    type: MetricType
    labels: tuple[str, ...]
    help: str
    unit: str = ""
    kind: str = ""
    """The kind of series of a counter, gauge or info; of a histogram's buckets."""
    sum_kind: str = ""
    edges: tuple[float, ...] = ()
    """Upper edges of a histogram's buckets, without +Inf."""
    is_info: bool = False
    """Its samples are 1: that they exist is what they say."""
    corrected: bool = False
    """Corrections can take its true sum down; what is shown waits until the sum has passed it."""

    def sample(self, value: float, *labels: str) -> ProcessSample:
        """A number of this process; ``labels`` in the order of their names."""
        named = tuple(zip(self.labels, labels, strict=True))
        return ProcessSample(self.name, self.type, self.help, value, named)


_CALLER = ("agent_id", "model", "provider")

METRICS: tuple[Metric, ...] = (
    Metric(
        "llm_requests_total",
        "counter",
        (*_CALLER, "status"),
        "Calls that ended, by how they ended.",
        kind=series.REQUESTS,
    ),
    Metric(
        "llm_tokens_used_total",
        "counter",
        (*_CALLER, "token_type"),
        "Tokens, each in exactly one type.",
        kind=series.TOKENS,
    ),
    Metric(
        "llm_cache_hits_total",
        "counter",
        ("agent_id", "model"),
        "Calls answered from the response cache.",
        kind=series.CACHE_HITS,
    ),
    Metric(
        "llm_cache_misses_total",
        "counter",
        ("agent_id", "model"),
        "Calls not answered from the response cache, where caching is configured.",
        kind=series.CACHE_MISSES,
    ),
    Metric(
        "llm_errors_total",
        "counter",
        (*_CALLER, "error_type"),
        "Calls that did not succeed, of every status but success, by why.",
        kind=series.ERRORS,
    ),
    Metric(
        "llm_cost_total",
        "counter",
        _CALLER,
        "Cost of calls in USD.",
        kind=series.COST,
        corrected=True,
    ),
    Metric(
        "llm_request_duration_seconds",
        "histogram",
        _CALLER,
        "From the request to the end of the answer.",
        unit="seconds",
        kind=series.DURATION_BUCKET,
        sum_kind=series.DURATION_SUM,
        edges=series.DURATION_EDGES_SECONDS,
    ),
    Metric(
        "llm_time_to_first_token_seconds",
        "histogram",
        _CALLER,
        "From the request to the first bytes of a streamed answer.",
        unit="seconds",
        kind=series.FIRST_TOKEN_BUCKET,
        sum_kind=series.FIRST_TOKEN_SUM,
        edges=series.FIRST_TOKEN_EDGES_SECONDS,
    ),
    Metric(
        "llm_agent_info",
        "gauge",
        ("agent_id", "team"),
        "The team of an agent, to join with.",
        kind=series.AGENT_INFO,
        is_info=True,
    ),
    Metric(
        "llm_cache_savings_total",
        "counter",
        _CALLER,
        "What calls answered from the cache would have cost, in USD.",
        kind=series.CACHE_SAVINGS,
        corrected=True,
    ),
    Metric(
        "llm_cache_evictions_total",
        "counter",
        ("tenant_id",),
        "Answers that left the response cache to make room.",
        kind=series.CACHE_EVICTIONS,
    ),
    Metric(
        "llm_unpriced_requests_total",
        "counter",
        ("model", "provider"),
        "Calls whose price is not known; their cost stands at 0 until they are priced again.",
        kind=series.UNPRICED,
    ),
    Metric(
        "llm_repriced_requests_total",
        "counter",
        ("model", "provider"),
        "Calls that came without a known price and were given one later.",
        kind=series.REPRICED,
    ),
    Metric(
        "llm_gateway_overhead_seconds",
        "histogram",
        (),
        "Delay the gateway put in front of the upstream.",
        unit="seconds",
        kind=series.OVERHEAD_BUCKET,
        sum_kind=series.OVERHEAD_SUM,
        edges=series.OVERHEAD_EDGES_SECONDS,
    ),
    Metric(
        "llm_deployment_timestamp_seconds",
        "gauge",
        ("version",),
        "When a version was first started.",
        unit="seconds",
        kind=series.DEPLOYMENT,
    ),
    Metric(
        "modelmeter_relayed_requests_total",
        "counter",
        ("provider", "status_class"),
        "Requests passed on that are no metered operation.",
        kind=series.RELAYED,
    ),
    Metric(
        "llm_throttled_total",
        "counter",
        ("agent_id",),
        "Calls refused by a throttle.",
        kind=series.THROTTLED,
    ),
    Metric(
        "modelmeter_notifications_total",
        "counter",
        ("outcome",),
        "Notifications about budgets: delivered, to be tried again (retried), or given up.",
        kind=series.NOTIFICATIONS,
    ),
    Metric(
        "llm_budget_blocked_total",
        "counter",
        ("budget",),
        "Calls that did not fit a budget and were refused.",
        kind=series.BUDGET_BLOCKED,
    ),
    Metric(
        "llm_budget_downgraded_total",
        "counter",
        ("budget",),
        "Calls for which a budget had a cheaper model asked.",
        kind=series.BUDGET_DOWNGRADED,
    ),
    Metric(
        "llm_budget_overrun_total",
        "counter",
        ("budget",),
        "Calls that used more than the budget held for them.",
        kind=series.BUDGET_OVERRUN,
    ),
    Metric(
        "llm_budget_shadow_total",
        "counter",
        ("budget",),
        "Calls that a budget would have stopped, were it not in the shadow.",
        kind=series.BUDGET_SHADOW,
    ),
)
"""The metrics that are views of series."""

ACTIVE_REQUESTS = Metric(
    "llm_active_requests", "gauge", ("agent_id", "provider"), "Calls under way."
)
COST_OVERSTATED = Metric(
    "llm_cost_overstated_usd",
    "gauge",
    _CALLER,
    "By how much llm_cost_total still stands above the true sum after corrections downward.",
    unit="usd",
    kind=series.COST,
)
BUDGET_LIMIT = Metric("llm_budget_limit_usd", "gauge", ("budget",), "The limit of a budget in USD.")
BUDGET_SPENT = Metric(
    "llm_budget_spent_usd", "gauge", ("budget",), "What is settled in a budget's window."
)
BUDGET_RESERVED = Metric(
    "llm_budget_reserved_usd", "gauge", ("budget",), "What is held for calls under way."
)
BUDGET_FORECAST = Metric(
    "llm_budget_forecast_usd",
    "gauge",
    ("budget",),
    "What a budget's window will have spent at its end if it goes on like this.",
)
BUDGET_DRIFT = Metric(
    "modelmeter_budget_drift",
    "gauge",
    ("budget",),
    "By how much a budget differs from the entries and holds it stands for, in its unit: 0.",
)
CACHE_SIZE = Metric("llm_cache_size", "gauge", ("tenant_id",), "Answers in the response cache.")
CACHE_BYTES = Metric(
    "llm_cache_bytes", "gauge", ("tenant_id",), "Size of the response cache.", unit="bytes"
)
CIRCUIT_OPEN = Metric(
    "llm_circuit_open",
    "gauge",
    ("provider",),
    "Models of a provider that this process leaves alone for a while.",
)
VALUES_LEFT_OUT = Metric(
    "modelmeter_values_left_out_total",
    "counter",
    ("value",),
    "Values that a program told of its calls and that are none: no number, no text, too large.",
)
BUILD_INFO = Metric(
    "modelmeter_build_info", "gauge", ("version",), "The version of modelmeter.", is_info=True
)
REFUSED_REQUESTS = Metric(
    "modelmeter_refused_requests_total",
    "counter",
    ("code", "pid"),
    "Requests a process refused, by error code.",
)
LEDGER_INFO = Metric(
    "modelmeter_ledger_info",
    "gauge",
    ("ledger_id",),
    "The ledger that the other metrics come from.",
    is_info=True,
)
SCRAPE_INTERVAL = Metric(
    "modelmeter_scrape_interval_seconds",
    "gauge",
    (),
    "The interval that the gateway reckons with: new series stand at 0 for two of it.",
    unit="seconds",
)
CACHE_FAILURES = Metric(
    "modelmeter_cache_failures_total",
    "counter",
    ("pid",),
    "Requests of this process that the response cache's store did not answer.",
)
CATALOGUE_FALLBACK = Metric(
    "modelmeter_price_catalogue_fallback",
    "gauge",
    ("source", "pid"),
    "1 while the catalogue of the configuration cannot be used and another stands in.",
)
CATALOGUE_TIMESTAMP = Metric(
    "modelmeter_price_catalogue_timestamp_seconds",
    "gauge",
    ("source", "pid"),
    "The day of the newest change of a price that the catalogue knows.",
    unit="seconds",
)
LEDGER_COMMITS = Metric(
    "modelmeter_ledger_commits_total", "counter", ("pid",), "Transactions of this process."
)
LEDGER_CONFLICTS = Metric(
    "modelmeter_ledger_conflicts_total",
    "counter",
    ("pid",),
    "Second outcomes of a call that were refused.",
)
LEDGER_FAILURES = Metric(
    "modelmeter_ledger_failures_total",
    "counter",
    ("pid",),
    "Transactions of this process that failed.",
)
LEDGER_QUEUE_LENGTH = Metric(
    "modelmeter_ledger_queue_length",
    "gauge",
    ("pid",),
    "Writes that wait for the ledger, in this process.",
)
RECOVERED_CALLS = Metric(
    "modelmeter_recovered_calls_total",
    "counter",
    ("pid",),
    "Calls of ended processes that this one entered as unknown.",
)
UNMETERED_CALLS = Metric(
    "modelmeter_unmetered_calls_total",
    "counter",
    ("pid",),
    "Calls this process passed on while the ledger could not commit.",
)
