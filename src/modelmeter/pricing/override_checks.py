"""Overrides that can never match, as far as only a catalogue can tell."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from modelmeter.pricing.override_terms import wrong_terms
from modelmeter.settings.globs import globs_meet
from modelmeter.settings.model import ProviderSettings
from modelmeter.settings.prices import DiscountSettings, PriceSettings, ToolFeeSettings

if TYPE_CHECKING:
    from datetime import date

    from modelmeter.pricing.book import PriceBook

__all__ = ["unmatched_overrides"]

Place = tuple[str | int, ...]


def unmatched_overrides(
    prices: PriceSettings, providers: Mapping[str, ProviderSettings], book: "PriceBook"
) -> Iterator[tuple[Place, str]]:
    """Places in ``[prices]`` that name what no catalogue and no other entry knows, and why."""
    yield from wrong_terms(prices.models, providers)
    narrowed: tuple[tuple[str, Sequence[DiscountSettings | ToolFeeSettings]], ...] = (
        ("discounts", prices.discounts),
        ("tool_fees", prices.tool_fees),
    )
    for kind, entries in narrowed:
        for index, entry in enumerate(entries):
            names = [
                *book.listed_ids(entry.provider),
                *(
                    glob
                    for own in prices.models
                    if own.provider == entry.provider
                    for glob in own.models
                ),
            ]
            for glob in entry.models:
                if not _can_match(glob, entry.provider, names, book):
                    yield (
                        ("prices", kind, index, "models"),
                        f"{glob!r} matches no model of {entry.provider!r} that has a price",
                    )
    for index, deployment in enumerate(prices.deployments):
        at_ns = _ns(deployment.since, deployment.until)
        if not book.knows(deployment.provider, deployment.model, at_ns):
            yield (
                ("prices", "deployments", index, "model"),
                f"{deployment.model!r} has no known price at {deployment.provider!r}",
            )


def _can_match(glob: str, provider: str, names: list[str], book: "PriceBook") -> bool:
    if any(globs_meet(glob.lower(), name.lower()) for name in names):
        return True
    # An alias, a dated version or a profile that no list has: a lookup knows it.
    return "*" not in glob and "?" not in glob and book.lists(provider, glob)


def _ns(since: "date | None", until: "date | None") -> int:
    """A moment in a span of days: its first day, else its last, else today."""
    if since is not None:
        day = since
    elif until is not None:
        day = until - timedelta(days=1)
    else:
        day = datetime.now(UTC).date()
    return int(datetime.combine(day, time(), tzinfo=UTC).timestamp()) * 10**9
