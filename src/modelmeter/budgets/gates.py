"""Throttles and budgets as one: a call passes both, or neither counts it."""

import sqlite3
from collections.abc import Sequence

from modelmeter.budgets.desk import BudgetDesk
from modelmeter.budgets.throttling.desk import ThrottleDesk
from modelmeter.budgets.throttling.turn import ThrottleTurn
from modelmeter.budgets.turn import BudgetTurn
from modelmeter.ledger.reservations import Ends, Opening, Refused
from modelmeter.ledger.series import SeriesTally

__all__ = ["Gates", "GatesTurn"]


class Gates:
    """What the ledger's writer asks; see `modelmeter.ledger.reservations.Reservations`."""

    def __init__(self, budgets: BudgetDesk, throttles: ThrottleDesk) -> None:
        self.budgets = budgets
        self.throttles = throttles

    @property
    def active(self) -> bool:
        """There is something to hold for."""
        return self.budgets.active or self.throttles.active

    @property
    def changing(self) -> bool:
        """What there is to hold for has been changed; a transaction has yet to take it up."""
        return self.budgets.changing

    def wakes(self, connection: sqlite3.Connection) -> bool:
        """Inside a transaction: there is something to hold for."""
        return self.budgets.wakes(connection) or self.throttles.active

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Take up changed budgets."""
        self.budgets.refresh(connection)

    def close(self) -> None:
        """The ledger is closed."""
        self.budgets.close()

    def turn(self, connection: sqlite3.Connection, *, owner: str, now_ns: int) -> "GatesTurn":
        """The part of a transaction that has begun."""
        budgets = self.budgets.turn(connection, owner=owner, now_ns=now_ns)
        throttles = (
            self.throttles.turn(connection, now_ns=now_ns) if self.throttles.active else None
        )
        return GatesTurn(budgets, throttles)


class GatesTurn:
    """See `modelmeter.ledger.reservations.Turn`: first the throttles, then the budgets."""

    def __init__(self, budgets: BudgetTurn, throttles: ThrottleTurn | None) -> None:
        self._budgets = budgets
        self._throttles = throttles

    def take(self, openings: Sequence[Opening], ends: Ends) -> list[Refused]:
        """See `Turn.take`; what one side refuses uses up nothing on the other."""
        if self._throttles is None:
            return self._budgets.take(openings, ends)
        refused = self._throttles.take(openings, ends)
        throttled = {one.intent.id for one in refused}
        let_through = [one for one in openings if one.intent.id not in throttled]
        stopped = self._budgets.take(let_through, ends)
        self._throttles.withdraw([*(one.intent.id for one in stopped), *ends.withdrawn])
        return refused + stopped

    def write(self, tally: SeriesTally) -> None:
        """See `Turn.write`."""
        self._budgets.write(tally)
        if self._throttles is not None:
            self._throttles.write()

    def committed(self) -> None:
        """See `Turn.committed`."""
        self._budgets.committed()
