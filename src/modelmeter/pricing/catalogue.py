"""The price catalogue: which listing a model id means, and its prices at a moment."""

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from genai_prices.types import (
        ModelInfo,
        ModelPrice,
        Provider,
        StartDateConstraint,
        TimeOfDateConstraint,
    )

__all__ = ["Catalogue", "Listing", "Terms"]

_GOOGLE_RESOURCE = "models/"
_NS_PER_MICROSECOND = 1_000
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


class Listing(msgspec.Struct, frozen=True):
    """One model of one provider in the catalogue."""

    model: "ModelInfo"
    resold: bool
    """The price is another provider's, whose models the one asked for sells as well."""
    source: str
    """Catalogue, version, the provider whose price it is, and the model."""

    @property
    def id(self) -> str:
        """The catalogue's id of the model."""
        return self.model.id

    def day_cuts_ns(self) -> tuple[int, ...]:
        """When the price changes within every day, in nanoseconds since midnight UTC, from 0."""
        from genai_prices.types import TimeOfDateConstraint

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

    def terms(self, moment: datetime, tier: str | None) -> Terms:
        """The prices at ``moment`` (aware) in ``tier``, or the ordinary ones if it has none."""
        words = {} if tier is None else dict.fromkeys(_TIER_WORDS, tier)
        of_tier = self._tier_source(moment, words)
        prices = self.model.get_prices(moment, None if of_tier is None else words)
        return Terms(
            prices=prices,
            free=_is_free(self.model, prices),
            source=f"{self.source}{self._standard_source(moment)}{of_tier or ''}",
            tier_known=tier is None or of_tier is not None,
        )

    def _tier_source(self, moment: datetime, words: dict[str, str]) -> str | None:
        """Since when the prices of the tier in ``words`` hold, or None if it has none then."""
        # A provider's tiers are its own: the catalogue has none for models it sells of others.
        for variant in () if self.resold else self.model.price_variants or ():
            if all(words.get(name) == word for name, word in variant.when.items()) and (
                variant.constraint is None or variant.constraint.active(moment)
            ):
                return f", {next(iter(variant.when.values()))}{_since(variant.constraint)}"
        return None

    def _standard_source(self, moment: datetime) -> str:
        """Since when the ordinary prices hold, where the catalogue knows another before."""
        if isinstance(self.model.prices, list):
            for conditional in reversed(self.model.prices):
                if conditional.constraint is None or conditional.constraint.active(moment):
                    return _since(conditional.constraint)
        return ""


class Catalogue:
    """
    The bundled prices of `genai-prices`, held privately: never updated behind the ledger's back.

    Its own lookup remembers every name it is asked for, without end; this one remembers none.
    """

    def __init__(self) -> None:
        # 30,000 lines of prices: half a second that only those pay who price something.
        from genai_prices import __version__
        from genai_prices.data import providers

        self._all_providers = providers
        self._providers: dict[str, Provider] = {provider.id: provider for provider in providers}
        self._source = f"genai-prices {__version__}"

    def __contains__(self, provider_id: str) -> bool:
        return provider_id in self._providers

    def find(self, provider_id: str, model: str) -> Listing | None:
        """
        The listing that ``model`` means at a provider of the catalogue, or None.

        Dated versions, aliases, inference profiles, ARNs and fine-tunes are the catalogue's to
        know; Google's ``models/…`` and ``projects/…/models/…`` are read here.
        """
        if not model:
            return None
        provider = self._providers[provider_id]
        names = (model, model.rpartition(_GOOGLE_RESOURCE)[2])
        for name in dict.fromkeys(filter(None, names)):
            found = provider.find_model(name, all_providers=self._all_providers)
            if found is not None:
                return self._listing(provider, found)
        return None

    def _listing(self, provider: "Provider", model: "ModelInfo") -> Listing:
        sellers = (provider.id, *(provider.fallback_model_providers or ()))
        owner = next(
            seller
            for seller in sellers
            if any(model is listed for listed in self._providers[seller].models)
        )
        return Listing(
            model=model,
            resold=owner != provider.id,
            source=f"{self._source}, {owner} {model.id}",
        )


def _since(constraint: "StartDateConstraint | TimeOfDateConstraint | None") -> str:
    from genai_prices.types import StartDateConstraint

    if constraint is None:
        return ""
    if isinstance(constraint, StartDateConstraint):
        return f", from {constraint.start_date}"
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
