"""Calls under way, counted."""

import sqlite3

import msgspec

from modelmeter.ledger.usage import UsageFilter

__all__ = ["open_calls_by_provider"]

_OPEN = """
SELECT provider, count(*) FROM open_call
WHERE (:provider IS NULL OR provider IN (SELECT value FROM json_each(:provider)))
  AND (:agent IS NULL OR agent_id IN (SELECT value FROM json_each(:agent)))
  AND (:model IS NULL OR intent ->> '$.model' IN (SELECT value FROM json_each(:model)))
  AND (:team IS NULL
       OR intent ->> '$.caller.team' IN (SELECT value FROM json_each(:team)))
  AND (:tenant IS NULL
       OR intent ->> '$.caller.tenant_id' IN (SELECT value FROM json_each(:tenant)))
GROUP BY 1 ORDER BY 1
"""


def open_calls_by_provider(
    connection: sqlite3.Connection, wanted: UsageFilter
) -> list[tuple[str, int]]:
    """
    Each provider with calls under way, and how many.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    parameters = {
        name: msgspec.json.encode(values).decode() if values else None
        for name, values in msgspec.structs.asdict(wanted).items()
    }
    rows = connection.execute(_OPEN, parameters)
    return [(str(provider), int(calls)) for provider, calls in rows]
