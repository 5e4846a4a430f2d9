"""No usage that fits the bytes and the limit costs more than the bound says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmeter.budgets.byte_bound import ByteBound
from modelmeter.budgets.contract import BoundRequest
from modelmeter.pricing import PriceBook
from modelmeter.record import Operation, TokenCounts

AT_NS = 1_790_000_000_000_000_000
BOOK = PriceBook({"openai": "openai", "anthropic": "anthropic", "genai": "genai"})
BOUND = ByteBound(BOOK, output_tokens_default=4096)


def request(provider: str, model: str, size: int, output_tokens_max: int | None) -> BoundRequest:
    """A request of so many bytes."""
    return BoundRequest(
        provider=provider,
        kind=provider,
        operation=Operation.CHAT,
        model=model,
        body=b"x" * size,
        output_tokens_max=output_tokens_max,
        at_ns=AT_NS,
    )


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-mini"),
        ("anthropic", "claude-sonnet-4-5"),
        ("genai", "gemini-2.5-pro"),
    ],
)
@given(
    parts=st.tuples(*(st.integers(0, 200_000),) * 4),
    output=st.integers(0, 50_000),
    reasoning=st.integers(0, 50_000),
    tier=st.sampled_from((None, "flex", "priority")),
)
def test_no_usage_within_the_bytes_and_the_limit_costs_more(
    provider: str,
    model: str,
    parts: tuple[int, int, int, int],
    output: int,
    reasoning: int,
    tier: str | None,
) -> None:
    tokens = TokenCounts(*parts, output, reasoning)
    bound = BOUND.bound(request(provider, model, sum(parts), output + reasoning))

    price = BOOK.price(provider, model, tokens, AT_NS, service_tier=tier)

    assert bound.cost is not None
    assert price.cost <= bound.cost
    assert tokens.total <= bound.tokens
    assert output + reasoning == bound.output_tokens


def test_a_request_without_a_limit_is_bounded_by_the_default() -> None:
    assert BOUND.bound(request("openai", "gpt-4o", 100, None)) == BOUND.bound(
        request("openai", "gpt-4o", 100, 4096)
    )


def test_what_has_no_price_has_no_bound_of_its_cost() -> None:
    bound = BOUND.bound(request("openai", "no-such-model", 100, 50))

    assert bound.cost is None
    assert bound.tokens == 150
