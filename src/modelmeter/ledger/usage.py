"""
Sums over any span of time, exact at every moment: rollups, and the entries they do not hold yet.

A span is taken apart into whole days, quarters of days, hours and quarter-hours, whose sums are
kept, and the entries at its edges. Entries behind the rollups' place are added one by one. All of
it is of one moment.
"""

import sqlite3
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache

import msgspec

from modelmeter.ledger.facts import CORRECTION_FACTS, ENTRY_FACTS, ERROR
from modelmeter.ledger.rollup import LEVELS_SECONDS, QUARTER_SECONDS
from modelmeter.ledger.snapshot import one_picture
from modelmeter.ledger.usage_filter import (
    NAME_COLUMNS,
    UsageFilter,
    filter_condition,
    filter_parameters,
    is_listed,
)

__all__ = ["Dimension", "FactRow", "FailureRow", "Span", "facts", "failures"]

_NS = 1_000_000_000
_QUARTER_NS = QUARTER_SECONDS * _NS
_STATEMENTS_MAX = 256


class Dimension(StrEnum):
    """What sums can be taken apart by."""

    NONE = "none"
    AGENT = "agent"
    TEAM = "team"
    MODEL = "model"
    PROVIDER = "provider"
    TENANT = "tenant"


_COLUMNS = {Dimension.NONE: "''"} | {
    Dimension(name): column for name, column in NAME_COLUMNS.items()
}


class Span(msgspec.Struct, frozen=True):
    """Calls that began from one moment up to before another, in nanoseconds since 1970."""

    start_ns: int
    end_ns: int


FactRow = tuple[str, int, tuple[int, ...]]
"""A group's name, its step's start in seconds since 1970 (0 without steps), its sums."""
FailureRow = tuple[str, str, int, int]
"""A provider, why its calls did not succeed, the step's start, how many calls."""


def facts(
    connection: sqlite3.Connection,
    span: Span,
    wanted: UsageFilter,
    names: Sequence[str],
    *,
    by: Dimension = Dimension.NONE,
    kept: Sequence[str] | None = None,
    other: str = "",
    step_seconds: int = 0,
) -> list[FactRow]:
    """
    The sums of the facts called ``names``, by group and by step of time.

    Args:
        connection: reads the ledger.
        span: the calls' time.
        wanted: which calls.
        names: of `modelmeter.ledger.facts.FACTS`.
        by: what there is a row for.
        kept: groups with rows of their own; None: all. The others come together, as ``other``.
        other: the name of the group of all groups not kept.
        step_seconds: length of a step since 1970; 0: one step.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    statement = _statement(tuple(names), by, filtered=not wanted.is_empty, folded=kept is not None)
    with one_picture(connection):
        parameters = _parameters(connection, span, wanted, step_seconds)
        parameters |= {"kept": _text(kept or ()), "other": other}
        return [
            (str(name), int(at), tuple(sums))
            for name, at, *sums in connection.execute(statement, parameters)
        ]


def failures(
    connection: sqlite3.Connection, span: Span, wanted: UsageFilter, *, step_seconds: int = 0
) -> list[FailureRow]:
    """
    How many calls did not succeed, by provider and why; one without an error type by its status.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    with one_picture(connection):
        rows = connection.execute(_FAILURES, _parameters(connection, span, wanted, step_seconds))
        return [(str(provider), str(why), int(at), int(calls)) for provider, why, at, calls in rows]


# The sums kept of whole spans, then the entries at the edges, then those behind the rollups.
_FROM_ROLLUP = """
FROM json_each(:parts) AS part CROSS JOIN rollup AS r
    ON r.level_seconds = part.value ->> 0
    AND r.start_seconds >= part.value ->> 1 AND r.start_seconds < part.value ->> 2
"""
_FROM_TOTAL = _FROM_ROLLUP.replace("rollup AS r", "rollup_total AS r")
_FROM_ERRORS = _FROM_ROLLUP.replace("rollup AS r", "rollup_error AS r")
_JOIN_LABELS = "JOIN rollup_labels AS l ON l.id = r.labels_id"
_FROM_EDGES = """
FROM json_each(:edges) AS edge CROSS JOIN entry AS e
    ON e.started_at_ns >= edge.value ->> 0 AND e.started_at_ns < edge.value ->> 1
WHERE true
"""
# The unary plus keeps SQLite on the few rows behind the place, away from the index by time.
_FROM_TAIL = """
FROM entry AS e WHERE e.seq > (SELECT upto_seq FROM rollup_state)
    AND +e.started_at_ns >= :inner_start_ns AND +e.started_at_ns < :inner_end_ns
"""

# What was learned later of entries, wherever those entries' own facts are read from.
_FROM_EDGE_CORRECTIONS = """
FROM json_each(:edges) AS edge CROSS JOIN correction AS c
    ON c.started_at_ns >= edge.value ->> 0 AND c.started_at_ns < edge.value ->> 1
JOIN entry AS e ON e.seq = c.entry_seq
WHERE true
"""
_FROM_TAIL_CORRECTIONS = """
FROM correction AS c JOIN entry AS e ON e.seq = c.entry_seq
WHERE c.seq > (SELECT upto_correction_seq FROM rollup_state)
    AND +c.started_at_ns >= :inner_start_ns AND +c.started_at_ns < :inner_end_ns
"""

_ROLLUP_STEP = "iif(:step, r.start_seconds / :step * :step, 0)"
_ENTRY_STEP = f"iif(:step, e.started_at_ns / {_NS} / :step * :step, 0)"

_LABELS_WANTED = filter_condition("l")
_ENTRIES_WANTED = f"AND {filter_condition('e')}"
_FAILED = f"{_ENTRIES_WANTED} AND {ERROR} IS NOT NULL"

_FAILURES = f"""
SELECT provider, why, at, sum(calls) FROM (
    SELECT l.provider AS provider, r.error_type AS why, {_ROLLUP_STEP} AS at, r.calls AS calls
    {_FROM_ERRORS} {_JOIN_LABELS} WHERE {_LABELS_WANTED}
    UNION ALL SELECT e.provider, {ERROR}, {_ENTRY_STEP}, 1
    {_FROM_EDGES} {_FAILED}
    UNION ALL SELECT e.provider, {ERROR}, {_ENTRY_STEP}, 1
    {_FROM_TAIL} {_FAILED}
) GROUP BY 1, 2, 3
"""  # noqa: S608 - made of the constants above
_NEWEST = "SELECT coalesce(max(started_at_ns), 0) FROM entry"


@lru_cache(maxsize=_STATEMENTS_MAX)
def _statement(names: tuple[str, ...], by: Dimension, *, filtered: bool, folded: bool) -> str:
    """
    The statement for some facts; its text is made of constants, every value is bound.

    Without a filter it names no column that it does not need: to count calls, an index will do.
    """
    column = _COLUMNS[by]
    group, entry_group = (
        (column, column) if by is Dimension.NONE else (f"l.{column}", f"e.{column}")
    )
    if folded:
        group, entry_group = _or_other(group), _or_other(entry_group)
    kept = ", ".join(f"r.{name}" for name in names)
    read = ", ".join(ENTRY_FACTS[name] for name in names)
    named = ", ".join(f"f{place}" for place in range(len(names)))
    sums = ", ".join(f"sum(f{place})" for place in range(len(names)))
    wanted = _ENTRIES_WANTED if filtered else ""
    if filtered:
        source = f"{_FROM_ROLLUP} {_JOIN_LABELS} WHERE {_LABELS_WANTED}"
    else:
        source = _FROM_TOTAL if by is Dimension.NONE else f"{_FROM_ROLLUP} {_JOIN_LABELS}"
    corrections = ""
    if not CORRECTION_FACTS.keys().isdisjoint(names):
        changed = ", ".join(CORRECTION_FACTS.get(name, "0") for name in names)
        correction = f"UNION ALL SELECT {entry_group}, {_ENTRY_STEP}, {changed}"
        corrections = (
            f"{correction} {_FROM_EDGE_CORRECTIONS} {wanted} "
            f"{correction} {_FROM_TAIL_CORRECTIONS} {wanted}"
        )
    return f"""
    WITH part_sums (name, at, {named}) AS (
        SELECT {group}, {_ROLLUP_STEP}, {kept} {source}
        UNION ALL SELECT {entry_group}, {_ENTRY_STEP}, {read} {_FROM_EDGES} {wanted}
        UNION ALL SELECT {entry_group}, {_ENTRY_STEP}, {read} {_FROM_TAIL} {wanted}
        {corrections}
    )
    SELECT name, at, {sums} FROM part_sums GROUP BY 1, 2
    """  # noqa: S608 - made of constants


def _or_other(group: str) -> str:
    return f"iif({is_listed(group, 'kept')}, {group}, :other)"


def _parameters(
    connection: sqlite3.Connection, span: Span, wanted: UsageFilter, step_seconds: int
) -> dict[str, object]:
    ((newest_ns,),) = connection.execute(_NEWEST).fetchall()
    parts, edges, inner = _taken_apart(span, step_seconds, newest_ns)
    return {
        **filter_parameters(wanted),
        "parts": _text(parts),
        "edges": _text(edges),
        "inner_start_ns": inner.start_ns,
        "inner_end_ns": inner.end_ns,
        "step": step_seconds,
    }


def _taken_apart(
    span: Span, step_seconds: int, newest_ns: int
) -> tuple[list[tuple[int, int, int]], list[tuple[int, int]], Span]:
    """
    The spans whose sums are kept, the edges between them and the span's ends, and what is inside.

    A sum that is kept is of use only where no step begins inside of it. A span that ends behind
    the newest entry may as well end with its quarter-hour: the one that is still filling is the
    one with the most entries to add one by one.
    """
    first_ns = -(-span.start_ns // _QUARTER_NS) * _QUARTER_NS
    last_ns = span.end_ns // _QUARTER_NS * _QUARTER_NS
    if newest_ns < span.end_ns:
        last_ns = -(-span.end_ns // _QUARTER_NS) * _QUARTER_NS
    if step_seconds % QUARTER_SECONDS or first_ns >= last_ns:
        return [], [(span.start_ns, span.end_ns)], Span(span.start_ns, span.start_ns)
    parts = []
    gaps = [(first_ns // _NS, last_ns // _NS)]
    for level in LEVELS_SECONDS:
        if step_seconds % level:
            continue
        rest = []
        for start, end in gaps:
            inner_start, inner_end = -(-start // level) * level, end // level * level
            if inner_start >= inner_end:
                rest.append((start, end))
                continue
            parts.append((level, inner_start, inner_end))
            rest += [(start, inner_start), (inner_end, end)]
        gaps = [(start, end) for start, end in rest if start < end]
    edges = [(span.start_ns, first_ns), (last_ns, span.end_ns)]
    return parts, [edge for edge in edges if edge[0] < edge[1]], Span(first_ns, last_ns)


def _text(values: object) -> str:
    return msgspec.json.encode(values).decode()
