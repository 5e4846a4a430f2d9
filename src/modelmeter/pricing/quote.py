"""What a call costs and why: the price of one model at one time, applied to tokens."""

from bisect import bisect_right

import msgspec

from modelmeter.pricing.rates import PriceLine, Rates
from modelmeter.record import CostState, PicoUsd, TokenCounts, usd_text

__all__ = ["DayQuotes", "Price", "Quote"]


class Price(msgspec.Struct, frozen=True):
    """The cost of one call."""

    cost: PicoUsd
    """0 while ``state`` is unpriced."""
    state: CostState
    """Unpriced where a used kind of token has no price; estimated where its tier has none."""
    priced_model: str | None
    """The catalogue's id of the model whose price was taken."""
    price_source: str | None
    """Catalogue, version, listing and from when the price holds."""
    note: str | None
    """Why the price is not what was asked for, for people."""


class Quote(msgspec.Struct, frozen=True):
    """The price of one model at one time; without rates, why there is none."""

    rates: Rates | None
    state: CostState
    priced_model: str | None = None
    price_source: str | None = None
    note: str | None = None

    @classmethod
    def unknown(cls, note: str) -> "Quote":
        """The quote for what has no known price."""
        return cls(rates=None, state=CostState.UNPRICED, note=note)

    def price(self, tokens: TokenCounts, web_searches: int = 0) -> Price:
        """Apply the quote to a call's tokens and searches."""
        rates = self.rates
        if rates is None:
            return _unpriced(self.note)
        if rates.unpriced_kinds and (kinds := rates.unpriced_in(tokens)):
            return _unpriced(f"{self.price_source} has no price for {', '.join(kinds)} tokens")
        cost = rates.charge(tokens)
        if cost is None:
            return _unpriced("a token count is negative")
        if web_searches:
            return self._with_searches(cost, rates, web_searches)
        return Price(cost, self.state, self.priced_model, self.price_source, self.note)

    def lines(self, tokens: TokenCounts) -> list[PriceLine]:
        """What each kind of token costs; empty if no price is known."""
        return [] if self.rates is None else self.rates.lines(tokens)

    def _with_searches(self, cost: PicoUsd, rates: Rates, web_searches: int) -> Price:
        fee = rates.search_fee
        if fee is None:
            note = f"{self.price_source} has no price for the call's web searches"
            return Price(cost, CostState.ESTIMATED, self.priced_model, self.price_source, note)
        source = f"{self.price_source}; {web_searches} web searches at {usd_text(fee)} USD"
        total = PicoUsd(cost + web_searches * fee)
        return Price(total, self.state, self.priced_model, source, self.note)


class DayQuotes(msgspec.Struct, frozen=True):
    """The quotes of one model for one day (UTC)."""

    starts_ns: tuple[int, ...]
    """From when each quote holds, in nanoseconds since midnight, from 0, ascending."""
    quotes: tuple[Quote, ...]

    def at(self, ns_of_day: int) -> Quote:
        """The quote that holds ``ns_of_day`` nanoseconds after midnight."""
        if len(self.quotes) == 1:
            return self.quotes[0]
        return self.quotes[bisect_right(self.starts_ns, ns_of_day) - 1]


def _unpriced(note: str | None) -> Price:
    return Price(PicoUsd(0), CostState.UNPRICED, None, None, note)
