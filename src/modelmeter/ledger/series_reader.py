"""Reads the cumulative series and the open calls, as one consistent picture."""

import sqlite3

import msgspec

from modelmeter.ledger.cache_table import cache_usage

__all__ = ["OpenCalls", "SeriesRow", "SeriesSnapshot", "read_series"]

SeriesRow = tuple[str, str, int, int, int]
"""Kind, labels as JSON, whole part, 1e-12 part, time of birth in nanoseconds since 1970."""
OpenCalls = tuple[str, str, int]
"""Agent, provider, how many."""

_SERIES = "SELECT kind, labels, whole, pico, born_at_ns FROM series ORDER BY kind, labels"
_OPEN = "SELECT agent_id, provider, count(*) FROM open_call GROUP BY 1, 2 ORDER BY 1, 2"
_SHOWN = "SELECT born_until_ns FROM series_shown"
_AGENTS = "SELECT value FROM label_value WHERE label = 'agent_id'"


class SeriesSnapshot(msgspec.Struct, frozen=True):
    """What metrics are made of, at one moment."""

    series: list[SeriesRow]
    """In the order of kind and labels."""
    open_calls: list[OpenCalls]
    agents: frozenset[str]
    """The agents that have a label of their own."""
    shown_until_ns: int
    """Series born later stand at 0 for now."""
    cache_usage: dict[str, tuple[int, int]] = {}
    """Answers and bytes in the response cache, by tenant."""


def read_series(connection: sqlite3.Connection) -> SeriesSnapshot:
    """
    Read all series in one transaction.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    connection.execute("BEGIN")
    try:
        return SeriesSnapshot(
            series=connection.execute(_SERIES).fetchall(),
            open_calls=connection.execute(_OPEN).fetchall(),
            agents=frozenset(value for (value,) in connection.execute(_AGENTS)),
            shown_until_ns=connection.execute(_SHOWN).fetchone()[0],
            cache_usage=cache_usage(connection),
        )
    finally:
        connection.execute("ROLLBACK")
