"""The PromQL of the thirteen panels, by the panels' keys."""

from typing import Final

from modelmeter.dashboards.promql import (
    CALLER,
    DAY,
    FIVE_MINUTES_MIN_STEP,
    RANGE,
    RATE,
    Query,
    filtered,
    or_idle,
)
from modelmeter.metrics.panels import COUNTED_STATUSES, LATENCY_QUANTILES
from modelmeter.record import FAILED_STATUSES

__all__ = ["NOTES", "QUERIES", "quantiles"]

_CACHE = ("agent_id", "model")
_ACTIVE = ("agent_id", "provider")

_ANY_COUNTED = f'status=~"{"|".join(COUNTED_STATUSES)}"'
_ANY_FAILED = f'status=~"{"|".join(FAILED_STATUSES)}"'
_COUNTED = filtered("llm_requests_total", CALLER, _ANY_COUNTED)
_FAILED = filtered("llm_requests_total", CALLER, _ANY_FAILED)
_SUCCESSFUL = filtered("llm_requests_total", CALLER, 'status="success"')

_REQUESTS = f"rate({filtered('llm_requests_total')}[{RATE}])"
_TOKENS = f"rate({filtered('llm_tokens_used_total')}[{RATE}])"
_ERRORS = f"rate({filtered('llm_errors_total')}[{RATE}])"
_HITS = f"sum(rate({filtered('llm_cache_hits_total', _CACHE)}[{RATE}]))"
_MISSES = f"sum(rate({filtered('llm_cache_misses_total', _CACHE)}[{RATE}]))"
_COST = f"increase({filtered('llm_cost_total')}[{RANGE}])"
_ACTIVE_REQUESTS = filtered("llm_active_requests", _ACTIVE)

_TEAMS = (
    f"max by (agent_id, team) (max_over_time({filtered('llm_agent_info', ('agent_id',))}[{RANGE}]))"
)
_COST_PER_TEAM = (
    f"sum by (team) ({_TEAMS}"
    f" / on (agent_id) group_left () count by (agent_id) ({_TEAMS})"
    f" * on (agent_id) group_left () sum by (agent_id) ({_COST}))"
)


def quantiles(metric: str, labels: tuple[str, ...] = CALLER) -> tuple[Query, ...]:
    """
    The lines of a histogram's quantiles, and one that says so where there was no traffic.

    Without calls a quantile has no value; comparing drops the NaN that it would have.
    """
    buckets = f"sum by (le) (rate({filtered(f'{metric}_bucket', labels)}[{RATE}]))"
    count = filtered(f"{metric}_count", labels)
    return (
        *(
            Query(f"histogram_quantile({share:g}, {buckets}) >= 0", name)
            for name, share in LATENCY_QUANTILES.items()
        ),
        Query(f"vector(0) unless on () (sum(rate({count}[{RATE}])) > 0)", "no traffic"),
    )


def _recent(expr: str) -> Query:
    return Query(expr, instant=True, min_step=FIVE_MINUTES_MIN_STEP)


NOTES: Final = {
    "cost_per_team": "An agent that called for several teams counts for each in equal parts; the "
    "gateway's own page and reports know each call's team.",
}
"""What is true of a panel only where Prometheus answers it, by the panel's key."""

QUERIES: Final[dict[str, tuple[Query, ...]]] = {
    "total_requests": (Query(f"sum({_REQUESTS}) or vector(0)", "calls"),),
    "total_cost": (
        Query(
            f"sum(increase({filtered('llm_cost_total')}[{DAY}])) or vector(0)", "cost", instant=True
        ),
    ),
    "cache_hit_rate": (_recent(f"100 * {_HITS} / (({_HITS} + {_MISSES}) > 0)"),),
    "error_rate": (
        _recent(
            f"100 * (sum(rate({_FAILED}[{RATE}])) or vector(0))"
            f" / (sum(rate({_COUNTED}[{RATE}])) > 0) or vector(0)"
        ),
    ),
    "requests_per_agent": (
        Query(
            or_idle(f"sum by (agent_id) ({_REQUESTS})", _REQUESTS, "agent_id"),
            "{{agent_id}}",
        ),
    ),
    "cost_per_team": (
        Query(
            or_idle(
                f'label_replace({_COST_PER_TEAM}, "team", "unassigned", "team", "")', _COST, "team"
            ),
            "{{team}}",
            instant=True,
        ),
    ),
    "request_latency": quantiles("llm_request_duration_seconds"),
    "token_usage": (Query(or_idle(f"sum by (model) ({_TOKENS})", _TOKENS, "model"), "{{model}}"),),
    "cache_performance": (
        Query(f"{_HITS} or vector(0)", "hits"),
        Query(f"{_MISSES} or vector(0)", "misses"),
    ),
    "errors_by_provider": (
        Query(
            or_idle(f"sum by (provider, error_type) ({_ERRORS})", _ERRORS, "provider", "no errors"),
            "{{provider}} {{error_type}}",
        ),
    ),
    "cost_by_model": (
        Query(
            f"sort_desc({or_idle(f'sum by (model) ({_COST})', _COST, 'model')})",
            "{{model}}",
            instant=True,
            table=True,
        ),
    ),
    "active_requests": (
        Query(
            or_idle(f"sum by (provider) ({_ACTIVE_REQUESTS})", _ACTIVE_REQUESTS, "provider"),
            "{{provider}}",
        ),
    ),
    "success_rate": (
        _recent(
            f"100 * (sum(rate({_SUCCESSFUL}[{RATE}])) or vector(0))"
            f" / (sum(rate({_COUNTED}[{RATE}])) > 0)"
        ),
    ),
}
