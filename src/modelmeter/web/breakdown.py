"""Groups of calls side by side: sums, latency, share, and growth against the period before."""

import sqlite3

from modelmeter.ledger.facts import DURATION_FACTS
from modelmeter.ledger.reader import GroupBy, report
from modelmeter.ledger.sums import SUM_FACTS, Sums
from modelmeter.ledger.usage import Dimension, facts
from modelmeter.web.answers import (
    Breakdown,
    BreakdownRow,
    Latency,
    Usage,
    change_of,
    ratio,
    usage_of,
)
from modelmeter.web.asking import Asked, iso
from modelmeter.web.overview import latency_of

__all__ = ["ROWS_MAX", "breakdown"]

ROWS_MAX = 1000
_TIMES = frozenset({GroupBy.HOUR, GroupBy.DAY, GroupBy.WEEK, GroupBy.MONTH})
_OTHER = "other"

_Group = tuple[str, Sums, tuple[int, ...]]
"""Name, sums, durations."""


def breakdown(
    connection: sqlite3.Connection, asked: Asked, by: GroupBy, *, rows_max: int
) -> Breakdown:
    """
    The calls asked about in groups.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    if by in _TIMES:
        total, rows, other = _by_time(connection, asked, by, rows_max)
    else:
        total, rows, other = _by_name(connection, asked, Dimension(by.value), rows_max)
    return Breakdown(
        from_=iso(asked.start),
        to=iso(asked.end),
        time_zone=asked.time_zone.key,
        by=by,
        total=Usage.model_validate(usage_of(total)),
        rows=rows,
        other=other,
    )


_Rows = tuple[Sums, list[BreakdownRow], BreakdownRow | None]


def _by_time(connection: sqlite3.Connection, asked: Asked, by: GroupBy, rows_max: int) -> _Rows:
    result = report(connection, asked.start, asked.end, by, asked.time_zone, asked.wanted)
    # The latest are the ones to keep.
    kept = result.rows[-rows_max:]
    rest = Sums()
    for row in result.rows[: len(result.rows) - len(kept)]:
        rest.add(row.sums)
    rows = [_row(row.name, row.sums, result.total, latency=None) for row in kept]
    other = _row(_OTHER, rest, result.total, latency=None) if rest.calls else None
    return result.total, rows, other


def _by_name(
    connection: sqlite3.Connection, asked: Asked, dimension: Dimension, rows_max: int
) -> _Rows:
    names = (*SUM_FACTS, *DURATION_FACTS)
    groups: list[_Group] = [
        (name, Sums.of(sums[: len(SUM_FACTS)]), sums[len(SUM_FACTS) :])
        for name, _, sums in facts(connection, asked.span, asked.wanted, names, by=dimension)
    ]
    groups.sort(key=lambda group: (-group[1].cost, -group[1].calls, group[0]))
    before = {
        name: Sums.of(sums)
        for name, _, sums in facts(connection, asked.before, asked.wanted, SUM_FACTS, by=dimension)
    }
    total = Sums()
    for _, sums, _durations in groups:
        total.add(sums)
    rows = [
        _row(name, sums, total, latency_of(durations), before.get(name, Sums()))
        for name, sums, durations in groups[:rows_max]
    ]
    return total, rows, _other(groups[rows_max:], total)


def _other(groups: list[_Group], total: Sums) -> BreakdownRow | None:
    if not groups:
        return None
    sums = Sums()
    for _, of_group, _durations in groups:
        sums.add(of_group)
    durations = tuple(map(sum, zip(*(durations for *_, durations in groups), strict=True)))
    return _row(_OTHER, sums, total, latency_of(durations))


def _row(
    name: str, sums: Sums, total: Sums, latency: Latency | None, before: Sums | None = None
) -> BreakdownRow:
    return BreakdownRow.model_validate(
        {
            **usage_of(sums),
            "name": name,
            "share": ratio(sums.cost, total.cost),
            "latency": latency,
            "change": None if before is None else change_of(sums, before),
        }
    )
