"""What was paid for calls that gave no whole answer."""

import sqlite3

import msgspec

from modelmeter.ledger.usage import Span, UsageFilter
from modelmeter.record import PICO_PER_USD

__all__ = ["PaidFailures", "paid_failures"]

_BY_AGENT = """
SELECT agent_id, count(*), count(DISTINCT request_id), sum(attempt > 0),
    sum(cost_pico_usd / 1000000000000), sum(cost_pico_usd % 1000000000000)
FROM entry INDEXED BY entry_paid_failure
WHERE started_at_ns >= :start_ns AND started_at_ns < :end_ns
  AND status <> 'success' AND cost_pico_usd > 0
  AND (:agent IS NULL OR agent_id IN (SELECT value FROM json_each(:agent)))
  AND (:team IS NULL OR team IN (SELECT value FROM json_each(:team)))
  AND (:model IS NULL OR model IN (SELECT value FROM json_each(:model)))
  AND (:provider IS NULL OR provider IN (SELECT value FROM json_each(:provider)))
  AND (:tenant IS NULL OR tenant_id IN (SELECT value FROM json_each(:tenant)))
GROUP BY 1 ORDER BY 5 DESC, 6 DESC, 1
"""


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
    parameters: dict[str, object] = {"start_ns": span.start_ns, "end_ns": span.end_ns}
    for name, values in msgspec.structs.asdict(wanted).items():
        parameters[name] = msgspec.json.encode(values).decode() if values else None
    return [
        PaidFailures(agent, calls, requests, retries, usd * PICO_PER_USD + pico)
        for agent, calls, requests, retries, usd, pico in connection.execute(_BY_AGENT, parameters)
    ]
