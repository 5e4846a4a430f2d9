"""Calls under way, counted."""

import sqlite3

from modelmeter.ledger.usage_filter import UsageFilter, filter_parameters, is_listed

__all__ = ["open_calls_by_provider"]

_OPEN = f"""
SELECT provider, count(*) FROM open_call
WHERE {is_listed("provider", "provider")} AND {is_listed("agent_id", "agent")}
    AND {is_listed("intent ->> '$.model'", "model")}
    AND {is_listed("intent ->> '$.caller.team'", "team")}
    AND {is_listed("intent ->> '$.caller.tenant_id'", "tenant")}
GROUP BY 1 ORDER BY 1
"""  # noqa: S608 - made of constants; every value is bound


def open_calls_by_provider(
    connection: sqlite3.Connection, wanted: UsageFilter
) -> list[tuple[str, int]]:
    """
    Each provider with calls under way, and how many.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    rows = connection.execute(_OPEN, filter_parameters(wanted))
    return [(str(provider), int(calls)) for provider, calls in rows]
