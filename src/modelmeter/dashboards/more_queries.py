"""The PromQL of the panels beyond the thirteen, by the panels' keys."""

from typing import Final

from modelmeter.dashboards.promql import DAY, RANGE, RATE, Query, filtered, or_idle
from modelmeter.dashboards.queries import quantiles

__all__ = ["MORE_QUERIES"]

_BLOCKED = f"rate(llm_budget_blocked_total[{RATE}])"
_THROTTLED = f"rate({filtered('llm_throttled_total', ('agent_id',))}[{RATE}])"
_CIRCUITS = filtered("llm_circuit_open", ("provider",))
_UNPRICED = f"increase({filtered('llm_unpriced_requests_total', ('model', 'provider'))}[{RANGE}])"
_REFUSED = f"rate(modelmeter_refused_requests_total[{RATE}])"
_OVERHEAD = "llm_gateway_overhead_seconds"


def _amount(expr: str) -> Query:
    return Query(f"max by (budget) ({expr})", instant=True, table=True)


MORE_QUERIES: Final[dict[str, tuple[Query, ...]]] = {
    "budget_use": (
        Query(
            "100 * max by (budget) (llm_budget_spent_usd)"
            " / max by (budget) (llm_budget_limit_usd > 0)",
            "{{budget}}",
            instant=True,
        ),
    ),
    "budget_amounts": (
        _amount("llm_budget_limit_usd"),
        _amount("llm_budget_spent_usd"),
        _amount("llm_budget_reserved_usd"),
        _amount("llm_budget_limit_usd - llm_budget_spent_usd - llm_budget_reserved_usd"),
        _amount("llm_budget_forecast_usd"),
    ),
    "budget_blocked": (
        Query(
            or_idle(f"sum by (budget) ({_BLOCKED})", _BLOCKED, "budget", "nothing blocked"),
            "{{budget}}",
        ),
    ),
    "throttled": (
        Query(
            or_idle(
                f"sum by (agent_id) ({_THROTTLED})", _THROTTLED, "agent_id", "nothing throttled"
            ),
            "{{agent_id}}",
        ),
    ),
    "circuits": (
        Query(
            or_idle(f"max by (provider) ({_CIRCUITS})", _CIRCUITS, "provider", "none open"),
            "{{provider}}",
        ),
    ),
    "cache_savings": (
        Query(
            f"sum(increase({filtered('llm_cache_savings_total')}[{DAY}])) or vector(0)",
            "saved",
            instant=True,
        ),
    ),
    "unpriced": (Query(f"sum({_UNPRICED}) or vector(0)", "unpriced", instant=True),),
    "overstated": (
        Query(
            f"sum({filtered('llm_cost_overstated_usd')}) or vector(0)", "overstated", instant=True
        ),
    ),
    "tokens_by_type": (
        Query(
            or_idle(
                f"sum by (token_type) (rate({filtered('llm_tokens_used_total')}[{RATE}]))",
                f"rate({filtered('llm_tokens_used_total')}[{RATE}])",
                "token_type",
            ),
            "{{token_type}}",
        ),
    ),
    "first_token": quantiles("llm_time_to_first_token_seconds"),
    "cache_size": (
        Query(
            or_idle("sum by (tenant_id) (llm_cache_size)", "llm_cache_size", "tenant_id", "empty"),
            "{{tenant_id}}",
        ),
    ),
    "gateways": (Query("count(modelmeter_build_info) or vector(0)", "gateways", instant=True),),
    "ledger_failures": (
        Query(
            f"sum(increase(modelmeter_ledger_failures_total[{RANGE}])) or vector(0)",
            "failures",
            instant=True,
        ),
    ),
    "budget_drift": (
        Query("max(abs(modelmeter_budget_drift)) or vector(0)", "drift", instant=True),
    ),
    "overhead": quantiles(_OVERHEAD, ()),
    "ledger_queue": (Query("sum(modelmeter_ledger_queue_length) or vector(0)", "waiting"),),
    "refused": (
        Query(
            or_idle(f"sum by (code) ({_REFUSED})", _REFUSED, "code", "nothing refused"),
            "{{code}}",
        ),
    ),
}
