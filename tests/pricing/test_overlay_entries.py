"""Our own prices: each is readable, has its source, and is still needed."""

from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase

import pytest
from genai_prices.data import providers
from genai_prices.types import ModelPrice

from modelmeter.pricing import PriceBook
from modelmeter.pricing.overlay import Overlay, OverlayPrice, ToolFee, Uplift, called_names
from modelmeter.record import TokenCounts, ToolCalls

OVERLAY = Overlay()
BY_ID = {provider.id: provider for provider in providers}
LATEST = date(2026, 11, 1)
CATALOGUED_TOOLS = {"web_search", "file_search", "characters"}


def example_name(entry: OverlayPrice) -> str:
    """A model's id that the entry's first glob names."""
    return entry.models[0].replace("*", "-x" if entry.models[0].endswith("*") else "")


def moment_of(entry: OverlayPrice) -> datetime:
    """A moment at which the entry holds."""
    day = entry.until - timedelta(days=1) if entry.until else (entry.since or LATEST)
    return datetime.combine(day, time(12), tzinfo=UTC)


def base_prices(entry: OverlayPrice) -> list[ModelPrice | None]:
    """What the catalogue says of the ids the entry names."""
    names = {glob.removesuffix("*") for glob in entry.models} | {example_name(entry)}
    found = [BY_ID[entry.provider].find_model(name, all_providers=providers) for name in names]
    words = {} if entry.tier is None else {"speed": entry.tier, "service_tier": entry.tier}
    return [None if one is None else one.get_prices(moment_of(entry), words) for one in found]


@pytest.mark.parametrize(
    "entry", OVERLAY.prices, ids=lambda entry: f"{entry.models[0]}{entry.span}"
)
def test_an_entry_is_still_needed(entry: OverlayPrice) -> None:
    assert entry.source.startswith("https://")
    assert entry.since is None or entry.until is None or entry.since < entry.until
    assert any(prices != entry.prices for prices in base_prices(entry))


def test_the_first_entry_that_fits_is_the_one() -> None:
    fitting = OVERLAY.prices_of("openai", "ft:gpt-4o-mini-2024-07-18:acme::x")
    at = datetime(2026, 1, 1, tzinfo=UTC)

    first = next(entry for entry in fitting if entry.fits(at, None, None))

    assert first.models == ("ft:gpt-4o-mini*",)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("projects/p/locations/l/publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("us.anthropic.claude-v2:1", "anthropic.claude-v2:1"),
        ("eu.amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
    ],
)
def test_a_model_is_known_without_what_stands_before_its_name(model: str, name: str) -> None:
    assert name in called_names(model)


@pytest.mark.parametrize("entry", OVERLAY.uplifts, ids=lambda entry: f"{entry.models[0]}")
def test_a_multiple_for_a_region_has_its_source_and_names_models_that_exist(entry: Uplift) -> None:
    assert entry.source.startswith("https://")
    assert entry.share != 1
    provider = BY_ID[entry.provider]
    sellers = (provider, *(BY_ID[one] for one in provider.fallback_model_providers or ()))
    ids = [model.id for seller in sellers for model in seller.models]
    for glob in entry.models:
        assert any(fnmatchcase(name, glob) for name in ids), glob


def test_our_entries_about_tokens_keep_the_catalogue_s_fees_of_tools() -> None:
    at_ns = int(datetime(2025, 9, 15, tzinfo=UTC).timestamp()) * 10**9

    quote = PriceBook().quote("anthropic", "claude-sonnet-4-20250514", at_ns)

    assert quote.price_source is not None
    assert quote.price_source.startswith("modelmeter")
    assert quote.rates is not None
    assert dict(quote.rates.tool_fees)["web_search"] == 10_000_000_000


@pytest.mark.parametrize("fee", OVERLAY.fees, ids=lambda fee: f"{fee.tool} {fee.models[0]}")
def test_a_fee_of_ours_has_its_source_and_is_one_that_the_catalogue_has_not_or_has_wrong(
    fee: ToolFee,
) -> None:
    assert fee.source.startswith("https://")
    assert fee.tool in ToolCalls.__struct_fields__
    assert (fee.tool in CATALOGUED_TOOLS) == (fee.usd_per_thousand is None)
    provider = BY_ID[fee.provider]
    for glob in fee.models:
        listed = any(fnmatchcase(model.id, glob) for model in provider.models)
        assert listed or provider.find_model(glob.removesuffix("*")), glob


def test_a_fee_that_is_known_to_be_unknown_takes_the_catalogue_s_away() -> None:
    """Azure's search of the web is billed as Grounding with Bing, whatever OpenAI takes for it."""
    at_ns = int(datetime(2026, 2, 1, tzinfo=UTC).timestamp()) * 10**9
    searched = ToolCalls(web_search=1)

    openai = PriceBook().quote("openai", "gpt-4.1", at_ns)
    azure = PriceBook().quote("azure", "gpt-4.1", at_ns)

    assert openai.missing(TokenCounts(), searched) == ()
    assert azure.missing(TokenCounts(), searched) == ("web_search",)
