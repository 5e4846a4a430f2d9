"""A lowered limit makes a call fit what is left of a budget, and is as high as that allows."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from modelmeter.budgets.bound import DemandBound
from modelmeter.budgets.contract import BoundRequest
from modelmeter.errors import BudgetExceededError, RefusedRequestError
from modelmeter.meter.output_limits import default_limit, fitting_limit
from modelmeter.pricing import PriceBook
from modelmeter.providers import dialect_for
from modelmeter.record import PICO_PER_USD, CallBound, Operation
from modelmeter.settings.budgets import BudgetingSettings

BOUND = DemandBound(PriceBook({"openai": "openai", "anthropic": "anthropic"}), dialect_for)
AT_NS = 1_790_000_000_000_000_000


def bound_with(limit: int, *, answers: int, model: str) -> CallBound:
    """The bound of a request with a limit."""
    kind = "anthropic" if "claude" in model else "openai"
    return BOUND.bound(
        BoundRequest(
            provider=kind,
            kind=kind,
            operation=Operation.CHAT,
            model=model,
            body=b'{"messages":[],"n":%d}' % answers,
            output_tokens_max=limit,
            at_ns=AT_NS,
        )
    )


def exceeded(left: Decimal, unit: str) -> BudgetExceededError:
    """What is told of a budget with so much left."""
    return BudgetExceededError(
        "no room",
        budget="daily",
        unit=unit,
        limit=left + 3,
        spent=Decimal(2),
        reserved=Decimal(1),
        resets_at=None,
        retry_after_seconds=1,
    )


@given(
    limit=st.integers(1, 1_000_000),
    answers=st.integers(1, 8),
    model=st.sampled_from(("gpt-4o-mini", "gpt-5.2", "claude-sonnet-4-5")),
    unit=st.sampled_from(("usd", "tokens")),
    share=st.fractions(0, 1),
)
def test_the_call_fits_and_a_slightly_higher_limit_would_not(
    limit: int, answers: int, model: str, unit: str, share: Fraction
) -> None:
    whole = bound_with(limit, answers=answers, model=model)
    assert whole.cost is not None
    top = whole.cost if unit == "usd" else whole.tokens
    left = top * share.numerator // share.denominator
    error = exceeded(Decimal(left) / PICO_PER_USD if unit == "usd" else Decimal(left), unit)
    least = bound_with(1, answers=answers, model=model)

    tokens = fitting_limit(error, limit, whole, least)

    assume(tokens is not None and tokens >= 1)
    assert tokens is not None
    fitting, higher = (
        bound_with(number, answers=answers, model=model) for number in (tokens, tokens + 2)
    )
    assert fitting.cost is not None
    assert higher.cost is not None
    amounts = (fitting.cost, higher.cost) if unit == "usd" else (fitting.tokens, higher.tokens)
    assert amounts[0] <= left < amounts[1] or tokens + 2 > limit


def test_a_budget_of_calls_has_no_limit_to_lower() -> None:
    whole, least = (bound_with(limit, answers=1, model="gpt-4o-mini") for limit in (99, 1))

    assert fitting_limit(exceeded(Decimal(0), "calls"), 99, whole, least) is None


@pytest.mark.parametrize(
    ("model", "configured", "limit"),
    [
        ("gpt-4o-mini", None, 16_384),
        ("gpt-4o-mini", 500, 500),
        ("gpt-4o-mini", 500_000, 16_384),
        ("nobody-knows-it", None, 4_096),
        ("nobody-knows-it", 500_000, 500_000),
    ],
)
def test_a_request_without_a_limit_gets_the_configured_one_within_the_models(
    model: str, configured: int | None, limit: int
) -> None:
    assert default_limit(model, BudgetingSettings(output_tokens_default=configured)) == limit


def test_or_it_is_refused() -> None:
    policy = BudgetingSettings(without_output_limit="refuse")

    with pytest.raises(RefusedRequestError, match="must limit its output"):
        default_limit("gpt-4o-mini", policy)
