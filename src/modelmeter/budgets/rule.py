"""A budget as the writer of the ledger works with it."""

from modelmeter.budgets.definitions import StoredBudget
from modelmeter.budgets.windows import Slice, counted_from, slice_of
from modelmeter.record import pico_usd

__all__ = ["Rule", "Told"]

TOLD_MAX = 1000
"""Events of a budget that are remembered as written; the ledger itself knows them all."""

Told = set[tuple[int, int]]


class Rule:
    """A stored budget, with what is worth computing once."""

    __slots__ = ("_limit", "_limit_with_extra", "_slice", "budget", "id", "rolls", "stored", "told")

    def __init__(self, stored: StoredBudget, told: Told | None = None) -> None:
        self.stored = stored
        self.id = stored.id
        self.budget = stored.budget
        self.rolls = stored.budget.window.rolls
        self.told: Told = set() if told is None else told
        """Starts of windows, and thresholds of which the ledger has an event."""
        self._limit = pico_usd(self.budget.limit)
        self._limit_with_extra = pico_usd(self.budget.limit + self.budget.extra)
        self._slice = Slice(0, 0)

    def limit_at(self, at_ns: int) -> int:
        """See `Budget.limit_at`."""
        until_ns = self.budget.extra_until_ns
        return self._limit if until_ns is None or at_ns >= until_ns else self._limit_with_extra

    def slice_of(self, at_ns: int) -> Slice:
        """The slice in which a moment lies; mostly the one that was asked for before."""
        if not self._slice.holds(at_ns):
            self._slice = slice_of(self.budget.window, at_ns)
        return self._slice

    def counted_from(self, at_ns: int) -> int:
        """The start of the first slice that counts at a moment."""
        if self.rolls:
            return counted_from(self.budget.window, at_ns)
        return self.slice_of(at_ns).start_ns

    def tell(self, events: Told) -> None:
        """Remember events that are in the ledger now."""
        if len(self.told) + len(events) > TOLD_MAX:
            self.told.clear()
        self.told |= events
