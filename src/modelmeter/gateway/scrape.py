"""What ``/metrics`` shows: the ledger's series, and a few numbers of this process."""

import asyncio
import logging
import sqlite3
from pathlib import Path

import msgspec

from modelmeter import __version__
from modelmeter.errors import LedgerUnavailableError
from modelmeter.gateway.budget_samples import BudgetWatch, budget_samples
from modelmeter.gateway.process_samples import ProcessCounts
from modelmeter.ledger import Ledger
from modelmeter.ledger.read_only import connect_reader
from modelmeter.ledger.series_reader import SeriesSnapshot, read_series
from modelmeter.ledger.session_secret import ledger_id
from modelmeter.metrics import BirthHold, Exposition
from modelmeter.metrics.names import LEDGER_INFO, SCRAPE_INTERVAL
from modelmeter.record import Clock

__all__ = ["Scrape"]

logger = logging.getLogger(__name__)

SHOWN_WAIT_SECONDS = 2.0
"""How long a scrape waits for the ledger: Prometheus gives a scrape up after 10 seconds."""


class Scrape:
    """Renders the metrics in a thread of their own, one scrape at a time."""

    def __init__(
        self,
        ledger: Ledger,
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
        self._ledger = ledger
        self._connection = connect_reader(ledger_path)
        self._counts = counts
        self._budgets = budgets
        self._clock = clock
        self._interval_seconds = scrape_interval_seconds
        self._hold = BirthHold(clock, scrape_interval_seconds=scrape_interval_seconds)
        self._exposition = Exposition(version=__version__)
        self._turn = asyncio.Lock()

    async def render(self, accept: str) -> tuple[bytes, str]:
        """
        The exposition and its content type.

        Raises:
            LedgerUnavailableError: the ledger cannot be read now.
        """
        async with self._turn:
            now_ns = self._clock.time_ns()
            try:
                snapshot = await asyncio.to_thread(read_series, self._connection)
                snapshot = await self._shown(snapshot)
                return await asyncio.to_thread(self._render, snapshot, now_ns, accept)
            except sqlite3.Error as error:
                raise LedgerUnavailableError(f"cannot read the ledger: {error}") from error

    def close(self) -> None:
        """Release the ledger."""
        self._connection.close()

    async def _shown(self, snapshot: SeriesSnapshot) -> SeriesSnapshot:
        """With what is to be shown from now on; for no other process may show it at 0 again."""
        until_ns = self._hold.newly_shown_until_ns(snapshot)
        if until_ns is None:
            return snapshot
        try:
            async with asyncio.timeout(SHOWN_WAIT_SECONDS):
                await self._ledger.show_series(until_ns)
        except LedgerUnavailableError as error:
            logger.warning("new series stay at 0: %s", error)
            return snapshot
        except TimeoutError:
            logger.warning("new series stay at 0: the ledger did not commit in time")
            return snapshot
        return msgspec.structs.replace(snapshot, shown_until_ns=until_ns)

    def _render(self, snapshot: SeriesSnapshot, now_ns: int, accept: str) -> tuple[bytes, str]:
        samples = [
            LEDGER_INFO.sample(1, ledger_id(self._connection)),
            SCRAPE_INTERVAL.sample(self._interval_seconds),
            *self._counts.samples(),
        ]
        samples += budget_samples(self._connection, now_ns, self._budgets.drifts)
        return self._exposition.render(snapshot, accept, process=samples)
