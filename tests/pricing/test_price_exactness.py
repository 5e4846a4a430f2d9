"""Our integer arithmetic against the catalogue's own, over the whole catalogue."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext

import pytest
from genai_prices import Usage
from genai_prices.data import providers
from genai_prices.data_snapshot import DataSnapshot
from genai_prices.types import ModelInfo, ModelPrice, TieredPrices
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple, replace

from modelmeter.pricing import PriceBook
from modelmeter.pricing.rates import Rates, compile_rates
from modelmeter.record import CostState, PicoUsd, TokenCounts, pico_usd

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEW_YEAR_2024 = datetime(2024, 1, 1, tzinfo=UTC)
KINDS = TokenCounts.__struct_fields__
SNAPSHOT = DataSnapshot(providers=providers, from_auto_update=False)

counts = st.integers(min_value=0, max_value=400_000)
token_counts = st.builds(TokenCounts, **dict.fromkeys(KINDS, counts))


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook()


def _usage(tokens: TokenCounts) -> Usage:
    """The catalogue's counts include each other; kinds that cannot overlap are said to be 0."""
    written = tokens.cache_write_5m + tokens.cache_write_1h
    return Usage(
        input_tokens=(
            tokens.input + tokens.cache_read + written + tokens.audio_input + tokens.image_input
        ),
        cache_read_tokens=tokens.cache_read,
        cache_audio_read_tokens=0,
        cache_image_read_tokens=0,
        cache_write_tokens=written,
        cache_write_5m_tokens=tokens.cache_write_5m,
        cache_write_1h_tokens=tokens.cache_write_1h,
        input_audio_tokens=tokens.audio_input,
        input_image_tokens=tokens.image_input,
        output_tokens=(
            tokens.output + tokens.reasoning + tokens.audio_output + tokens.image_output
        ),
        output_reasoning_tokens=tokens.reasoning,
        output_audio_tokens=tokens.audio_output,
        output_image_tokens=tokens.image_output,
    )


def _catalogue_cost(prices: ModelPrice, tokens: TokenCounts) -> PicoUsd:
    with localcontext() as context:
        context.prec = 80
        return pico_usd(prices.calc_price(_usage(tokens))["total_price"])


def _every_price() -> Iterator[tuple[str, ModelPrice]]:
    for provider in providers:
        for model in provider.models:
            for prices in _prices_of(model):
                yield f"{provider.id} {model.id}", prices


def _prices_of(model: ModelInfo) -> Iterator[ModelPrice]:
    if isinstance(model.prices, ModelPrice):
        yield model.prices
    else:
        yield from (conditional.prices for conditional in model.prices)
    for variant in model.price_variants or ():
        yield model.get_prices(datetime(2027, 6, 1, 12, tzinfo=UTC), {**variant.when})


def _thresholds(prices: ModelPrice) -> set[int]:
    return {
        tier.start
        for price in vars(prices).values()
        if isinstance(price, TieredPrices)
        for tier in price.tiers
    }


def _compiled() -> Iterator[tuple[str, ModelPrice, Rates]]:
    for name, prices in _every_price():
        rates = compile_rates(prices)
        if rates is not None:
            yield name, prices, rates


def test_every_price_of_the_catalogue_gives_the_catalogue_s_own_cost() -> None:
    """Random usages, and usages at, below and above each threshold of long context."""
    chance = random.Random(20_260_501)
    checked = 0

    for name, prices, rates in _compiled():
        samples = [
            TokenCounts(*(chance.randrange(90_000) for _ in KINDS)),
            TokenCounts(*(chance.choice((0, 1, 333)) for _ in KINDS)),
        ]
        for start in _thresholds(prices):
            shares = (1000, 20, 300, 4, 50)
            rest = [start - sum(shares[1:]) + step for step in (-1, 0, 1)]
            samples += [
                TokenCounts(first, *shares[1:4], output=77, audio_input=shares[4]) for first in rest
            ]
        for sample in samples:
            tokens = replace(sample, **dict.fromkeys(rates.unpriced_kinds, 0))
            assert (name, rates.charge(tokens)) == (name, _catalogue_cost(prices, tokens))
            checked += 1

    assert checked > 5000


def test_unpriced_kinds_are_those_the_catalogue_would_give_away() -> None:
    for name, prices, rates in _compiled():
        fee = _catalogue_cost(prices, TokenCounts())
        given_away = {
            kind for kind in KINDS if _catalogue_cost(prices, TokenCounts(**{kind: 10**6})) == fee
        }

        assert (name, set(rates.unpriced_kinds)) == (name, given_away)


TIERS_KNOWN = datetime(2026, 10, 16, tzinfo=UTC)
"""From when the catalogue itself has prices of tiers."""


def _is_the_catalogue_s(source: str) -> bool:
    """Neither an entry of ours nor a share or a multiple of the catalogue's price."""
    ours = (" of it (", " times input")
    return source.startswith("genai-prices") and not any(words in source for words in ours)


DIFFERENTIAL_MODELS = [
    ("openai", "openai", "gpt-5.4"),
    ("openai", "openai", "o3"),
    ("openai", "openai", "gpt-6-sol"),
    ("openai", "openai", "gpt-audio"),
    ("anthropic", "anthropic", "claude-sonnet-4-5-20250929"),
    ("anthropic", "anthropic", "claude-opus-4-6"),
    ("genai", "google", "gemini-2.5-pro"),
    ("genai", "google", "gemini-3.8-flash-tts"),
    ("genai", "google", "gemini-4-argon"),
    ("bedrock", "aws", "global.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("deepseek", "deepseek", "deepseek-chat"),
    ("deepseek", "deepseek", "deepseek-v4-flash"),
    ("mistral", "mistral", "mistral-large-latest"),
    ("openrouter", "openrouter", "google/gemini-2.5-flash"),
]


@settings(max_examples=400)
@given(
    names=st.sampled_from(DIFFERENTIAL_MODELS),
    microseconds=st.integers(min_value=0, max_value=4 * 365 * 86_400 * 10**6),
    tokens=token_counts,
    tier=st.sampled_from([None, "default", "batch", "flex", "priority", "fast"]),
)
def test_the_book_agrees_with_the_catalogue_at_any_time_and_tier(
    book: PriceBook,
    names: tuple[str, str, str],
    microseconds: int,
    tokens: TokenCounts,
    tier: str | None,
) -> None:
    provider, catalogue_provider, model = names
    moment = NEW_YEAR_2024 + timedelta(microseconds=microseconds)
    at_ns = (moment - EPOCH) // timedelta(microseconds=1) * 1000 + 999
    context = {} if tier is None else {"service_tier": tier, "processing": tier, "speed": tier}

    price = book.price(provider, model, tokens, at_ns, service_tier=tier)

    with localcontext() as decimals:
        decimals.prec = 80
        expected = SNAPSHOT.calc(
            _usage(tokens), model, catalogue_provider, None, moment, price_context=context
        )
    assert price.state is not CostState.UNPRICED
    assume(price.price_source is not None and _is_the_catalogue_s(price.price_source))
    assume(tier in (None, "default") or moment >= TIERS_KNOWN)
    assert price.cost == pico_usd(expected.total_price)
    assert price.priced_model == expected.model.id


@given(left=token_counts, right=token_counts)
def test_costs_add_up_and_grow_with_the_tokens(
    book: PriceBook, left: TokenCounts, right: TokenCounts
) -> None:
    at_ns = 1_780_000_000 * 10**9
    both = TokenCounts(*(a + b for a, b in zip(astuple(left), astuple(right), strict=True)))

    def cost(tokens: TokenCounts) -> int:
        return book.price("openai", "gpt-4o", tokens, at_ns).cost

    assert cost(left) + cost(right) == cost(both)
    assert 0 <= cost(left) <= cost(both)


@given(tokens=token_counts, extra=counts, kind=st.sampled_from(KINDS))
def test_one_more_token_never_costs_less_even_across_a_threshold(
    book: PriceBook, tokens: TokenCounts, extra: int, kind: str
) -> None:
    at_ns = 1_780_000_000 * 10**9
    more = replace(tokens, **{kind: getattr(tokens, kind) + extra})

    fewer_cost = book.price("openai", "gpt-5.4", tokens, at_ns).cost
    more_cost = book.price("openai", "gpt-5.4", more, at_ns).cost

    assert fewer_cost <= more_cost


@pytest.mark.parametrize(
    ("usd_per_mtok", "tokens", "cost"),
    [
        ("0.0000005", 1, 0),  # 0.5 pico-dollars: to the even 0
        ("0.0000005", 3, 2),  # 1.5: to the even 2
        ("0.0000005", 5, 2),  # 2.5: to the even 2
        ("0.0000006", 1, 1),
        ("0.0000004", 1, 0),
        ("0.08333333333333334", 3, 250_000),
        ("0.15", 7, 1_050_000),
    ],
)
def test_below_a_pico_dollar_the_sum_is_rounded_once_half_to_even(
    usd_per_mtok: str, tokens: int, cost: int
) -> None:
    rates = compile_rates(ModelPrice(input_mtok=Decimal(usd_per_mtok)))

    assert rates is not None
    assert rates.charge(TokenCounts(input=tokens)) == cost
