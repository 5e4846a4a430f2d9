"""Tiers and regions that an override names: slips of the pen would never hold, and say nothing."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from modelmeter.pricing.endpoint_region import region_of_endpoint
from modelmeter.pricing.tiers import TIERS, catalogue_tier
from modelmeter.settings.globs import globs_meet
from modelmeter.settings.model import BUILT_IN_PROVIDERS, ProviderSettings
from modelmeter.settings.prices import ModelPriceSettings

__all__ = ["doubtful_terms", "wrong_terms"]

Place = tuple[str | int, ...]
_Providers = Mapping[str, ProviderSettings]

_REGIONS = MappingProxyType(
    {
        "openai": ("us", "eu"),
        "anthropic": ("us", "eu", "global"),
        "genai": (
            *("us", "eu", "global", "africa-south*", "asia-east*", "asia-northeast*"),
            *("asia-south*", "asia-southeast*", "australia-southeast*", "europe-central*"),
            *("europe-north*", "europe-southwest*", "europe-west*", "me-central*", "me-west*"),
            *("northamerica-northeast*", "northamerica-south*", "southamerica-east*"),
            *("southamerica-west*", "us-central*", "us-east*", "us-south*", "us-west*"),
        ),
    }
)
"""
By kind of provider, Google's without their number: https://cloud.google.com/compute/docs/regions-zones,
https://platform.claude.com/docs/en/build-with-claude/data-residency,
https://platform.openai.com/docs/guides/your-data. AWS's are botocore's to know.
"""
_GEOGRAPHIES = ("us-", "eu-", "ap-")
"""Regions as far as an inference profile's id tells them."""


def wrong_terms(
    prices: Sequence[ModelPriceSettings], providers: _Providers
) -> Iterator[tuple[Place, str]]:
    """Places in ``[[prices.models]]`` with a tier or region that the provider does not have."""
    for index, price in enumerate(prices):
        if price.tier is not None and catalogue_tier(price.tier) is None:
            place: Place = ("prices", "models", index, "tier")
            yield place, "is a word for the ordinary price: leave it out"
        if not _is_known(price.provider, providers):
            continue
        for place, word, known in _unknown_terms(index, price, providers):
            near = difflib.get_close_matches(word.lower(), known, n=1)
            meant = f"did you mean {near[0]!r}?" if near else _listed(known)
            yield place, f"{word!r} is none of {price.provider}: {meant}"


def doubtful_terms(
    prices: Sequence[ModelPriceSettings], providers: _Providers
) -> Iterator[tuple[Place, str]]:
    """The same of providers of the operator's own, of which nobody can tell what they have."""
    for index, price in enumerate(prices):
        if not _is_known(price.provider, providers):
            for place, word, known in _unknown_terms(index, price, providers):
                yield place, f"{word!r} may never hold: known of {price.provider}: {_listed(known)}"


def _unknown_terms(
    index: int, price: ModelPriceSettings, providers: _Providers
) -> Iterator[tuple[Place, str, tuple[str, ...]]]:
    """A place, the word that stands there, and those that could."""
    provider = providers.get(price.provider)
    kind = "openai" if provider is None else provider.kind
    tier = catalogue_tier(price.tier)
    if tier is not None and tier not in TIERS[kind]:
        yield ("prices", "models", index, "tier"), str(price.tier), TIERS[kind]
    if not price.regions:
        return
    regions = _regions(kind if _is_known(price.provider, providers) else None, provider)
    for glob in price.regions:
        if not any(globs_meet(glob.lower(), region.lower()) for region in regions):
            yield ("prices", "models", index, "regions"), glob, regions


def _is_known(name: str, providers: _Providers) -> bool:
    """An upstream of kind ``openai`` under any other name may be anybody's machine."""
    return name in BUILT_IN_PROVIDERS or (name in providers and providers[name].kind != "openai")


def _regions(kind: str | None, provider: ProviderSettings | None) -> tuple[str, ...]:
    """What calls to a provider can be served from, as far as anybody knows."""
    known = list(_REGIONS.get(kind or "", ()))
    if kind == "bedrock":
        known += [*_GEOGRAPHIES, *_aws_regions()]
    if provider is not None:
        own = (provider.region, region_of_endpoint(provider.kind, provider.base_url))
        known += [region for region in own if region]
    return tuple(dict.fromkeys(known))


def _aws_regions() -> list[str]:
    from botocore.session import get_session

    session = get_session()
    return [
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("ec2", partition)
    ]


def _listed(known: Sequence[str]) -> str:
    return f"there are {', '.join(known)}" if known else "there is none"
