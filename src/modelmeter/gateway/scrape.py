"""What ``/metrics`` shows: the ledger's series, and a few numbers of this process."""

import asyncio
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from modelmeter import __version__
from modelmeter.cache import ResponseCache
from modelmeter.errors import LedgerUnavailableError
from modelmeter.gateway.budget_samples import BudgetWatch, budget_samples
from modelmeter.gateway.catalogue_samples import catalogue_samples
from modelmeter.gateway.refusals import RefusalCounts
from modelmeter.ledger import Ledger
from modelmeter.ledger.read_only import connect_reader
from modelmeter.ledger.series_reader import read_series
from modelmeter.metrics import Exposition, ProcessSample
from modelmeter.pricing.catalogue_file import CatalogueData
from modelmeter.record import Clock
from modelmeter.service.circuit import Circuits
from modelmeter.service.circuit_samples import circuit_samples

__all__ = ["Scrape"]

_NS = 1_000_000_000
_HELD_INTERVALS = 2
_HELD_EXTRA_SECONDS = 1.0


class Scrape:
    """Renders the metrics in a thread of their own, one scrape at a time."""

    def __init__(
        self,
        ledger_path: Path,
        ledger: Ledger,
        refusals: RefusalCounts,
        circuits: Circuits,
        clock: Clock,
        *,
        scrape_interval_seconds: float,
        cache: ResponseCache | None = None,
        budgets: BudgetWatch | None = None,
        catalogue: CatalogueData | None = None,
    ) -> None:
        """
        Raises:
            LedgerError: the ledger cannot be read.
        """
        self._connection = connect_reader(ledger_path)
        self._ledger = ledger
        self._refusals = refusals
        self._circuits = circuits
        self._cache = cache
        self._budgets = budgets
        self._catalogue_samples: list[ProcessSample] = []
        if catalogue is not None:
            today = datetime.fromtimestamp(clock.time_ns() // _NS, UTC).date()
            self._catalogue_samples = catalogue_samples(catalogue, today)
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
        samples = self._process()
        if self._budgets is not None:
            samples += budget_samples(self._connection, now_ns, self._budgets.drifts)
        return self._exposition.render(snapshot, now_ns, accept, process=samples)

    def _process(self) -> list[ProcessSample]:
        writer = self._ledger.writer
        samples = [
            ProcessSample(
                "modelmeter_ledger_queue_length",
                "gauge",
                "Writes that wait for the ledger, in this process.",
                writer.queue_length,
            ),
            ProcessSample(
                "modelmeter_ledger_commits_total",
                "counter",
                "Transactions of this process.",
                writer.commits,
            ),
            ProcessSample(
                "modelmeter_ledger_failures_total",
                "counter",
                "Transactions of this process that failed.",
                writer.failures,
            ),
            ProcessSample(
                "modelmeter_ledger_conflicts_total",
                "counter",
                "Second outcomes of a call that were refused.",
                writer.conflicts,
            ),
            ProcessSample(
                "modelmeter_recovered_calls_total",
                "counter",
                "Calls of ended processes that this one entered as unknown.",
                writer.recovered,
            ),
        ]
        samples.append(
            ProcessSample(
                "modelmeter_unmetered_calls_total",
                "counter",
                "Calls this process passed on while the ledger could not commit.",
                self._refusals.unmetered,
            )
        )
        samples += [
            ProcessSample(
                "modelmeter_refused_requests_total",
                "counter",
                "Requests this process refused, by error code.",
                count,
                (("code", code),),
            )
            for code, count in sorted(self._refusals.by_code.items())
        ]
        samples += self._catalogue_samples
        if self._cache is not None:
            samples.append(
                ProcessSample(
                    "modelmeter_cache_failures_total",
                    "counter",
                    "Requests of this process that the response cache's store did not answer.",
                    self._cache.failures,
                )
            )
        # Each worker counts for itself; without a label their counters would be taken for one.
        process = ("pid", str(os.getpid()))
        own = [
            msgspec.structs.replace(sample, labels=(*sample.labels, process)) for sample in samples
        ]
        return own + circuit_samples(self._circuits)
