"""What ``/metrics`` shows of the price catalogue: how new it is, and whether it stands in."""

import os
from datetime import UTC, date, datetime, time

from modelmeter.metrics import ProcessSample
from modelmeter.metrics.names import CATALOGUE_FALLBACK, CATALOGUE_TIMESTAMP
from modelmeter.pricing import PriceBook
from modelmeter.pricing.catalogue_file import CatalogueData, newest_change
from modelmeter.record import Clock

__all__ = ["CatalogueSamples", "catalogue_samples"]

_NS = 1_000_000_000


class CatalogueSamples:
    """The samples of the catalogue that a book prices by now."""

    def __init__(self, book: PriceBook, clock: Clock) -> None:
        self._book = book
        self._clock = clock
        self._of: tuple[CatalogueData, date] | None = None
        self._samples: list[ProcessSample] = []

    def samples(self) -> list[ProcessSample]:
        """As they stand; a catalogue is looked through once a day, and when it is another."""
        catalogue = self._book.catalogue
        today = datetime.fromtimestamp(self._clock.time_ns() // _NS, UTC).date()
        if self._of is None or self._of[0] is not catalogue or self._of[1] != today:
            self._of = catalogue, today
            self._samples = catalogue_samples(catalogue, today)
        return self._samples


def catalogue_samples(catalogue: CatalogueData, today: date) -> list[ProcessSample]:
    """The samples of a catalogue; its source and this process are labels."""
    newest = newest_change(catalogue, today)
    known_at = 0.0
    if newest is not None:
        known_at = datetime.combine(newest, time(), tzinfo=UTC).timestamp()
    labels = (catalogue.source, str(os.getpid()))
    return [
        CATALOGUE_TIMESTAMP.sample(known_at, *labels),
        CATALOGUE_FALLBACK.sample(float(catalogue.fallback is not None), *labels),
    ]
