"""A budget with everything that is known of it: how it stands, who spends it, what it stopped."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from modelmeter.budgets.budget import Budget
from modelmeter.budgets.definitions import StoredBudget, read_budgets
from modelmeter.budgets.spenders import Spender, spenders
from modelmeter.budgets.state import BudgetState, as_json, span_of, state_of
from modelmeter.ledger.snapshot import one_picture
from modelmeter.ledger.usage import Span

__all__ = ["RECENT_MAX", "BudgetDetails", "RecentCall", "budget_details", "budget_record"]

RECENT_MAX = 20
"""Calls that were stopped, shown of a budget."""

_NS = 1_000_000_000
_MARKS = ("blocked", "downgraded", "overrun", "shadow")
_RECENT = """
SELECT mark, call_id, at_ns, agent_id, team, tenant_id, model, note
FROM budget_mark JOIN entry ON entry.id = call_id
WHERE budget_id = ? AND mark = ? ORDER BY at_ns DESC LIMIT ?
"""


class RecentCall(msgspec.Struct, frozen=True):
    """A call that a budget stopped, downgraded or did not foresee."""

    mark: str
    """blocked, downgraded, overrun or shadow."""
    call_id: str
    at: datetime
    agent_id: str
    team: str
    tenant_id: str
    model: str
    note: str | None


class BudgetDetails(msgspec.Struct, frozen=True):
    """One budget with who spends it, and what it did lately."""

    state: BudgetState
    downgrade: dict[str, str]
    """Model to cheaper model."""
    recent: list[RecentCall]
    """Newest first."""
    spenders: list[Spender]
    """Those that used most first."""


def budget_details(
    connection: sqlite3.Connection, now_ns: int, wanted: Callable[[Budget], bool]
) -> list[BudgetDetails]:
    """
    The budgets that are ``wanted``, by name, as one consistent picture.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    with one_picture(connection):
        return [
            _details(connection, stored, now_ns)
            for stored in read_budgets(connection)
            if wanted(stored.budget)
        ]


def budget_record(details: BudgetDetails) -> dict[str, object]:
    """A budget as commands and the API tell it to programs."""
    return {
        **as_json(details.state),
        "downgrade": details.downgrade,
        "recent": [as_json(call) for call in details.recent],
        "spenders": [as_json(one) for one in details.spenders],
    }


def _details(connection: sqlite3.Connection, stored: StoredBudget, now_ns: int) -> BudgetDetails:
    window = span_of(stored.budget, now_ns)
    span = Span(window.start_ns, min(window.end_ns, now_ns + 1))
    return BudgetDetails(
        state=state_of(connection, stored, now_ns),
        downgrade=dict(stored.budget.downgrade),
        recent=_recent(connection, stored.id),
        spenders=spenders(connection, stored.budget, span),
    )


def _recent(connection: sqlite3.Connection, budget_id: int) -> list[RecentCall]:
    # By mark, for which there is an index: a budget may have stopped very many calls.
    rows = [
        row for mark in _MARKS for row in connection.execute(_RECENT, (budget_id, mark, RECENT_MAX))
    ]
    rows.sort(key=lambda row: -int(row[2]))
    return [
        RecentCall(mark, call_id, datetime.fromtimestamp(at_ns // _NS, UTC), *who_and_why)
        for mark, call_id, at_ns, *who_and_why in rows[:RECENT_MAX]
    ]
