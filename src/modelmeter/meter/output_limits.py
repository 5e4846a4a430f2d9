"""Limits of output for calls that a budget or throttle can stop: which, and how low."""

from modelmeter.budgets.budget import Unit
from modelmeter.errors import BudgetExceededError, RefusedRequestError
from modelmeter.pricing import OUTPUT_TOKENS_MAX
from modelmeter.providers.output_maxima import OUTPUT_TOKENS_OF_UNKNOWN, output_tokens_max_of
from modelmeter.record import PICO_PER_USD, CallBound
from modelmeter.settings.budgets import BudgetingSettings

__all__ = ["default_limit", "fitting_limit"]


def default_limit(model: str, policy: BudgetingSettings) -> int:
    """
    The limit of a request that sets none.

    Raises:
        RefusedRequestError: the configuration wants such a request refused.
    """
    if policy.without_output_limit == "refuse":
        raise RefusedRequestError(
            "this request must limit its output (max_completion_tokens, max_tokens, "
            "max_output_tokens, maxOutputTokens or maxTokens), for it is under a budget or "
            "throttle that has to know what it can use",
            code="output_limit_required",
        )
    published = output_tokens_max_of(model)
    configured = policy.output_tokens_default
    if published is None:
        return configured or OUTPUT_TOKENS_OF_UNKNOWN
    return min(configured or published, published)


def fitting_limit(
    error: BudgetExceededError, limit: int, whole: CallBound, least: CallBound
) -> int | None:
    """
    The highest limit with which a call fits what is left of a budget; None if none does.

    ``whole`` bounds the call with its ``limit``, ``least`` with a limit of one token. A cost is
    the dearest of several that grow evenly with the limit, so it lies below the straight line
    between two of its points.
    """
    left = _left(error)
    low, high = _amount(least, error.unit), _amount(whole, error.unit)
    if left is None or low is None or high is None or not low < high:
        return None
    return (left - low) * (min(limit, OUTPUT_TOKENS_MAX) - 1) // (high - low)


def _left(error: BudgetExceededError) -> int | None:
    """What is left of a budget: pico-dollars or tokens."""
    left = error.limit - error.spent - error.reserved
    if error.unit == Unit.USD:
        return int(left * PICO_PER_USD)
    return int(left) if error.unit == Unit.TOKENS else None


def _amount(bound: CallBound, unit: str) -> int | None:
    return bound.cost if unit == Unit.USD else bound.tokens
