"""What ``/metrics`` shows: the ledger's series, and a few numbers of this process."""

import asyncio
import sqlite3
from pathlib import Path

from modelmeter import __version__
from modelmeter.errors import LedgerUnavailableError
from modelmeter.gateway.budget_samples import BudgetWatch, budget_samples
from modelmeter.gateway.process_samples import ProcessCounts
from modelmeter.ledger.read_only import connect_reader
from modelmeter.ledger.series_reader import read_series
from modelmeter.metrics import Exposition
from modelmeter.record import Clock

__all__ = ["Scrape"]

_NS = 1_000_000_000
_HELD_INTERVALS = 2
_HELD_EXTRA_SECONDS = 1.0


class Scrape:
    """Renders the metrics in a thread of their own, one scrape at a time."""

    def __init__(
        self,
        ledger_path: Path,
        counts: ProcessCounts,
        budgets: BudgetWatch,
        clock: Clock,
        *,
        scrape_interval_seconds: float,
    ) -> None:
        """
        Raises:
            LedgerError: the ledger cannot be read.
        """
        self._connection = connect_reader(ledger_path)
        self._counts = counts
        self._budgets = budgets
        self._clock = clock
        hold_seconds = _HELD_INTERVALS * scrape_interval_seconds + _HELD_EXTRA_SECONDS
        self._exposition = Exposition(hold_ns=int(hold_seconds * _NS), version=__version__)
        self._turn = asyncio.Lock()

    async def render(self, accept: str) -> tuple[bytes, str]:
        """
        The exposition and its content type.

        Raises:
            LedgerUnavailableError: the ledger cannot be read now.
        """
        async with self._turn:
            try:
                return await asyncio.to_thread(self._render, accept)
            except sqlite3.Error as error:
                raise LedgerUnavailableError(f"cannot read the ledger: {error}") from error

    def close(self) -> None:
        """Release the ledger."""
        self._connection.close()

    def _render(self, accept: str) -> tuple[bytes, str]:
        now_ns = self._clock.time_ns()
        snapshot = read_series(self._connection)
        samples = self._counts.samples()
        samples += budget_samples(self._connection, now_ns, self._budgets.drifts)
        return self._exposition.render(snapshot, now_ns, accept, process=samples)
