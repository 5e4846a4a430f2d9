"""Entries themselves, newest first, page by page; and one of them with its other attempts."""

import sqlite3

import msgspec

from modelmeter.ledger.facts import ERROR
from modelmeter.ledger.matching_hours import matching_hours
from modelmeter.ledger.usage import Span
from modelmeter.ledger.usage_filter import (
    UsageFilter,
    filter_condition,
    filter_parameters,
    is_listed,
)

__all__ = ["EntryFilter", "Place", "entries_page", "entry_by_id", "other_attempts"]

Row = dict[str, object]
Place = tuple[int, int]
"""Where an entry stands: the time it began in nanoseconds since 1970, and its ``seq``."""

_NS = 1_000_000_000
_ATTEMPTS_WITHIN_NS = 900 * _NS
"""Attempts of one request begin this close to each other; an index on them is spared."""
_ATTEMPTS_MAX = 100

_PAGE = f"""
SELECT * FROM entry AS e
WHERE started_at_ns >= :start_ns AND started_at_ns < :end_ns
  AND started_at_ns <= :place_ns AND (started_at_ns < :place_ns OR seq < :place_seq)
  AND {filter_condition("e")}
  AND {is_listed("status", "status")} AND {is_listed(ERROR, "error_type")}
ORDER BY started_at_ns DESC, seq DESC LIMIT :limit
"""  # noqa: S608 - made of constants; every value is bound
_ONE = f"SELECT * FROM entry WHERE id = :id AND {is_listed('tenant_id', 'tenant')}"  # noqa: S608 - see above
_ATTEMPTS = """
SELECT * FROM entry
WHERE started_at_ns >= :start_ns AND started_at_ns < :end_ns
  AND request_id = :request_id AND tenant_id = :tenant_id AND id <> :id
ORDER BY started_at_ns, seq LIMIT :limit
"""

_SEQ_MAX = 2**63 - 1


class EntryFilter(msgspec.Struct, frozen=True):
    """How the entries ended; an empty tuple: in any way."""

    status: tuple[str, ...] = ()
    error_type: tuple[str, ...] = ()


def entries_page(
    connection: sqlite3.Connection,
    span: Span,
    wanted: UsageFilter,
    ended: EntryFilter,
    *,
    before: Place | None,
    limit: int,
) -> list[Row]:
    """
    Entries by column name, those that began last first, from behind a place on.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    place_ns, place_seq = before or (span.end_ns, _SEQ_MAX)
    filters = filter_parameters(wanted) | filter_parameters(ended)
    upto = Span(span.start_ns, min(span.end_ns, place_ns + 1))
    parameters = {**filters, "place_ns": place_ns, "place_seq": place_seq}
    found: list[Row] = []
    spans = matching_hours(connection, upto, filters) if any(filters.values()) else [upto]
    for part in spans:
        limits = {"start_ns": part.start_ns, "end_ns": part.end_ns, "limit": limit - len(found)}
        found += _rows(connection, _PAGE, {**parameters, **limits})
        if len(found) >= limit:
            break
    return found


def entry_by_id(
    connection: sqlite3.Connection, call_id: str, tenants: tuple[str, ...]
) -> Row | None:
    """
    One entry by column name, of one of some tenants; none given: of any.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    rows = _rows(
        connection,
        _ONE,
        {"id": call_id, "tenant": filter_parameters(UsageFilter(tenant=tenants))["tenant"]},
    )
    return rows[0] if rows else None


def other_attempts(connection: sqlite3.Connection, row: Row) -> list[Row]:
    """
    The other attempts of an entry's request, oldest first.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    started_at_ns = int(str(row["started_at_ns"]))
    return _rows(
        connection,
        _ATTEMPTS,
        {
            "id": row["id"],
            "request_id": row["request_id"],
            "tenant_id": row["tenant_id"],
            "start_ns": started_at_ns - _ATTEMPTS_WITHIN_NS,
            "end_ns": started_at_ns + _ATTEMPTS_WITHIN_NS,
            "limit": _ATTEMPTS_MAX,
        },
    )


def _rows(
    connection: sqlite3.Connection, statement: str, parameters: dict[str, object]
) -> list[Row]:
    cursor = connection.execute(statement, parameters)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
