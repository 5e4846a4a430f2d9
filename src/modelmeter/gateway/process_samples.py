"""What a gateway's process counts for itself, beside what the ledger knows."""

import os
from collections.abc import Iterator

import msgspec

from modelmeter.cache import ResponseCache
from modelmeter.gateway.catalogue_samples import CatalogueSamples
from modelmeter.gateway.refusals import RefusalCounts
from modelmeter.ledger import LedgerWriter
from modelmeter.metrics import ProcessSample
from modelmeter.metrics.names import (
    CACHE_FAILURES,
    LEDGER_COMMITS,
    LEDGER_CONFLICTS,
    LEDGER_FAILURES,
    LEDGER_QUEUE_LENGTH,
    RECOVERED_CALLS,
    REFUSED_REQUESTS,
    UNMETERED_CALLS,
)
from modelmeter.service.circuit import Circuits
from modelmeter.service.circuit_samples import circuit_samples

__all__ = ["ProcessCounts"]


class ProcessCounts(msgspec.Struct, frozen=True):
    """The parts of a process that count something."""

    writer: LedgerWriter
    refusals: RefusalCounts
    circuits: Circuits
    cache: ResponseCache | None
    catalogue: CatalogueSamples

    def samples(self) -> list[ProcessSample]:
        """All of them as they stand now."""
        # Each worker counts for itself; without a label their counters would be taken for one.
        pid = str(os.getpid())
        return [
            *self._ledger(pid),
            *self._requests(pid),
            *self.catalogue.samples(),
            *circuit_samples(self.circuits),
        ]

    def _ledger(self, pid: str) -> Iterator[ProcessSample]:
        writer = self.writer
        for metric, count in (
            (LEDGER_QUEUE_LENGTH, writer.queue_length),
            (LEDGER_COMMITS, writer.commits),
            (LEDGER_FAILURES, writer.failures),
            (LEDGER_CONFLICTS, writer.conflicts),
            (RECOVERED_CALLS, writer.recovered),
        ):
            yield metric.sample(count, pid)

    def _requests(self, pid: str) -> Iterator[ProcessSample]:
        yield UNMETERED_CALLS.sample(self.refusals.unmetered, pid)
        for code, count in sorted(self.refusals.by_code.items()):
            yield REFUSED_REQUESTS.sample(count, code, pid)
        if self.cache is not None:
            yield CACHE_FAILURES.sample(self.cache.failures, pid)
