"""The price book: what a call cost, at the price of its time."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

import msgspec

from modelmeter.pricing.card import card_of
from modelmeter.pricing.catalogue import Catalogue
from modelmeter.pricing.catalogue_file import CatalogueData
from modelmeter.pricing.listing import Listing
from modelmeter.pricing.overrides import NO_OVERRIDES, Overrides
from modelmeter.pricing.quote import DayQuotes, Price, Quote
from modelmeter.pricing.rates import FREE, compile_rates
from modelmeter.pricing.tiers import catalogue_tier
from modelmeter.record import NO_TOOLS, CostState, TokenCounts, ToolCalls

__all__ = ["PRICES_MEMO_MAX", "Price", "PriceBook"]

PRICES_MEMO_MAX = 4096
"""Models times days whose prices are remembered; a full memory starts over."""

_NS_PER_DAY = 86_400 * 10**9
_NS_PER_MICROSECOND = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CATALOGUE_PROVIDERS = MappingProxyType({"genai": "google", "bedrock": "aws"})
"""Providers that the catalogue knows by another name than ours."""
_COMPATIBLE = "openai"
"""The kind of an upstream that speaks OpenAI's wire format: says nothing about its prices."""
_NOTHING: Mapping[str, str] = MappingProxyType({})
_GEOGRAPHIC = {"eu.": "eu-", "us.": "us-", "apac.": "ap-"}
"""What an inference profile's prefix says of the region where nothing else does."""

_BEDROCK_ARN = "arn:aws"
_ARN_REGION = 3
_CEILING = "ceiling for unknown models (configuration)"

_MemoKey = tuple[str, str, str | None, str | None, str | None, int]


class PriceBook:
    """
    Prices calls from the catalogue; safe to share between threads.

    ``kinds`` maps configured names of upstreams to the kind each was configured with. A name or
    kind that is one of the catalogue's providers takes its prices; an upstream of kind
    ``openai`` under any other name has unknown prices, for it may be anybody's machine.
    ``regions`` maps them to the region they are configured with; ``overrides`` stand before
    everything else; ``catalogue`` are the base prices, without it the bundled ones. They can be
    changed for others while calls are priced; a price comes from one of the two, never from both.
    """

    def __init__(
        self,
        kinds: Mapping[str, str] = _NOTHING,
        regions: Mapping[str, str] = _NOTHING,
        overrides: Overrides = NO_OVERRIDES,
        catalogue: CatalogueData | None = None,
    ) -> None:
        self._kinds = dict(kinds)
        self._regions = dict(regions)
        self._overrides = overrides
        self._catalogue = Catalogue(catalogue)
        self._memo: dict[_MemoKey, DayQuotes] = {}
        self._windows: dict[tuple[str, str], int | None] = {}

    def price(
        self,
        provider: str,
        model: str,
        tokens: TokenCounts,
        at_ns: int,
        *,
        model_answered: str | None = None,
        service_tier: str | None = None,
        region: str | None = None,
        tools: ToolCalls = NO_TOOLS,
    ) -> Price:
        """
        What ``tokens`` cost at ``at_ns`` (UTC, since 1970); what is unknown comes out unpriced.

        Args:
            provider: ours (openai, anthropic, genai, bedrock) or a configured name.
            model: as requested; priced only where the model that answered has no price.
            tokens: disjoint counts, as the provider's dialect took them apart.
            at_ns: when the call started; the price of that moment counts.
            model_answered: as the answer names it.
            service_tier: the tier that served the call, in the provider's word. One without a
                price of its own is charged at the ordinary price and marked estimated.
            tools: what the provider ran and bills beside the tokens.
            region: where it was served; None: the configured region of the provider.
        """
        quote = self.quote(
            provider,
            model,
            at_ns,
            model_answered=model_answered,
            service_tier=service_tier,
            region=region,
        )
        return quote.price(tokens, tools)

    def take(self, catalogue: CatalogueData) -> None:
        """Price by another catalogue from now on; what was remembered of the old one is dropped."""
        # In this order: whoever still looks at the old catalogue remembers in the old memory.
        self._catalogue = Catalogue(catalogue)
        self._memo, self._windows = {}, {}

    def keep(self, fault: str) -> None:
        """Stay with the catalogue although the configuration has another: ``fault`` says why."""
        catalogue = self._catalogue
        catalogue.data = msgspec.structs.replace(catalogue.data, fallback=fault)

    def models(self, provider: str) -> list[str]:
        """The models of a provider that the catalogue lists, as they are called."""
        catalogue = self._catalogue
        names = {
            name
            for provider_id in self._provider_ids(provider, catalogue)
            for name in catalogue.models(provider_id)
        }
        return sorted(names)

    def quote(
        self,
        provider: str,
        model: str,
        at_ns: int,
        *,
        model_answered: str | None = None,
        service_tier: str | None = None,
        region: str | None = None,
    ) -> Quote:
        """The price of a model at a time; see `price` for the arguments."""
        day, ns_of_day = divmod(at_ns, _NS_PER_DAY)
        region = region or self._regions.get(provider)
        key = (provider, model, model_answered, service_tier, region, day)
        memo = self._memo
        quotes = memo.get(key)
        if quotes is None:
            quotes = self._day_quotes(
                provider, (model_answered, model), (service_tier, region), day
            )
            if len(memo) >= PRICES_MEMO_MAX:
                memo.clear()
            memo[key] = quotes
        return quotes.at(ns_of_day)

    def context_window(self, provider: str, model: str) -> int | None:
        """The tokens a model takes in at most, as the catalogue has it: a round number; or None."""
        key, windows = (provider, model), self._windows
        if key not in windows:
            if len(windows) >= PRICES_MEMO_MAX:
                windows.clear()
            listing = self._listed(provider, model, self._catalogue)
            known = None if listing is None or listing.model is None else listing.model
            windows[key] = None if known is None else known.context_window
        return windows[key]

    def knows(self, provider: str, model: str, at_ns: int) -> bool:
        """Whether a model has a price of its own at a time, rather than a ceiling or none."""
        quote = self.quote(provider, model, at_ns)
        return quote.rates is not None and quote.rates is not self._overrides.ceiling

    @property
    def catalogue(self) -> CatalogueData:
        """The base prices."""
        return self._catalogue.data

    def change_days(self, provider: str, model: str) -> set[date]:
        """The days on which a price of a model begins, as far as they are known."""
        listing = self._listed(provider, model, self._catalogue)
        days = set() if listing is None else listing.change_days()
        overrides = self._overrides.prices_of(provider, (model,))
        return days.union(*(entry.days for entry in overrides))

    def lists(self, provider: str, model: str) -> bool:
        """Whether the catalogue has an entry for a model, of whatever day."""
        return self._listed(provider, model, self._catalogue) is not None

    def listed_ids(self, provider: str) -> tuple[str, ...]:
        """The ids of a provider's models in the catalogue, and the patterns of ours."""
        catalogue = self._catalogue
        return tuple(
            name
            for provider_id in self._provider_ids(provider, catalogue)
            for name in catalogue.ids(provider_id)
        )

    def _day_quotes(
        self,
        provider: str,
        names: tuple[str | None, str],
        terms: tuple[str | None, str | None],
        day: int,
    ) -> DayQuotes:
        try:
            midnight = _EPOCH + timedelta(days=day)
        except OverflowError:
            return _all_day(self._unknown("the call's time is outside the calendar", terms))
        catalogue = self._catalogue
        answered, requested = names
        tier, region = terms[0], _region_of(requested, terms[1])
        deployed = self._overrides.deployed(provider, requested, midnight.date())
        if deployed is not None:
            # What a deployment answers may be the name of another model: the operator knows it.
            answered, requested = None, deployed
        listing = self._listed(provider, answered, catalogue) if answered else None
        note = None
        if listing is None:
            listing = self._listed(provider, requested, catalogue)
            if answered and answered != requested:
                note = f"answered by {answered!r}, which has no known price: priced as requested"
        models = (answered, requested) if answered else (requested,)
        if overrides := self._overrides.prices_of(provider, models):
            bare = listing or catalogue.bare(provider, models[0])
            listing, note = msgspec.structs.replace(bare, overrides=overrides), None
        if listing is None:
            why = f"no price is known for model {answered or requested!r}"
            if not self._provider_ids(provider, catalogue):
                why = f"no prices are known for provider {provider!r}"
            return _all_day(self._unknown(why, (tier, region)))
        tier = catalogue_tier(tier)
        starts_ns = listing.day_cuts_ns()
        return DayQuotes(
            starts_ns=starts_ns,
            quotes=tuple(
                self._quote(
                    (provider, models),
                    listing,
                    midnight + _microseconds(start_ns),
                    (tier, region),
                    note,
                )
                for start_ns in starts_ns
            ),
        )

    def _quote(
        self,
        called: tuple[str, tuple[str, ...]],
        listing: Listing,
        moment: datetime,
        asked: tuple[str | None, str | None],
        note: str | None,
    ) -> Quote:
        tier, region = asked
        terms = listing.terms(moment, tier, region)
        if terms is None:
            why = f"no price of {listing.name!r} is known at {moment:%Y-%m-%d}"
            return self._unknown(why, asked)
        source, share = terms.source, terms.share
        discount = self._overrides.discount(*called, moment)
        if discount is not None and not terms.overridden:
            share *= 1 - discount.percent / 100
            source = f"{source}, less {discount.percent.normalize():f} % ({discount.source})"
        rates = FREE if terms.free else compile_rates(terms.prices, share)
        if rates is None:
            return self._unknown(f"{terms.source} has no price for tokens", asked)
        own_fees = {} if rates is FREE else listing.tool_fees(moment)
        if fees := {**own_fees, **self._overrides.tool_fees(*called, moment)}:
            known = {**dict(rates.tool_fees), **fees}
            rates = msgspec.structs.replace(
                rates, tool_fees=tuple((t, fee) for t, fee in known.items() if fee is not None)
            )
        notes = [note] if note else []
        if not terms.tier_known:
            notes.append(f"no price is known for service tier {tier!r}: priced at the ordinary one")
        return Quote(
            rates=rates,
            state=CostState.PRICED if terms.tier_known else CostState.ESTIMATED,
            priced_model=listing.id,
            price_source=source,
            note="; ".join(notes) or None,
            card=card_of(rates, source, tier, region),
        )

    def _unknown(self, note: str, asked: tuple[str | None, str | None]) -> Quote:
        ceiling = self._overrides.ceiling
        if ceiling is None:
            return Quote.unknown(note, card_of(None, None, *asked))
        return Quote(
            rates=ceiling,
            state=CostState.ESTIMATED,
            price_source=_CEILING,
            note=f"{note}: charged at the ceiling",
            card=card_of(ceiling, _CEILING, *asked),
        )

    def _listed(self, provider: str, model: str, catalogue: Catalogue) -> Listing | None:
        listings = (
            catalogue.find(provider_id, model)
            for provider_id in self._provider_ids(provider, catalogue)
        )
        return next((listing for listing in listings if listing is not None), None)

    def _provider_ids(self, provider: str, catalogue: Catalogue) -> tuple[str, ...]:
        """The catalogue's providers behind one of ours or a configured name, likeliest first."""
        names = [provider]
        kind = self._kinds.get(provider, _COMPATIBLE)
        if kind != _COMPATIBLE:
            names.append(kind)
        ids = dict.fromkeys(_CATALOGUE_PROVIDERS.get(name, name).lower() for name in names)
        return tuple(provider_id for provider_id in ids if provider_id in catalogue)


def _all_day(quote: Quote) -> DayQuotes:
    return DayQuotes(starts_ns=(0,), quotes=(quote,))


def _microseconds(ns: int) -> timedelta:
    return timedelta(microseconds=ns // _NS_PER_MICROSECOND)


def _region_of(model: str, region: str | None) -> str | None:
    """The region that served a model; what its own id says of it is never wrong."""
    if model.startswith(_BEDROCK_ARN):
        parts = model.split(":")
        return (parts[_ARN_REGION] or region) if len(parts) > _ARN_REGION else region
    for prefix, start in _GEOGRAPHIC.items():
        if model.startswith(prefix):
            return region if region is not None and region.startswith(start) else start
    return region
