"""Corrections of entries flow into the windows of budgets, in the transaction that writes them."""

import sqlite3
from collections.abc import Sequence

from modelmeter.budgets.budget import Unit
from modelmeter.budgets.definitions import read_budgets
from modelmeter.budgets.standings import Standings
from modelmeter.budgets.windows import slice_of
from modelmeter.ledger.corrections import CorrectionDelta

__all__ = ["correct_windows"]


def correct_windows(connection: sqlite3.Connection, deltas: Sequence[CorrectionDelta]) -> None:
    """
    Let the budgets in USD follow what their entries cost by today's knowledge.

    Raises:
        sqlite3.Error: the file cannot be written now.
    """
    standings = Standings(connection)
    for stored in read_budgets(connection):
        budget = stored.budget
        if budget.unit is not Unit.USD:
            continue
        for delta in deltas:
            start_ns = slice_of(budget.window, delta.started_at_ns).start_ns
            if start_ns < stored.counted_from_ns or not budget.scope.matches(_who(delta)):
                continue
            standings.at(stored.id, start_ns).settle(delta.cost)
    standings.write()


def _who(delta: CorrectionDelta) -> tuple[str, str, str, str, str, str]:
    return (
        delta.tenant_id,
        delta.team,
        delta.agent_id,
        delta.key_id,
        delta.provider,
        delta.model,
    )
