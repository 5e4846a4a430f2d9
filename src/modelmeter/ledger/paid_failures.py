"""What was paid for calls that gave no whole answer."""

import sqlite3

import msgspec

from modelmeter.ledger.usage import Span
from modelmeter.ledger.usage_filter import UsageFilter, filter_condition, filter_parameters
from modelmeter.record import PICO_PER_USD

__all__ = ["PaidFailures", "paid_failures"]

_BY_AGENT = f"""
SELECT agent_id, count(*), count(DISTINCT request_id), sum(attempt > 0),
    sum(cost_pico_usd / 1000000000000), sum(cost_pico_usd % 1000000000000)
FROM entry INDEXED BY entry_paid_failure
WHERE started_at_ns >= :start_ns AND started_at_ns < :end_ns
  AND status <> 'success' AND cost_pico_usd > 0
  AND {filter_condition("entry")}
GROUP BY 1 ORDER BY 5 DESC, 6 DESC, 1
"""  # noqa: S608 - made of constants; every value is bound


class PaidFailures(msgspec.Struct, frozen=True):
    """Of one agent: calls that failed, were cut or were left, and were billed as entered."""

    agent_id: str
    calls: int
    requests: int
    retries: int
    """Those of the calls that were not their request's first attempt."""
    cost: int
    """Pico-dollars."""


def paid_failures(
    connection: sqlite3.Connection, span: Span, wanted: UsageFilter
) -> list[PaidFailures]:
    """
    The agents that paid for such calls, those that paid most first.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    parameters = {
        **filter_parameters(wanted),
        "start_ns": span.start_ns,
        "end_ns": span.end_ns,
    }
    return [
        PaidFailures(agent, calls, requests, retries, usd * PICO_PER_USD + pico)
        for agent, calls, requests, retries, usd, pico in connection.execute(_BY_AGENT, parameters)
    ]
