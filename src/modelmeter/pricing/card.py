"""Prices as the ledger keeps them, so that a bill can be explained when no catalogue has them."""

import msgspec

from modelmeter.pricing.rates import Rates
from modelmeter.record import RateCard, TokenCounts

__all__ = ["CardTerms", "card_of", "read_card"]

_KINDS = TokenCounts.__struct_fields__


class _Band(msgspec.Struct, frozen=True):
    above: int
    """The number of input tokens above which it holds; -1: always."""
    prices: dict[str, int]
    """Of one token of a kind; a kind that is missing has no price."""


class CardTerms(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    The content of a rate card.

    Prices are whole numbers of 1/``scale`` pico-dollars, fees of tools whole pico-dollars.
    """

    source: str | None = None
    """Catalogue, version, listing and from when the price holds; None: no price is known."""
    tier: str | None = None
    """The tier that served the call, in the provider's word."""
    region: str | None = None
    scale: int = 1
    bands: tuple[_Band, ...] = ()
    call_fee: int = 0
    tool_fees: dict[str, int] = {}

    @property
    def rates(self) -> Rates | None:
        """To price with again; None if no price was known."""
        if not self.bands:
            return None
        priced = self.bands[0].prices
        return Rates(
            bands=tuple(
                (band.above, tuple(band.prices.get(kind, 0) for kind in _KINDS))
                for band in self.bands
            ),
            scale=self.scale,
            call_fee=self.call_fee,
            tool_fees=tuple(self.tool_fees.items()),
            unpriced_kinds=tuple(kind for kind in _KINDS if kind not in priced),
        )


_decoder = msgspec.json.Decoder(CardTerms)


def card_of(
    rates: Rates | None, source: str | None, tier: str | None, region: str | None
) -> RateCard:
    """The card of a price, and of the terms under which there is none."""
    terms = CardTerms(source=source, tier=tier, region=region)
    if rates is not None:
        terms = CardTerms(
            source=source,
            tier=tier,
            region=region,
            scale=rates.scale,
            bands=tuple(
                _Band(
                    above,
                    {
                        kind: price
                        for kind, price in zip(_KINDS, prices, strict=True)
                        if kind not in rates.unpriced_kinds
                    },
                )
                for above, prices in rates.bands
            ),
            call_fee=rates.call_fee,
            tool_fees=dict(rates.tool_fees),
        )
    return RateCard.of(msgspec.json.encode(terms).decode())


def read_card(text: str) -> CardTerms:
    """
    The content of a card's text.

    Raises:
        msgspec.DecodeError: it is no card.
    """
    return _decoder.decode(text)
