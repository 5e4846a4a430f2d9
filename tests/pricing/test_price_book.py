"""Which price a call gets: providers, models, times of day, and what is unknown."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest
from genai_prices.data_snapshot import DataSnapshot, set_custom_snapshot
from hypothesis import given
from hypothesis import strategies as st

from modelmeter.pricing import PRICES_MEMO_MAX, PriceBook
from modelmeter.record import CostState, TokenCounts, ToolCalls

NS_PER_DAY = 86_400 * 10**9
AT_NS = int(datetime(2026, 5, 1, 12, tzinfo=UTC).timestamp()) * 10**9
TOKENS = TokenCounts(input=1000, output=100)


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook(
        {"azure": "openai", "groq": "openai", "box": "openai", "bedrock-eu": "bedrock"}
    )


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-99-ultra"),
        ("anthropic", "claude-zeta-9"),
        ("bedrock", "made-up.vendor-model-v9:0"),
        ("genai", "models/"),
        ("openai", ""),
        ("", "gpt-4o"),
        ("box", "gpt-4o"),
        ("never-configured", "gpt-4o"),
    ],
)
def test_what_nobody_knows_the_price_of_is_unpriced_and_says_why(
    book: PriceBook, provider: str, model: str
) -> None:
    price = book.price(provider, model, TOKENS, AT_NS)

    assert (price.cost, price.state) == (0, CostState.UNPRICED)
    assert price.priced_model is None
    assert price.price_source is None
    assert price.note


def test_an_upstream_named_like_a_catalogue_provider_takes_its_prices(book: PriceBook) -> None:
    price = book.price("groq", "llama-3.3-70b-versatile", TOKENS, AT_NS)

    assert price.state is CostState.PRICED
    assert price.price_source is not None
    assert "groq llama-3.3-70b" in price.price_source


def test_azure_falls_back_to_openai_s_prices(book: PriceBook) -> None:
    azure = book.price("azure", "gpt-4.1-2025-04-14", TOKENS, AT_NS)

    openai = book.price("openai", "gpt-4.1-2025-04-14", TOKENS, AT_NS)
    assert (azure.cost, azure.price_source) == (openai.cost, openai.price_source)
    assert azure.state is openai.state is CostState.PRICED


def test_openai_s_fee_of_its_first_web_search_is_not_taken_for_azure_s(book: PriceBook) -> None:
    searched = ToolCalls(web_search_preview=2)

    openai = book.price("openai", "gpt-4.1", TOKENS, AT_NS, tools=searched)
    azure = book.price("azure", "gpt-4.1", TOKENS, AT_NS, tools=searched)

    assert openai.cost - azure.cost == 50 * 10**9
    assert (openai.state, azure.state) == (CostState.PRICED, CostState.ESTIMATED)


def test_openai_s_tiers_are_not_taken_for_azure_s(book: PriceBook) -> None:
    at_ns = int(datetime(2026, 10, 20, tzinfo=UTC).timestamp()) * 10**9

    openai = book.price("openai", "gpt-4.1", TOKENS, at_ns, service_tier="priority")
    azure = book.price("azure", "gpt-4.1", TOKENS, at_ns, service_tier="priority")

    assert (openai.state, azure.state) == (CostState.PRICED, CostState.ESTIMATED)
    assert azure.cost == book.price("azure", "gpt-4.1", TOKENS, at_ns).cost < openai.cost


def test_a_second_upstream_of_a_cloud_s_own_kind_takes_the_cloud_s_prices(
    book: PriceBook,
) -> None:
    model = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"

    assert book.price("bedrock-eu", model, TOKENS, AT_NS) == book.price(
        "bedrock", model, TOKENS, AT_NS
    )


def test_the_model_that_answered_is_priced_before_the_one_requested(book: PriceBook) -> None:
    price = book.price("openai", "gpt-4o", TOKENS, AT_NS, model_answered="gpt-4o-2024-05-13")

    assert price.priced_model == "gpt-4o-2024-05-13"
    assert price.note is None


def test_the_model_requested_is_priced_where_the_answering_one_is_unknown(
    book: PriceBook,
) -> None:
    price = book.price("openai", "gpt-4o", TOKENS, AT_NS, model_answered="gpt-4o-secret")

    assert price.cost == book.price("openai", "gpt-4o", TOKENS, AT_NS).cost
    assert price.state is CostState.PRICED
    assert price.note is not None
    assert "'gpt-4o-secret'" in price.note


def test_a_used_kind_without_a_price_is_never_charged_as_nothing(book: PriceBook) -> None:
    embedding = "text-embedding-3-large"

    without = book.price("openai", embedding, TokenCounts(input=1000), AT_NS)
    with_output = book.price(
        "openai", embedding, TokenCounts(input=1000, output=1, audio_output=1), AT_NS
    )

    assert without.state is CostState.PRICED
    assert (with_output.cost, with_output.state) == (0, CostState.UNPRICED)
    assert with_output.note is not None
    assert with_output.note.endswith("has no price for output, audio_output tokens")


@pytest.mark.parametrize(
    ("provider", "model"), [("openai", "whisper-1"), ("cerebras", "qwen-3-coder-480b")]
)
def test_a_model_that_is_not_priced_by_tokens_is_unpriced_even_without_tokens(
    book: PriceBook, provider: str, model: str
) -> None:
    price = book.price(provider, model, TokenCounts(), AT_NS)

    assert (price.cost, price.state) == (0, CostState.UNPRICED)
    assert price.note is not None
    assert price.note.endswith("has no price for tokens")


def test_a_model_that_is_free_on_purpose_is_priced_at_nothing(book: PriceBook) -> None:
    price = book.price("openrouter", "deepseek/deepseek-r1:free", TOKENS, AT_NS)

    assert (price.cost, price.state) == (0, CostState.PRICED)
    assert price.priced_model == "deepseek/deepseek-r1:free"


def test_a_fee_for_each_call_is_charged(book: PriceBook) -> None:
    """The catalogue lists 12 USD for a thousand calls of this model beside its tokens."""
    nothing = book.price("perplexity", "sonar-reasoning", TokenCounts(), AT_NS)

    assert (nothing.cost, nothing.state) == (12_000_000_000, CostState.PRICED)


def test_a_negative_count_is_unpriced(book: PriceBook) -> None:
    price = book.price("openai", "gpt-4o", TokenCounts(input=10, output=-1), AT_NS)

    assert (price.cost, price.state) == (0, CostState.UNPRICED)
    assert price.note == "a token count is negative"


@pytest.mark.parametrize("at_ns", [10**30, -(10**30)])
def test_a_time_outside_the_calendar_is_unpriced(book: PriceBook, at_ns: int) -> None:
    price = book.price("openai", "gpt-4o", TOKENS, at_ns)

    assert price.state is CostState.UNPRICED


def test_a_price_by_the_hour_changes_on_the_nanosecond_in_either_order(book: PriceBook) -> None:
    day_ns = int(datetime(2025, 6, 1, tzinfo=UTC).timestamp()) * 10**9
    cheap_from_ns = day_ns + (16 * 60 + 30) * 60 * 10**9
    cheap_until_ns = day_ns + 30 * 60 * 10**9

    def cost(at_ns: int) -> int:
        return book.price("deepseek", "deepseek-chat", TokenCounts(output=10**6), at_ns).cost

    dear, cheap = cost(cheap_from_ns - 1), cost(cheap_from_ns)
    assert cheap < dear
    assert cost(day_ns) == cost(cheap_until_ns - 1) == cheap
    assert cost(cheap_until_ns) == cost(cheap_from_ns - 1) == dear
    assert cost(day_ns + NS_PER_DAY - 1) == cheap


def test_a_dated_price_changes_at_midnight_utc(book: PriceBook) -> None:
    midnight_ns = int(datetime(2025, 6, 10, tzinfo=UTC).timestamp()) * 10**9

    before = book.price("openai", "o3", TOKENS, midnight_ns - 1)
    after = book.price("openai", "o3", TOKENS, midnight_ns)

    assert before.cost == 5 * after.cost


def test_the_memory_of_prices_is_bounded_and_changes_no_price() -> None:
    book = PriceBook()
    first = book.price("openai", "o3", TOKENS, AT_NS)

    for number in range(PRICES_MEMO_MAX + 10):
        book.price("box", f"model-{number}", TOKENS, AT_NS)
        assert len(book._memo) <= PRICES_MEMO_MAX

    assert 0 < len(book._memo) < PRICES_MEMO_MAX
    assert book.price("openai", "o3", TOKENS, AT_NS) == first


def test_prices_that_others_load_into_the_catalogue_change_nothing(book: PriceBook) -> None:
    set_custom_snapshot(DataSnapshot(providers=[], from_auto_update=True))
    try:
        fresh = PriceBook().price("openai", "gpt-4o", TOKENS, AT_NS)
    finally:
        set_custom_snapshot(None)

    assert fresh.state is CostState.PRICED
    assert fresh == book.price("openai", "gpt-4o", TOKENS, AT_NS)


def test_the_catalogue_is_not_loaded_before_a_price_book_is_made() -> None:
    seen = "import sys, modelmeter.pricing; print('genai_prices' in sys.modules)"

    answer = subprocess.run([sys.executable, "-c", seen], capture_output=True, check=True)

    assert answer.stdout.strip() == b"False"


@given(
    provider=st.text(max_size=12) | st.sampled_from(["openai", "bedrock", "genai", "anthropic"]),
    model=st.text(max_size=40),
    answered=st.none() | st.text(max_size=40),
    tier=st.none() | st.text(max_size=12),
    at_ns=st.integers(),
    count=st.integers(min_value=0),
)
def test_no_name_time_or_count_raises(
    book: PriceBook,
    provider: str,
    model: str,
    answered: str | None,
    tier: str | None,
    at_ns: int,
    count: int,
) -> None:
    price = book.price(
        provider,
        model,
        TokenCounts(input=count),
        at_ns,
        model_answered=answered,
        service_tier=tier,
    )

    assert price.cost >= 0
    assert price.state is not CostState.UNPRICED or (price.cost == 0 and price.note)
