"""Which prices a model had when, and how the prices of two days differ."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time

import msgspec

from modelmeter.pricing.book import PriceBook
from modelmeter.pricing.quote import Quote

__all__ = ["Difference", "Period", "differences", "price_history", "quote_on"]


class Period(msgspec.Struct, frozen=True):
    """A price, and the days for which it holds."""

    since: date | None
    """None: from the beginning."""
    until: date | None
    """The first day of another price; None: to the end of what is known."""
    quote: Quote


class Difference(msgspec.Struct, frozen=True):
    """A model whose price is not the same on two days."""

    provider: str
    model: str
    before: Quote
    after: Quote


def price_history(
    book: PriceBook, provider: str, model: str, *, tier: str | None, region: str | None
) -> list[Period]:
    """The prices of a model by their days, oldest first; days with equal prices are one period."""
    cuts = [None, *sorted(book.change_days(provider, model))]
    periods: list[Period] = []
    for since, until in zip(cuts, [*cuts[1:], None], strict=True):
        quote = quote_on(book, provider, model, since or _before(until), tier=tier, region=region)
        last = periods[-1] if periods else None
        if last is not None and _same(last.quote, quote):
            periods[-1] = Period(last.since, until, last.quote)
        else:
            periods.append(Period(since, until, quote))
    return periods


def differences(
    book: PriceBook, providers: tuple[str, ...], first: date, second: date
) -> Iterator[Difference]:
    """The models whose price is another on the second day, or known on one of them only."""
    for provider in providers:
        for model in book.listed_ids(provider):
            if "*" in model:
                continue
            before = quote_on(book, provider, model, first)
            after = quote_on(book, provider, model, second)
            if not _same(before, after):
                yield Difference(provider, model, before, after)


def quote_on(
    book: PriceBook,
    provider: str,
    model: str,
    day: date,
    *,
    tier: str | None = None,
    region: str | None = None,
) -> Quote:
    """The price at noon of a day (UTC)."""
    at_ns = int(datetime.combine(day, time(12), tzinfo=UTC).timestamp()) * 10**9
    return book.quote(provider, model, at_ns, service_tier=tier, region=region)


def _before(until: date | None) -> date:
    return date(2020, 1, 1) if until is None else date.fromordinal(until.toordinal() - 1)


def _same(one: Quote, other: Quote) -> bool:
    return (one.rates, one.state) == (other.rates, other.state)
