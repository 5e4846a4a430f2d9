"""What a transaction asks of whoever holds amounts for calls under way: the seam to budgets."""

import sqlite3
from collections.abc import Sequence
from typing import Protocol

import msgspec

from modelmeter.errors import BudgetExceededError, ThrottledError
from modelmeter.ledger.series import SeriesTally
from modelmeter.record import Call, Intent

__all__ = ["Ends", "Opening", "Refused", "Reservations", "Turn"]


class Opening(msgspec.Struct, frozen=True):
    """A call about to be made that budgets or throttles apply to: its intent has a bound."""

    intent: Intent
    downgraded_by: str | None = None
    """The budget for whose sake another model is asked than was requested."""
    asks_again: bool = False
    """A refusal is not the last word: the call waits for its turn, or lowers its limit."""
    takes_other_model: bool = True
    """Whoever asks can ask a cheaper model instead; if not, a downgrade is a refusal."""


class Refused(msgspec.Struct, frozen=True):
    """An opening that must not become a call."""

    intent: Intent
    error: BudgetExceededError | ThrottledError
    entry: Call | None
    """What the ledger keeps of it; None if the call will be asked for again."""


class Ends(msgspec.Struct, frozen=True):
    """What ends in a transaction, or never was open."""

    settled: Sequence[Call]
    """Outcomes of calls that were open."""
    recorded: Sequence[Call]
    """Entries of calls that never were."""
    withdrawn: Sequence[str]
    """Intents of calls that were not made; they may be among the openings."""


class Turn(Protocol):
    """The part of one transaction; what it has learnt counts once `committed` is called."""

    def take(self, openings: Sequence[Opening], ends: Ends) -> list[Refused]:
        """
        Give back the holds of what ends and count it; then hold for each opening, or refuse it.

        An opening is decided over all its budgets at once, one opening after the other.
        """
        ...

    def write(self, tally: SeriesTally) -> None:
        """Write everything, as the last thing before the commit."""
        ...

    def committed(self) -> None:
        """The transaction is on the disk."""
        ...


class Reservations(Protocol):
    """
    The budgets and throttles of a ledger, as its writer sees them.

    Raises:
        sqlite3.Error: from any of these, the ledger cannot be read or written now.
    """

    def wakes(self, connection: sqlite3.Connection) -> bool:
        """Inside a transaction: there is something to hold for; if not, nothing else is done."""
        ...

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Take up what another process or a command has changed."""
        ...

    def turn(self, connection: sqlite3.Connection, *, owner: str, now_ns: int) -> Turn:
        """The part of a transaction that has begun."""
        ...

    def close(self) -> None:
        """No further transaction begins."""
        ...
