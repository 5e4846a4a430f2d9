"""Spans that begin where their sums are cheap, on ledgers with very many calls."""

import sqlite3

from modelmeter.ledger.rollup import QUARTER_SECONDS
from modelmeter.ledger.usage import Span

__all__ = ["EDGE_CALLS_MAX", "from_a_quarter"]

EDGE_CALLS_MAX = 50_000
"""Calls of a part of a quarter-hour that are added one by one: some tens of milliseconds."""

_QUARTER_NS = QUARTER_SECONDS * 10**9
_CALLS = """
SELECT coalesce(sum(calls), 0) FROM rollup_total WHERE level_seconds = ? AND start_seconds = ?
"""


def from_a_quarter(connection: sqlite3.Connection, span: Span) -> Span:
    """
    The span, or one that begins with its first quarter-hour if that holds very many calls.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    begun_ns = span.start_ns // _QUARTER_NS * _QUARTER_NS
    place = (QUARTER_SECONDS, begun_ns // 10**9)
    ((calls,),) = connection.execute(_CALLS, place).fetchall()
    return Span(begun_ns, span.end_ns) if calls > EDGE_CALLS_MAX else span
