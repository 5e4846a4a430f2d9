"""What the operator knows better than any catalogue, by the names of the configuration."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import TypeVar

from modelmeter.pricing.overlay import OverlayPrice, called_names
from modelmeter.pricing.rates import Rates, compile_rates
from modelmeter.pricing.tiers import catalogue_tier
from modelmeter.record import pico_usd
from modelmeter.settings.prices import (
    RATES,
    CeilingSettings,
    DiscountSettings,
    ModelPriceSettings,
    PriceSettings,
    ToolFeeSettings,
)

__all__ = ["NO_OVERRIDES", "Overrides", "ceiling_rates"]

_PER_THOUSAND = 1000


Models = tuple[str, ...]
"""The names of one model: as it answered, as it was asked for."""
_Narrowed = TypeVar("_Narrowed", DiscountSettings, ToolFeeSettings)


class Overrides:
    """The configuration's prices, discounts, deployments and tool fees."""

    def __init__(self, settings: PriceSettings) -> None:
        self._prices = [(entry.provider, _overlay(entry)) for entry in settings.models]
        self._discounts = settings.discounts
        self._deployments = settings.deployments
        self._fees = settings.tool_fees
        self.ceiling = None if settings.ceiling is None else ceiling_rates(settings.ceiling)
        """The rates of unknown models; None: they are unpriced."""

    def deployed(self, provider: str, name: str, day: date) -> str | None:
        """The model that a deployment or inference profile stands for on a day."""
        names = {name.lower(), *called_names(name)}
        for entry in self._deployments:
            if (
                entry.provider == provider
                and entry.name.lower() in names
                and _holds(entry.since, entry.until, day)
            ):
                return entry.model
        return None

    def prices_of(self, provider: str, models: Models) -> tuple[OverlayPrice, ...]:
        """The entries for a model by the names it is called, whatever the day."""
        if not self._prices:
            return ()
        names = _names(models)
        found = [
            price
            for owner, price in self._prices
            if owner == provider and _matches(price.models, names)
        ]
        # What is said of a region stands before what is said of everywhere.
        return tuple(sorted(found, key=lambda price: not price.regions))

    def discount(self, provider: str, models: Models, moment: datetime) -> DiscountSettings | None:
        """What is taken off the catalogue's price."""
        return _first(self._discounts, provider, models, moment)

    def tool_fees(self, provider: str, models: Models, moment: datetime) -> dict[str, int]:
        """The fees of tools, in pico-dollars a use."""
        found: dict[str, int] = {}
        for fee in self._fees:
            if _first((fee,), provider, models, moment) is not None:
                found[fee.tool] = int(pico_usd(fee.usd_per_thousand)) // _PER_THOUSAND
        return found


def ceiling_rates(ceiling: CeilingSettings) -> Rates:
    """The same price for every kind of input, and for every kind of output."""
    from genai_prices.types import ModelPrice

    rates = compile_rates(ModelPrice(input_mtok=ceiling.input, output_mtok=ceiling.output))
    if rates is None:
        raise TypeError("a ceiling always has prices")
    return rates


def _overlay(entry: ModelPriceSettings) -> OverlayPrice:
    rates = {
        name: {step: Decimal(price) for step, price in rate.items()}
        if isinstance(rate, dict)
        else rate
        for name, rate in ((name, getattr(entry, name)) for name in RATES)
        if rate is not None
    }
    return OverlayPrice(
        provider=entry.provider,
        models=tuple(glob.lower() for glob in entry.models),
        source=entry.source,
        since=entry.since,
        until=entry.until,
        tier=catalogue_tier(entry.tier),
        regions=tuple(glob.lower() for glob in entry.regions),
        **rates,
    )


def _first(
    entries: Sequence[_Narrowed], provider: str, models: Models, moment: datetime
) -> _Narrowed | None:
    names = _names(models)
    for entry in entries:
        if (
            entry.provider == provider
            and _holds(entry.since, entry.until, moment.date())
            and _matches(entry.models, names)
        ):
            return entry
    return None


def _names(models: Models) -> tuple[str, ...]:
    return tuple(name for model in models for name in called_names(model))


def _matches(globs: Sequence[str], names: Sequence[str]) -> bool:
    return any(fnmatchcase(name, glob.lower()) for name in names for glob in globs)


def _holds(since: date | None, until: date | None, day: date) -> bool:
    return (since is None or day >= since) and (until is None or day < until)


NO_OVERRIDES = Overrides(PriceSettings())
