"""Limits of output for calls that a budget or throttle can stop: set where missing, or lowered."""

import msgspec

from modelmeter.budgets.budget import Unit
from modelmeter.budgets.contract import CostBound
from modelmeter.errors import BudgetExceededError, RefusedRequestError
from modelmeter.gateway.asked import Asked, Told
from modelmeter.pricing import OUTPUT_TOKENS_MAX
from modelmeter.providers.output_maxima import OUTPUT_TOKENS_OF_UNKNOWN, output_tokens_max_of
from modelmeter.record import PICO_PER_USD, CallBound, Clock
from modelmeter.settings.budgets import BudgetingSettings

__all__ = ["LIMIT_FOR_HEADER", "LIMIT_HEADER", "OutputLimits"]

LIMIT_HEADER = b"x-modelmeter-output-limit"
"""With the answer: the limit of output tokens that the gateway set."""
LIMIT_FOR_HEADER = b"x-modelmeter-output-limit-for"
"""With the answer: the budget to whose rest the limit was lowered."""

_OURS = (LIMIT_HEADER, LIMIT_FOR_HEADER)


class OutputLimits:
    """Bounds requests, and changes their limits as the configuration has it."""

    def __init__(self, bound: CostBound, clock: Clock, policy: BudgetingSettings) -> None:
        self._bound = bound
        self._clock = clock
        self._policy = policy

    def bounded(self, asked: Asked, *, enforced: bool) -> Asked:
        """
        The request with its bound; with a limit of its output as well, where that is enforced.

        Raises:
            RefusedRequestError: it is enforced, and the request asks for what no provider
                takes, or must have set a limit itself.
        """
        now_ns = self._clock.time_ns()
        try:
            bound = self._bound.bound(asked.to_bound(now_ns))
        except RefusedRequestError:
            if enforced:
                raise
            bound = CallBound(cost=None, tokens=len(asked.facts.upstream_body), output_tokens=0)
        if enforced and bound.output_tokens:
            limit = asked.facts.output_tokens_max
            asked = self._limited(asked, limit) if limit is not None else self._injected(asked)
            if limit is None:
                bound = self._bound.bound(asked.to_bound(now_ns))
        opening = msgspec.structs.replace(
            asked.opening, bound=bound, output_tokens_max=asked.facts.output_tokens_max
        )
        return msgspec.structs.replace(asked, opening=opening)

    def lowered(self, asked: Asked, error: BudgetExceededError) -> Asked | None:
        """The request with a limit that fits what is left of a budget; None: not worth making."""
        whole, limit = asked.opening.bound, asked.facts.output_tokens_max
        if not self._policy.clamp_output or whole is None or limit is None:
            return None
        request = asked.to_bound(self._clock.time_ns())
        least = self._bound.bound(msgspec.structs.replace(request, output_tokens_max=1))
        left = _left(error)
        low, high = _amount(least, error.unit), _amount(whole, error.unit)
        if left is None or low is None or high is None or not low < high:
            return None
        # A cost is the dearest of several that grow evenly with the limit, so it lies below the
        # straight line between two of its points.
        steps = min(limit, OUTPUT_TOKENS_MAX) - 1
        tokens = (left - low) * steps // (high - low)
        if tokens < max(self._policy.clamped_output_tokens_min, self._least_limit(asked)):
            return None
        told = ((LIMIT_FOR_HEADER, error.budget.encode()),)
        return self._limited(asked, tokens, (*_limit_told(tokens), *told))

    def _least_limit(self, asked: Asked) -> int:
        facts = asked.facts
        return asked.door.dialect.demand(
            facts.operation, facts.model, facts.upstream_body, facts.output_tokens_max
        ).output_tokens_min

    def _injected(self, asked: Asked) -> Asked:
        if self._policy.without_output_limit == "refuse":
            raise RefusedRequestError(
                "this request must limit its output (max_completion_tokens, max_tokens, "
                "max_output_tokens, maxOutputTokens or maxTokens), for it is under a budget or "
                "throttle that has to know what it can use",
                code="output_limit_required",
            )
        published = output_tokens_max_of(asked.facts.model)
        configured = self._policy.output_tokens_default
        if published is None:
            tokens = configured or OUTPUT_TOKENS_OF_UNKNOWN
        else:
            tokens = min(configured or published, published)
        return self._limited(asked, tokens, _limit_told(tokens))

    def _limited(self, asked: Asked, tokens: int, told: Told = ()) -> Asked:
        facts = asked.door.dialect.limit_output(asked.facts, tokens)
        kept = tuple(header for header in asked.told if not told or header[0] not in _OURS)
        return msgspec.structs.replace(asked, facts=facts, told=(*kept, *told))


def _limit_told(tokens: int) -> Told:
    return ((LIMIT_HEADER, str(tokens).encode()),)


def _left(error: BudgetExceededError) -> int | None:
    """What is left of a budget: pico-dollars or tokens."""
    left = error.limit - error.spent - error.reserved
    if error.unit == Unit.USD:
        return int(left * PICO_PER_USD)
    return int(left) if error.unit == Unit.TOKENS else None


def _amount(bound: CallBound, unit: str) -> int | None:
    return bound.cost if unit == Unit.USD else bound.tokens
