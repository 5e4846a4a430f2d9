"""One model of one provider: its prices at a moment, in a tier and a region."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from modelmeter.pricing.overlay import Overlay, OverlayPrice
from modelmeter.pricing.price_dates import dated

if TYPE_CHECKING:
    from genai_prices.types import (
        ModelInfo,
        ModelPrice,
        StartDateConstraint,
        TieredPrices,
        TimeOfDateConstraint,
    )

__all__ = ["Listing", "Terms"]

_NS_PER_MICROSECOND = 1_000
_FEES = ("web_searches_kcount", "storage_searches_kcount")
_TIER_WORDS = ("service_tier", "processing", "speed")
"""Under which of its names the catalogue may file a tier: priority, batch, fast."""


class Terms(msgspec.Struct, frozen=True):
    """The prices of a listing at one moment."""

    prices: "ModelPrice"
    free: bool
    """The catalogue says that the model costs nothing, rather than nothing about its price."""
    source: str
    """Catalogue, version, listing, and from when the prices hold."""
    tier_known: bool
    """The prices are those of the tier that was asked for."""
    share: Decimal = Decimal(1)
    """What of the prices is charged, for a tier that is priced as a share of them."""
    overridden: bool = False
    """The operator's own price, from which nothing is taken off."""


class Listing(msgspec.Struct, frozen=True):
    """One model of one provider: the catalogue's prices, and our own before them."""

    provider_id: str
    name: str
    """As it was called."""
    model: "ModelInfo | None"
    """The catalogue's entry; None if only ours has prices."""
    resold: bool
    """The price is another provider's, whose models the one asked for sells as well."""
    source: str
    """Catalogue, version, the provider whose price it is, and the model."""
    overlay: Overlay
    own: tuple[OverlayPrice, ...]
    """Our entries for the model, of whatever day."""
    overrides: tuple[OverlayPrice, ...] = ()
    """The operator's, which stand before all others."""

    @property
    def id(self) -> str:
        """The catalogue's id of the model, or the name it was called by."""
        return self.name if self.model is None else self.model.id

    def day_cuts_ns(self) -> tuple[int, ...]:
        """When the price changes within every day, in nanoseconds since midnight UTC, from 0."""
        from genai_prices.types import TimeOfDateConstraint

        if self.model is None:
            return (0,)
        constraints = [variant.constraint for variant in self.model.price_variants or ()]
        if isinstance(self.model.prices, list):
            constraints += [conditional.constraint for conditional in self.model.prices]
        return tuple(
            sorted(
                {0}.union(
                    *(
                        (_ns_of_day(daily.start_time), _ns_of_day(daily.end_time))
                        for daily in constraints
                        if isinstance(daily, TimeOfDateConstraint)
                    )
                )
            )
        )

    def change_days(self) -> set[date]:
        """The days on which a price of the model begins, of any tier and region."""
        from genai_prices.types import StartDateConstraint

        fees = self.overlay.fees_of(self.provider_id, self.name)
        days = {day for entry in (*self.own, *self.overrides) for day in entry.days}
        days.update(day for fee in fees for day in fee.days)
        if self.model is not None:
            dated = [variant.constraint for variant in self.model.price_variants or ()]
            if isinstance(self.model.prices, list):
                dated += [conditional.constraint for conditional in self.model.prices]
            days |= {one.start_date for one in dated if isinstance(one, StartDateConstraint)}
        return days

    def tool_fees(self, moment: datetime) -> dict[str, int | None]:
        """Our own fees of tools, in pico-dollars a use; None: known to be unknown."""
        return self.overlay.tool_fees(self.provider_id, self.name, moment)

    def terms(self, moment: datetime, tier: str | None, region: str | None) -> Terms | None:
        """
        The prices at ``moment`` (aware) in ``tier``, or the ordinary ones if it has none.

        None if nothing is known of that moment.
        """
        overridden = self._overridden(moment, tier, region)
        if overridden is not None:
            return overridden
        terms = self._with_long_writes(self._catalogued(moment, tier, region))
        uplift = self.overlay.uplift(self.provider_id, self.name, region, moment)
        if terms is None or uplift is None:
            return terms
        source = f"{terms.source}, {uplift.share} times for {region} ({uplift.source})"
        return msgspec.structs.replace(terms, share=terms.share * uplift.share, source=source)

    def _with_long_writes(self, terms: Terms | None) -> Terms | None:
        rule = self.overlay.long_write(self.provider_id, self.name)
        if terms is None or rule is None:
            return terms
        prices = terms.prices
        per_input = prices.input_mtok
        if per_input is None or prices.cache_write_1h_mtok is not None:
            return terms
        return msgspec.structs.replace(
            terms,
            prices=_with_price(prices, "cache_write_1h_mtok", _times(per_input, rule.times_input)),
            source=f"{terms.source}, long writes {rule.times_input} times input",
        )

    def _catalogued(self, moment: datetime, tier: str | None, region: str | None) -> Terms | None:
        own = self._own(moment, tier, region)
        if own is not None:
            return own
        if tier is not None and (of_tier := self._base_tier(moment, tier, region)):
            return of_tier
        ordinary = self._own(moment, None, region) or self._base(moment)
        return ordinary if ordinary is None else self._in_tier(ordinary, moment, tier)

    def _in_tier(self, ordinary: Terms, moment: datetime, tier: str | None) -> Terms:
        """The share of the ordinary price that a tier without a price of its own costs."""
        if tier is None:
            return ordinary
        share = self.overlay.share(self.provider_id, self.name, tier, moment)
        if share is None:
            return msgspec.structs.replace(ordinary, tier_known=False)
        source = f"{ordinary.source}, {tier} at {share.share} of it ({share.source})"
        return msgspec.structs.replace(ordinary, share=share.share, source=source)

    def _overridden(self, moment: datetime, tier: str | None, region: str | None) -> Terms | None:
        for wanted in dict.fromkeys((tier, None)):
            for entry in self.overrides:
                if entry.fits(moment, wanted, region):
                    ordinary = Terms(
                        prices=entry.prices,
                        free=False,
                        source=f"override, {self.name}{entry.span} ({entry.source})",
                        tier_known=True,
                        overridden=True,
                    )
                    return self._in_tier(ordinary, moment, tier if wanted is None else None)
        return None

    def _own(self, moment: datetime, tier: str | None, region: str | None) -> Terms | None:
        for entry in self.own:
            if entry.fits(moment, tier, region):
                source = f"modelmeter, {self.name}{entry.span} ({entry.source})"
                prices = self._with_fees(entry.prices, moment)
                return Terms(prices=prices, free=False, source=source, tier_known=True)
        return None

    def _with_fees(self, prices: "ModelPrice", moment: datetime) -> "ModelPrice":
        """Our entries are about tokens: the catalogue's fees of tools stay."""
        from genai_prices.types import ModelPrice

        if self.model is None:
            return prices
        base = self.model.get_prices(moment, None)
        fees = {
            name: fee
            for name in _FEES
            if (fee := getattr(base, name)) is not None and getattr(prices, name) is None
        }
        return ModelPrice(**{**vars(prices), **fees}) if fees else prices

    def _base(self, moment: datetime) -> Terms | None:
        if self.model is None:
            return None
        prices = self.model.get_prices(moment, None)
        source = f"{self.source}{self._standard_source(moment)}"
        free = _is_free(self.model, prices)
        return Terms(prices=prices, free=free, source=source, tier_known=True)

    def _base_tier(self, moment: datetime, tier: str, region: str | None) -> Terms | None:
        """
        The catalogue's prices of a tier.

        It dates most of them by the day it learned of them, so they are taken to have held
        before as well, as long as the ordinary prices beside them were the same.
        """
        # A provider's tiers are its own: the catalogue has none for models it sells of others.
        if self.model is None or self.resold:
            return None
        words = dict.fromkeys(_TIER_WORDS, tier)
        for variant in self.model.price_variants or ():
            if not all(words.get(name) == word for name, word in variant.when.items()):
                continue
            at, since = moment, variant.constraint
            dated = _since(since)
            if since is not None and not since.active(moment):
                start = _start_of(since)
                if start is None or not self._same_price(moment, start, region):
                    continue
                at, dated = start, f", catalogued {start:%Y-%m-%d}"
            return Terms(
                prices=self.model.get_prices(at, words),
                free=False,
                source=f"{self.source}{self._standard_source(moment)}, {tier}{dated}",
                tier_known=True,
            )
        return None

    def _same_price(self, moment: datetime, other: datetime, region: str | None) -> bool:
        """The ordinary prices of two moments are equal."""
        if self.model is None or self._own(moment, None, region):
            return False
        return bool(self.model.get_prices(moment, None) == self.model.get_prices(other, None))

    def _standard_source(self, moment: datetime) -> str:
        """Since when the ordinary prices hold, where the catalogue knows another before."""
        if self.model is not None and isinstance(self.model.prices, list):
            for conditional in reversed(self.model.prices):
                if conditional.constraint is None or conditional.constraint.active(moment):
                    return _since(conditional.constraint)
        return ""


def _with_price(prices: "ModelPrice", name: str, price: "Decimal | TieredPrices") -> "ModelPrice":
    from genai_prices.types import ModelPrice

    known = {key: value for key, value in vars(prices).items() if value is not None}
    return ModelPrice(**{**known, name: price})


def _times(price: "Decimal | TieredPrices", factor: Decimal) -> "Decimal | TieredPrices":
    from genai_prices.types import Tier, TieredPrices

    if isinstance(price, Decimal):
        return price * factor
    steps = [Tier(start=tier.start, price=tier.price * factor) for tier in price.tiers]
    return TieredPrices(base=price.base * factor, tiers=steps)


def _start_of(constraint: "StartDateConstraint | TimeOfDateConstraint") -> datetime | None:
    from genai_prices.types import StartDateConstraint

    if not isinstance(constraint, StartDateConstraint):
        return None
    return datetime.combine(constraint.start_date, time(), tzinfo=UTC)


def _since(constraint: "StartDateConstraint | TimeOfDateConstraint | None") -> str:
    from genai_prices.types import StartDateConstraint

    if constraint is None:
        return ""
    if isinstance(constraint, StartDateConstraint):
        return dated(constraint.start_date)
    return f", from {constraint.start_time:%H:%M} to {constraint.end_time:%H:%M} of each day"


def _ns_of_day(value: time) -> int:
    """A time of day of the catalogue (UTC where it names no zone) in nanoseconds UTC."""
    zone = value.tzinfo or UTC
    utc = datetime.combine(date(1970, 1, 2), value, tzinfo=zone).astimezone(UTC).time()
    seconds = (utc.hour * 60 + utc.minute) * 60 + utc.second
    return (seconds * 1_000_000 + utc.microsecond) * _NS_PER_MICROSECOND


def _is_free(model: "ModelInfo", prices: "ModelPrice") -> bool:
    """No price at all, and a name that says why; without the name the price is unknown."""
    return all(price is None for price in vars(prices).values()) and (
        model.id.endswith(":free") or (model.name or "").endswith("(free)")
    )
