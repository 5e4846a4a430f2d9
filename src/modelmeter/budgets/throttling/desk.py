"""The throttles of a configuration as a process knows them: which apply to a call."""

import sqlite3
from collections.abc import Callable, Sequence

from modelmeter.budgets.budget import Who
from modelmeter.budgets.throttling.throttle import Throttle
from modelmeter.budgets.throttling.turn import ThrottleTurn
from modelmeter.record import Call, ErrorType, Intent

__all__ = ["MATCHES_MAX", "ThrottleDesk"]

MATCHES_MAX = 10_000
"""Callers and models whose throttles are remembered; then the memory starts anew."""


class ThrottleDesk:
    """Gives each of the ledger's transactions its part for throttles."""

    def __init__(
        self,
        throttles: Sequence[Throttle],
        refused_call: Callable[[Intent, ErrorType, str], Call],
    ) -> None:
        self._throttles = tuple(throttles)
        self._refused_call = refused_call
        self._matches: dict[Who, tuple[Throttle, ...]] = {}

    @property
    def active(self) -> bool:
        """There are throttles."""
        return bool(self._throttles)

    def applying(self, who: Who) -> tuple[Throttle, ...]:
        """The throttles that count a call of ``who``; safe in any thread."""
        found = self._matches.get(who)
        if found is None:
            found = tuple(one for one in self._throttles if one.scope.matches(who))
            if len(self._matches) >= MATCHES_MAX:
                self._matches = {}
            self._matches[who] = found
        return found

    def turn(self, connection: sqlite3.Connection, *, now_ns: int) -> ThrottleTurn:
        """The part of a transaction that has begun."""
        return ThrottleTurn(
            connection, self.applying, now_ns=now_ns, refused_call=self._refused_call
        )
