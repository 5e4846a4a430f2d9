"""Bills worked out by hand from published prices, one fact a line."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from modelmeter.pricing import PriceBook
from modelmeter.record import CostState, TokenCounts, pico_usd


class Bill(msgspec.Struct, frozen=True):
    """A call and what its provider charges for it."""

    provider: str
    model: str
    day: str
    tokens: TokenCounts
    usd: str


T = TokenCounts

BILLS = [
    # Anthropic: 3 / 15 a million; reads and writes of the cache at prices of their own.
    Bill("anthropic", "claude-3-sonnet-20240229", "2024-05-01", T(1000, output=500), "0.0105"),
    Bill(
        "anthropic",
        "claude-3-haiku-20240307",
        "2025-01-15",
        T(100, 20_000, 5000, output=200),
        "0.002375",
    ),
    Bill(
        "anthropic", "claude-3-opus-20240229", "2025-01-15", T(3000, 50_000, output=1000), "0.195"
    ),
    # Writes for an hour cost twice the input, writes for five minutes 1.25 times.
    Bill(
        "anthropic",
        "claude-sonnet-4-5-20250929",
        "2026-01-10",
        T(2048, 1800, 148, 100, output=503),
        "0.015384",
    ),
    Bill(
        "anthropic",
        "claude-opus-4-5-20251101",
        "2026-01-20",
        T(100, 30_000, 0, 71_030, output=1000),
        "0.7508",
    ),
    # Exactly 200,000 tokens of input are not yet long context.
    Bill("anthropic", "claude-sonnet-4-20250514", "2025-09-15", T(200_000, output=2000), "0.63"),
    # The surcharge on long context of Opus 4.6 was gone by then.
    Bill("anthropic", "claude-opus-4-6", "2026-03-20", T(300_000, output=2000), "1.55"),
    # Bedrock: inference profiles of newer Claude models cost a tenth more than Anthropic's own.
    Bill(
        "bedrock",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "2026-02-01",
        T(10_000, output=1000),
        "0.0495",
    ),
    Bill(
        "bedrock",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "2026-04-01",
        T(100, 5000, 600, 400, output=50),
        "0.00792",
    ),
    Bill("bedrock", "amazon.nova-micro-v1:0", "2025-05-01", T(123_456, output=7890), "0.00542556"),
    Bill("bedrock", "us.deepseek.r1-v1:0", "2025-05-01", T(10_000, output=2000), "0.0243"),
    # Gemini: thoughts cost what output costs; above 200,000 of input all costs more.
    Bill("genai", "gemini-2.5-pro", "2025-09-01", T(200_000, output=1000), "0.26"),
    Bill("genai", "gemini-2.5-pro", "2025-09-01", T(250_000, output=1000, reasoning=2000), "0.67"),
    Bill("genai", "gemini-2.5-pro", "2026-05-01", T(10, reasoning=300), "0.0030125"),
    Bill("genai", "gemini-2.0-flash-001", "2025-04-01", T(2000, 0, 0, 0, 500, 0, 8000), "0.006"),
    Bill("genai", "gemini-2.5-flash-image", "2026-05-01", T(20, image_output=1290), "0.038706"),
    Bill("genai", "models/gemini-2.5-flash", "2026-05-01", T(1000, output=100), "0.00055"),
    Bill(
        "genai",
        "projects/p/locations/global/publishers/google/models/gemini-2.5-flash",
        "2026-05-01",
        T(1000, output=100),
        "0.00055",
    ),
    # OpenAI: cached input apart, prices of the day, fine-tunes, audio, embeddings.
    Bill("openai", "gpt-4o-2024-08-06", "2024-10-15", T(86, 1920, output=300), "0.005615"),
    Bill("openai", "gpt-3.5-turbo-1106", "2023-12-01", T(3000, output=800), "0.0046"),
    Bill("openai", "o3-2025-04-16", "2025-05-20", T(1000, output=500, reasoning=1500), "0.09"),
    Bill(
        "openai", "o3-2025-04-16", "2025-09-01", T(2000, 8000, output=400, reasoning=600), "0.016"
    ),
    Bill("openai", "gpt-5.6-sol", "2026-08-20", T(12_000, output=900), "0.087"),
    Bill("openai", "gpt-5.6-sol", "2026-08-22", T(12_000, output=900), "0.066"),
    Bill(
        "openai",
        "ft:gpt-4o-mini-2024-07-18:acme::AbC123",
        "2025-02-01",
        T(10_000, output=1000),
        "0.0042",
    ),
    Bill(
        "openai",
        "gpt-audio",
        "2026-05-01",
        T(200, output=200, audio_input=1000, audio_output=700),
        "0.0793",
    ),
    Bill("openai", "text-embedding-3-large", "2025-01-01", T(125_000), "0.01625"),
    # The whole call is long once its input, cached part included, is above 272,000.
    Bill("openai", "gpt-5.4-2026-03-05", "2026-06-01", T(172_000, 100_000, output=10_000), "0.605"),
    Bill("openai", "gpt-5.4-2026-03-05", "2026-06-01", T(200_000, 100_000, output=10_000), "1.275"),
]


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook()


def _ns(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 10**9


@pytest.mark.parametrize("bill", BILLS, ids=lambda bill: f"{bill.model} on {bill.day}")
def test_a_call_costs_what_its_provider_charges(book: PriceBook, bill: Bill) -> None:
    price = book.price(bill.provider, bill.model, bill.tokens, _ns(bill.day))

    assert (price.cost, price.state) == (pico_usd(Decimal(bill.usd)), CostState.PRICED)
    assert price.note is None


def test_a_price_names_its_catalogue_its_model_and_its_date(book: PriceBook) -> None:
    tokens = TokenCounts(input=1)

    before = book.price("openai", "gpt-5.6-sol", tokens, _ns("2026-08-20"))
    after = book.price("openai", "gpt-5.6-sol", tokens, _ns("2026-08-21"))
    own = book.price("openai", "o3-2025-04-16", tokens, _ns("2025-06-09"))

    assert before.priced_model == after.priced_model == "gpt-5.6-sol"
    assert before.price_source == (
        "genai-prices 0.2.3, openai gpt-5.6-sol, long writes 2.5 times input"
    )
    assert after.price_source == (
        "genai-prices 0.2.3, openai gpt-5.6-sol, from 2026-08-21, long writes 2.5 times input"
    )
    assert 4 * before.cost == 5 * after.cost
    assert own.price_source == (
        "modelmeter, o3-2025-04-16, before 2025-06-10 "
        "(https://openai.com/index/introducing-o3-and-o4-mini/)"
    )


def test_a_tier_with_a_price_of_its_own_is_charged_at_it(book: PriceBook) -> None:
    tokens = TokenCounts(input=1000, output=100)

    batch = book.price("openai", "gpt-4o", tokens, _ns("2026-10-14"), service_tier="batch")
    priority = book.price("openai", "gpt-4o", tokens, _ns("2026-10-14"), service_tier="PRIORITY")

    assert (batch.cost, batch.state) == (pico_usd(Decimal("0.00175")), CostState.PRICED)
    assert (priority.cost, priority.state) == (pico_usd(Decimal("0.00595")), CostState.PRICED)
    assert priority.price_source == ("genai-prices 0.2.3, openai gpt-4o, priority, from 2026-10-12")


@pytest.mark.parametrize(
    ("model", "day", "tier", "usd"),
    [
        # The catalogue learned of both in October 2026; the ordinary price was the same before.
        ("gpt-4o-2024-08-06", "2025-10-01", "priority", "0.00595"),
        ("gpt-4o-2024-08-06", "2025-10-01", "batch", "0.00175"),
        # Before its cut of 2026-08-21, gpt-5.6-sol cost more: half of 5 and 30 a million.
        ("gpt-5.6-sol", "2026-08-20", "batch", "0.004"),
        # No catalogue has a price of its own for it: half of 10 and 30 a million.
        ("gpt-4-turbo-2024-04-09", "2024-06-10", "batch", "0.0065"),
    ],
)
def test_a_tier_has_its_price_before_the_catalogue_learned_of_it(
    book: PriceBook, model: str, day: str, tier: str, usd: str
) -> None:
    tokens = TokenCounts(input=1000, output=100)

    price = book.price("openai", model, tokens, _ns(day), service_tier=tier)

    assert (price.cost, price.state) == (pico_usd(Decimal(usd)), CostState.PRICED)


@pytest.mark.parametrize(("day", "tier"), [("2026-10-14", "scale"), ("2026-10-14", "flx")])
def test_a_tier_without_a_price_is_charged_as_ordinary_and_says_so(
    book: PriceBook, day: str, tier: str
) -> None:
    tokens = TokenCounts(input=1000, output=100)

    price = book.price("openai", "gpt-4o", tokens, _ns(day), service_tier=tier)

    assert (price.cost, price.state) == (pico_usd(Decimal("0.0035")), CostState.ESTIMATED)
    assert price.note is not None
    assert repr(tier) in price.note


@pytest.mark.parametrize(
    "tier", [None, "", "default", "auto", "standard", "on_demand", "ON_DEMAND", " Default "]
)
def test_the_words_for_the_ordinary_tier_are_the_ordinary_price(
    book: PriceBook, tier: str | None
) -> None:
    tokens = TokenCounts(input=1000, output=100)

    price = book.price("openai", "gpt-4o", tokens, _ns("2026-10-14"), service_tier=tier)

    assert (price.cost, price.state, price.note) == (
        pico_usd(Decimal("0.0035")),
        CostState.PRICED,
        None,
    )


def test_vertex_s_word_for_flex_is_flex(book: PriceBook) -> None:
    tokens = TokenCounts(input=1000, output=100)
    at_ns = _ns("2026-10-20")

    plain = book.price("genai", "gemini-3.8-flash-tts", tokens, at_ns, service_tier="flex")
    vertex = book.price(
        "genai", "gemini-3.8-flash-tts", tokens, at_ns, service_tier="ON_DEMAND_FLEX"
    )

    assert plain == vertex
    assert plain.state is CostState.PRICED
    assert plain.cost < book.price("genai", "gemini-3.8-flash-tts", tokens, at_ns).cost
