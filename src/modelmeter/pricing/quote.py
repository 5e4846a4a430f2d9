"""What a call costs and why: the price of one model at one time, applied to tokens."""

from bisect import bisect_right

import msgspec

from modelmeter.pricing.rates import PriceLine, Rates
from modelmeter.record import NO_TOOLS, CostState, PicoUsd, RateCard, TokenCounts, ToolCalls

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
    card: RateCard | None = None
    """The rates, and the terms they were asked for under, for the ledger to keep."""


class Quote(msgspec.Struct, frozen=True):
    """The price of one model at one time; without rates, why there is none."""

    rates: Rates | None
    state: CostState
    priced_model: str | None = None
    price_source: str | None = None
    note: str | None = None
    card: RateCard | None = None

    @classmethod
    def unknown(cls, note: str, card: RateCard | None = None) -> "Quote":
        """The quote for what has no known price."""
        return cls(rates=None, state=CostState.UNPRICED, note=note, card=card)

    def price(self, tokens: TokenCounts, tools: ToolCalls = NO_TOOLS) -> Price:
        """Apply the quote to a call's tokens and tools."""
        rates = self.rates
        if rates is None:
            return self._unpriced(self.note)
        if rates.unpriced_kinds and (kinds := rates.unpriced_in(tokens)):
            return self._unpriced(f"{self.price_source} has no price for {', '.join(kinds)} tokens")
        cost = rates.charge(tokens)
        if cost is None:
            return self._unpriced("a token count is negative")
        if tools is not NO_TOOLS and tools != NO_TOOLS:
            return self._with_tools(cost, rates, tools)
        return Price(cost, self.state, self.priced_model, self.price_source, self.note, self.card)

    def lines(self, tokens: TokenCounts, tools: ToolCalls = NO_TOOLS) -> list[PriceLine]:
        """What each kind of token and each tool costs; empty if no price is known."""
        return [] if self.rates is None else self.rates.lines(tokens, tools)

    def missing(self, tokens: TokenCounts, tools: ToolCalls = NO_TOOLS) -> tuple[str, ...]:
        """The kinds of tokens and the tools that were used and have no price of their own."""
        if self.rates is None:
            return ()
        return (*self.rates.unpriced_in(tokens), *self.rates.charge_tools(tools)[1])

    def _with_tools(self, cost: PicoUsd, rates: Rates, tools: ToolCalls) -> Price:
        fees, unknown = rates.charge_tools(tools)
        state, note = self.state, self.note
        if unknown:
            state = CostState.ESTIMATED
            note = f"{self.price_source} has no price for the call's {', '.join(unknown)}"
        return Price(
            PicoUsd(cost + fees), state, self.priced_model, self.price_source, note, self.card
        )

    def _unpriced(self, note: str | None) -> Price:
        return Price(PicoUsd(0), CostState.UNPRICED, None, None, note, self.card)


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
