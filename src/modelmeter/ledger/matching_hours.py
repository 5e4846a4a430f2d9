"""The hours in which there are calls of some kind, found by way of the rollups."""

import sqlite3
from collections.abc import Iterator, Mapping

from modelmeter.ledger.facts import ERROR, STATUS_FACTS
from modelmeter.ledger.usage import Span
from modelmeter.ledger.usage_filter import filter_condition, is_listed

__all__ = ["matching_hours"]

_NS = 1_000_000_000
_DAY_SECONDS = 86_400
_HOUR_SECONDS = 3_600

_OF_STATUS = " OR ".join(
    f"({is_listed(repr(status.value), 'status')} AND r.{fact} > 0)"
    for status, fact in STATUS_FACTS.items()
)
_MATCHING = f"""
SELECT r.start_seconds FROM rollup AS r JOIN rollup_labels AS l ON l.id = r.labels_id
WHERE r.level_seconds = :level AND r.start_seconds >= :first AND r.start_seconds < :last
    AND {filter_condition("l")} AND (:status IS NULL OR {_OF_STATUS})
    AND (:error_type IS NULL OR EXISTS (
        SELECT 1 FROM rollup_error AS x
        WHERE x.level_seconds = r.level_seconds AND x.start_seconds = r.start_seconds
            AND x.labels_id = r.labels_id AND {is_listed("x.error_type", "error_type")}))
UNION
SELECT e.started_at_ns / {_NS} / :level * :level FROM entry AS e
WHERE e.seq > (SELECT upto_seq FROM rollup_state)
    AND +e.started_at_ns >= :first * {_NS} AND +e.started_at_ns < :last * {_NS}
    AND {filter_condition("e")} AND {is_listed("e.status", "status")}
    AND {is_listed(ERROR, "error_type")}
ORDER BY 1 DESC
"""  # noqa: S608 - made of constants; every value is bound


def matching_hours(
    connection: sqlite3.Connection, span: Span, filters: Mapping[str, str | None]
) -> Iterator[Span]:
    """
    The hours of a span, the last one first, in which some calls fit; ``filters`` as lists in JSON.

    A call that is rare in a long time is found without a look at all the others.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    for day in _matching(connection, span, filters, _DAY_SECONDS):
        yield from _matching(connection, day, filters, _HOUR_SECONDS)


def _matching(
    connection: sqlite3.Connection, span: Span, filters: Mapping[str, str | None], level: int
) -> Iterator[Span]:
    parameters: dict[str, object] = {
        **filters,
        "level": level,
        "first": span.start_ns // (level * _NS) * level,
        "last": -(-span.end_ns // (level * _NS)) * level,
    }
    for (start,) in connection.execute(_MATCHING, parameters).fetchall():
        start_ns, end_ns = start * _NS, (start + level) * _NS
        yield Span(max(start_ns, span.start_ns), min(end_ns, span.end_ns))
