"""What a gateway's process counts for itself, beside what the ledger knows."""

import os
from collections.abc import Iterator

import msgspec

from modelmeter.cache import ResponseCache
from modelmeter.gateway.catalogue_samples import CatalogueSamples
from modelmeter.gateway.refusals import RefusalCounts
from modelmeter.ledger import LedgerWriter
from modelmeter.metrics import ProcessSample
from modelmeter.metrics.names import REFUSED_REQUESTS
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
        process = ("pid", str(os.getpid()))
        own = [
            msgspec.structs.replace(sample, labels=(*sample.labels, process))
            for sample in (*self._ledger(), *self._requests(), *self.catalogue.samples())
        ]
        return [*own, *circuit_samples(self.circuits)]

    def _ledger(self) -> Iterator[ProcessSample]:
        writer = self.writer
        yield ProcessSample(
            "modelmeter_ledger_queue_length",
            "gauge",
            "Writes that wait for the ledger, in this process.",
            writer.queue_length,
        )
        for name, help_text, count in (
            ("ledger_commits", "Transactions of this process.", writer.commits),
            ("ledger_failures", "Transactions of this process that failed.", writer.failures),
            ("ledger_conflicts", "Second outcomes of a call that were refused.", writer.conflicts),
            (
                "recovered_calls",
                "Calls of ended processes that this one entered as unknown.",
                writer.recovered,
            ),
        ):
            yield _counter(name, help_text, count)

    def _requests(self) -> Iterator[ProcessSample]:
        yield _counter(
            "unmetered_calls",
            "Calls this process passed on while the ledger could not commit.",
            self.refusals.unmetered,
        )
        for code, count in sorted(self.refusals.by_code.items()):
            yield ProcessSample(
                REFUSED_REQUESTS.name,
                REFUSED_REQUESTS.type,
                REFUSED_REQUESTS.help,
                count,
                (("code", code),),
            )
        if self.cache is not None:
            yield _counter(
                "cache_failures",
                "Requests of this process that the response cache's store did not answer.",
                self.cache.failures,
            )


def _counter(name: str, help_text: str, count: int) -> ProcessSample:
    return ProcessSample(f"modelmeter_{name}_total", "counter", help_text, count)
