"""What stands on the time axes beside the calls: first starts of versions, budgets' alerts."""

import sqlite3
from datetime import UTC, datetime
from typing import Literal

from modelmeter.budgets.definitions import read_budgets
from modelmeter.budgets.events import FIRST_REFUSAL, OVERRUN
from modelmeter.ledger.series import DEPLOYMENT
from modelmeter.web.answers import Answer
from modelmeter.web.asking import Asked, iso

__all__ = ["Mark", "Marks", "marks"]

_DEPLOYMENTS = """
SELECT labels ->> 0, born_at_ns FROM series
WHERE kind = ? AND born_at_ns >= ? AND born_at_ns < ? ORDER BY born_at_ns
"""
_BUDGET_EVENTS = """
SELECT budget_id, budget, threshold, at_ns FROM budget_event
WHERE at_ns >= ? AND at_ns < ? ORDER BY at_ns
"""


class Mark(Answer):
    """One moment worth a line on the time axis."""

    at: str
    kind: Literal["deployment", "budget"]
    text: str


class Marks(Answer):
    """In the order of their time."""

    marks: list[Mark]


def marks(connection: sqlite3.Connection, asked: Asked) -> Marks:
    """
    The marks of the time asked about.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    span = (asked.span.start_ns, asked.span.end_ns)
    found = [
        (at_ns, Mark(at=_moment(at_ns), kind="deployment", text=str(version)))
        for version, at_ns in connection.execute(_DEPLOYMENTS, (DEPLOYMENT, *span))
    ]
    tenant_id = asked.viewer.tenant_id
    own = None if tenant_id is None else _budgets_of(connection, tenant_id)
    for budget_id, name, threshold, at_ns in connection.execute(_BUDGET_EVENTS, span):
        if own is None or budget_id in own:
            text = _budget_text(str(name), int(threshold))
            found.append((at_ns, Mark(at=_moment(at_ns), kind="budget", text=text)))
    found.sort(key=lambda one: one[0])
    return Marks(marks=[mark for _, mark in found])


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
