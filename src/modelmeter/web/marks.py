"""What stands on the time axes beside the calls: first starts of versions, budgets' alerts."""

import sqlite3
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Literal

import msgspec

from modelmeter.budgets.definitions import read_budgets
from modelmeter.budgets.events import FIRST_REFUSAL, OVERRUN
from modelmeter.ledger.series import DEPLOYMENT
from modelmeter.web.answers import Answer
from modelmeter.web.asking import Asked, iso

__all__ = ["Mark", "Marks", "marks"]

ALIKE_MAX = 3
"""Alerts of one budget and threshold with a mark each; more have one together."""
MARKS_MAX = 30
"""Of a kind; those before the latest have one together."""

_Kind = Literal["deployment", "budget"]

_DEPLOYMENTS = """
SELECT labels ->> 0, born_at_ns FROM series
WHERE kind = ? AND born_at_ns >= ? AND born_at_ns < ? ORDER BY born_at_ns
"""
_BUDGET_EVENTS = """
SELECT budget_id, max(budget), threshold, count(*), min(at_ns), max(at_ns) FROM budget_event
WHERE at_ns >= ? AND at_ns < ? GROUP BY budget_id, threshold
"""
_ALIKE = """
SELECT at_ns FROM budget_event
WHERE budget_id = ? AND threshold = ? AND at_ns >= ? AND at_ns < ? ORDER BY at_ns
"""


class Mark(Answer):
    """A moment worth a line on the time axis, or the last of several alike."""

    at: str
    first_at: str
    """The first of several; else the same moment."""
    count: int
    kind: _Kind
    text: str


class Marks(Answer):
    """In the order of their time."""

    marks: list[Mark]


class _Found(msgspec.Struct, frozen=True):
    last_ns: int
    first_ns: int
    count: int
    text: str


def marks(connection: sqlite3.Connection, asked: Asked) -> Marks:
    """
    The marks of the time asked about; many alike, such as of a budget of a minute, are one.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    tenant_id = asked.viewer.tenant_id
    own = None if tenant_id is None else _budgets_of(connection, tenant_id)
    kinds: dict[_Kind, list[_Found]] = {
        "deployment": _deployments(connection, asked),
        "budget": _alerts(connection, asked, own),
    }
    bounded = [(one, kind) for kind, found in kinds.items() for one in _bounded(found, kind)]
    bounded.sort(key=lambda pair: pair[0].last_ns)
    return Marks(
        marks=[
            Mark(
                at=_moment(one.last_ns),
                first_at=_moment(one.first_ns),
                count=one.count,
                kind=kind,
                text=one.text,
            )
            for one, kind in bounded
        ]
    )


def _deployments(connection: sqlite3.Connection, asked: Asked) -> list[_Found]:
    parameters = (DEPLOYMENT, asked.span.start_ns, asked.span.end_ns)
    rows = connection.execute(_DEPLOYMENTS, parameters)
    return [_Found(at_ns, at_ns, 1, str(version)) for version, at_ns in rows]


def _alerts(
    connection: sqlite3.Connection, asked: Asked, own: Collection[int] | None
) -> list[_Found]:
    span = (asked.span.start_ns, asked.span.end_ns)
    found = []
    for budget_id, name, threshold, count, first_ns, last_ns in connection.execute(
        _BUDGET_EVENTS, span
    ).fetchall():
        if own is not None and budget_id not in own:
            continue
        text = _budget_text(str(name), int(threshold))
        if count > ALIKE_MAX:
            found.append(_Found(last_ns, first_ns, count, text))
        else:
            rows = connection.execute(_ALIKE, (budget_id, threshold, *span))
            found += [_Found(at_ns, at_ns, 1, text) for (at_ns,) in rows]
    return found


def _bounded(found: list[_Found], kind: _Kind) -> list[_Found]:
    """The latest, and before them one for all others."""
    found = sorted(found, key=lambda one: one.last_ns)
    rest, latest = found[: 1 - MARKS_MAX], found[1 - MARKS_MAX :]
    if len(rest) <= 1:
        return found
    count = sum(one.count for one in rest)
    last = rest[-1]
    text = f"{count} budget alerts" if kind == "budget" else f"{last.text} and {count - 1} before"
    first_ns = min(one.first_ns for one in rest)
    return [_Found(last.last_ns, first_ns, count, text), *latest]


def _budgets_of(connection: sqlite3.Connection, tenant_id: str) -> set[int]:
    """The budgets that count one tenant's calls alone."""
    there = read_budgets(connection)
    return {stored.id for stored in there if stored.budget.scope.tenant == tenant_id}


def _budget_text(name: str, threshold: int) -> str:
    if threshold == OVERRUN:
        return f"Budget {name}: a call used more than was held for it"
    if threshold == FIRST_REFUSAL:
        return f"Budget {name} refuses calls"
    return f"Budget {name}: {threshold} % spent"


def _moment(at_ns: int) -> str:
    return iso(datetime.fromtimestamp(at_ns // 1_000_000 / 1e3, UTC))
