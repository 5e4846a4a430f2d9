"""The budgets of a ledger as a process knows them: which apply to a call, and who decides."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from modelmeter.budgets.budget import Budget, Who
from modelmeter.budgets.definitions import StoredBudget, read_budgets, read_revision
from modelmeter.budgets.revision import RevisionFile
from modelmeter.budgets.rule import Rule
from modelmeter.budgets.turn import BudgetTurn
from modelmeter.record import Call, ErrorType, Intent
from modelmeter.settings.limits import Limits

__all__ = ["MATCHES_MAX", "BudgetDesk"]

MATCHES_MAX = 10_000
"""Callers and models whose budgets are remembered; then the memory starts anew."""

_DEFAULTS = Limits()

RefusedCall = Callable[[Intent, ErrorType, str], Call]


class BudgetDesk:
    """
    Holds and settles inside the ledger's transactions; see `modelmeter.ledger.reservations`.

    The writer's thread refreshes it; event loops ask which budgets apply to a call.
    """

    def __init__(
        self, ledger_path: Path, refused_call: RefusedCall, limits: Limits = _DEFAULTS
    ) -> None:
        """
        Raises:
            LedgerUnavailableError: the file beside the ledger cannot be written.
        """
        self._refused_call = refused_call
        self._held_retry_after_seconds = limits.budget_retry_after_seconds
        self._revision_file = RevisionFile(ledger_path)
        self._seen = b""
        self._revision = -1
        self._rules: tuple[Rule, ...] = ()
        self._matches: dict[Who, tuple[Rule, ...]] = {}

    @property
    def active(self) -> bool:
        """There are budgets."""
        return bool(self._rules)

    @property
    def changing(self) -> bool:
        """The budgets have been changed since a transaction last took them up."""
        return self._revision_file.read() != self._seen

    def applying(self, who: Who) -> tuple[Budget, ...]:
        """The budgets that count a call of ``who``."""
        return tuple(rule.budget for rule in self._match(who))

    def wakes(self, connection: sqlite3.Connection) -> bool:
        """Inside a transaction: there are budgets, with what others have changed taken up."""
        seen = self._revision_file.read()
        if seen != self._seen:
            self.refresh(connection)
            self._seen = seen
        return bool(self._rules)

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Take up changed budgets."""
        revision = read_revision(connection)
        if revision != self._revision:
            self._take(read_budgets(connection))
            self._revision = revision

    def turn(self, connection: sqlite3.Connection, *, owner: str, now_ns: int) -> BudgetTurn:
        """The part of a transaction that has begun; no other process changes anything in it."""
        return BudgetTurn(
            connection,
            {rule.id: rule for rule in self._rules},
            self._match,
            owner=owner,
            now_ns=now_ns,
            refused_call=self._refused_call,
            held_retry_after_seconds=self._held_retry_after_seconds,
        )

    def close(self) -> None:
        """The ledger is closed: nothing changes any more."""
        self._revision_file.close()

    def _take(self, budgets: Sequence[StoredBudget]) -> None:
        told = {rule.id: rule.told for rule in self._rules}
        rules = tuple(Rule(stored, told.get(stored.id)) for stored in budgets)
        # An event loop may be between these two: it asks the old rules once more, at most.
        self._rules = rules
        self._matches = {}

    def _match(self, who: Who) -> tuple[Rule, ...]:
        matches = self._matches
        found = matches.get(who)
        if found is None:
            found = tuple(rule for rule in self._rules if rule.budget.scope.matches(who))
            if len(matches) >= MATCHES_MAX:
                matches.clear()
            matches[who] = found
        return found
