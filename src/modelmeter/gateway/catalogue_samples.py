"""What ``/metrics`` shows of the price catalogue: how new it is, and whether it stands in."""

from datetime import UTC, date, datetime, time

from modelmeter.metrics import ProcessSample
from modelmeter.pricing.catalogue_file import CatalogueData, newest_change

__all__ = ["catalogue_samples"]


def catalogue_samples(catalogue: CatalogueData, today: date) -> list[ProcessSample]:
    """The samples of a catalogue; its source is a label."""
    newest = newest_change(catalogue, today)
    known_at = 0.0
    if newest is not None:
        known_at = datetime.combine(newest, time(), tzinfo=UTC).timestamp()
    source = (("source", catalogue.source),)
    return [
        ProcessSample(
            "modelmeter_price_catalogue_timestamp_seconds",
            "gauge",
            "The day of the newest change of a price that the catalogue knows.",
            known_at,
            source,
        ),
        ProcessSample(
            "modelmeter_price_catalogue_fallback",
            "gauge",
            "1 while the catalogue of the configuration cannot be used and another stands in.",
            float(catalogue.fallback is not None),
            source,
        ),
    ]
