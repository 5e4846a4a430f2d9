"""Whether the windows of budgets equal the entries and holds they stand for: they must."""

import logging
from pathlib import Path

import msgspec

from modelmeter.budgets.definitions import StoredBudget, read_budgets
from modelmeter.budgets.sums import NOTHING, Place, newest_place, settled_in
from modelmeter.budgets.windows import LAST_NS, Slice, counted_from, slice_of
from modelmeter.ledger.read_only import connect_reader
from modelmeter.record import PICO_PER_USD, Clock, usd_text

__all__ = ["DriftCheck"]

logger = logging.getLogger(__name__)

_WINDOWS = """
SELECT coalesce(sum(settled_whole), 0), coalesce(sum(settled_pico), 0),
    coalesce(sum(reserved_whole), 0), coalesce(sum(reserved_pico), 0)
FROM budget_window WHERE budget_id = ? AND start_ns >= ? AND start_ns < ?
"""
_HOLDS = """
SELECT coalesce(sum(whole), 0), coalesce(sum(pico), 0)
FROM budget_hold WHERE budget_id = ? AND start_ns >= ? AND start_ns < ?
"""


class _Counted(msgspec.Struct, frozen=True):
    span: Slice
    upto: Place
    settled: int


class DriftCheck:
    """
    Adds the entries up by itself, the new ones at each check, and compares.

    To be used by one thread at a time.
    """

    def __init__(self, ledger_path: Path, clock: Clock) -> None:
        """
        Raises:
            LedgerError: the ledger cannot be read.
        """
        self._connection = connect_reader(ledger_path)
        self._clock = clock
        self._counted: dict[int, _Counted] = {}

    def interrupt(self) -> None:
        """End a check that another thread makes, with an error."""
        self._connection.interrupt()

    def close(self) -> None:
        """Release the ledger."""
        self._connection.close()

    def check(self) -> dict[str, int]:
        """
        By how much each budget differs in its window of now, in 1e-12 of its unit: 0.

        Raises:
            sqlite3.Error: the ledger cannot be read now.
        """
        connection = self._connection
        connection.execute("BEGIN")
        try:
            now_ns = self._clock.time_ns()
            newest = newest_place(connection)
            budgets = read_budgets(connection)
            kept = {stored.id for stored in budgets}
            self._counted = {n: one for n, one in self._counted.items() if n in kept}
            drifts = {one.budget.name: self._drift(one, newest, now_ns) for one in budgets}
        finally:
            connection.execute("ROLLBACK")
        for name, drift in drifts.items():
            if drift:
                logger.error("budget %s differs from the ledger by %s", name, usd_text(drift))
        return drifts

    def _drift(self, stored: StoredBudget, newest: Place, now_ns: int) -> int:
        budget = stored.budget
        span = slice_of(budget.window, now_ns)
        if budget.window.rolls:
            span = Slice(counted_from(budget.window, now_ns), LAST_NS)
        span = Slice(max(span.start_ns, stored.counted_from_ns), span.end_ns)
        before = self._counted.get(stored.id)
        if before is None or before.span != span:
            before = _Counted(span, NOTHING, 0)
        settled = before.settled + settled_in(
            self._connection,
            budget,
            span.start_ns,
            span.end_ns,
            after=before.upto,
            upto=newest,
        )
        self._counted[stored.id] = _Counted(span, newest, settled)
        place = (stored.id, span.start_ns, span.end_ns)
        ((whole, pico, held, held_pico),) = self._connection.execute(_WINDOWS, place).fetchall()
        ((hold, hold_pico),) = self._connection.execute(_HOLDS, place).fetchall()
        of_entries = int(whole * PICO_PER_USD + pico - settled)
        of_holds = int((held - hold) * PICO_PER_USD + held_pico - hold_pico)
        return abs(of_entries) + abs(of_holds)
