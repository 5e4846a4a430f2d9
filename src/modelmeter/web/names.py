"""What there is to filter by."""

import sqlite3

from modelmeter.ledger.usage import Dimension, facts
from modelmeter.web.answers import Names
from modelmeter.web.asking import Asked

__all__ = ["names"]

_NAMES_MAX = 1000
"""Of each dimension, those with the most calls."""


def names(connection: sqlite3.Connection, asked: Asked) -> Names:
    """
    The names that calls of the time asked about carry, in alphabetical order.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """

    def of(dimension: Dimension) -> list[str]:
        rows = facts(connection, asked.span, asked.wanted, ("calls",), by=dimension)
        rows.sort(key=lambda row: (-row[2][0], row[0]))
        return sorted(name for name, _, _ in rows[:_NAMES_MAX])

    return Names(
        agent=of(Dimension.AGENT),
        team=of(Dimension.TEAM),
        model=of(Dimension.MODEL),
        provider=of(Dimension.PROVIDER),
        tenant=of(Dimension.TENANT),
    )
