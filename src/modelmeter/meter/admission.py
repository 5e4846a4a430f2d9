"""Opens a call under the budgets that apply to it, for another model where one asks for that."""

from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, Self, TypeVar

import msgspec

from modelmeter.errors import BudgetExceededError, RefusedRequestError
from modelmeter.meter.bounding import Bounding
from modelmeter.meter.meter import CallOpening
from modelmeter.meter.told import Headers, limit_told, model_told
from modelmeter.providers import RequestFacts

__all__ = ["CHANGES_MAX", "Admitted", "Request", "admit"]

CHANGES_MAX = 5
"""How often one call may be changed: sent on to a cheaper model, or its limit lowered."""


class Request(Protocol):
    """A request that can be made cheaper."""

    @property
    def facts(self) -> RequestFacts:
        """What it asks for."""
        ...

    def of(self, facts: RequestFacts) -> Self:
        """The same request with another body."""
        ...

    def to_model(self, model: str) -> Self:
        """The request as its caller made it, to another model; RefusedRequestError: it cannot."""
        ...


_Made = TypeVar("_Made", bound=Request)
_Opened = TypeVar("_Opened")


class Admitted(msgspec.Struct, Generic[_Made, _Opened], frozen=True):
    """A call that may be made."""

    request: _Made
    """As it is to be sent."""
    opened: _Opened
    told: Headers
    """What its caller is told of the changes that budgets made to it."""


async def admit(
    request: _Made,
    bounding: Bounding,
    kind: str,
    opening_of: Callable[[_Made], CallOpening],
    open_call: Callable[[_Made, CallOpening], Awaitable[_Opened]],
    *,
    is_final: bool = False,
) -> Admitted[_Made, _Opened]:
    """
    Open a call as it was asked for, or as cheap as a budget wants it.

    Args:
        kind: of the provider.
        opening_of: what is known of the call before it is bounded.
        open_call: commits the intent of a request as it would be sent.
        is_final: the request cannot be changed any more.

    Raises:
        LedgerUnavailableError: the intent is not committed; the call must not be made.
        BudgetExceededError: it does not fit a budget, nor would a cheaper model.
        ThrottledError: calls like it come too fast.
        RefusedRequestError: nothing bounds its cost, and a budget needs that.
    """
    requested = downgraded_by = lowered = None
    for _ in range(CHANGES_MAX):
        opening = opening_of(request)
        if downgraded_by is not None:
            opening = msgspec.structs.replace(
                opening, model_requested=requested, downgraded_by=downgraded_by
            )
        bounded = await bounding.bounded(opening, kind, request.facts, final=is_final)
        made = request.of(bounded.facts)
        try:
            opened = await open_call(made, bounded.opening)
        except BudgetExceededError as error:
            if error.downgrade_to is not None:
                requested, downgraded_by = requested or opening.model, error.budget
                request, lowered, is_final = request.to_model(error.downgrade_to), None, False
                continue
            if not bounded.opening.asks_again:
                raise
            # At the least once more, for the record.
            is_final = True
            lower = bounding.lowered(bounded, kind, error)
            if lower is not None:
                request, lowered = request.of(lower.facts), lower
        else:
            told = model_told(opening) + limit_told(lowered or bounded)
            return Admitted(made, opened, told)
    raise RefusedRequestError(
        f"budgets send this call from one model to another: {request.facts.model!r} is the last "
        "of them; let each downgrade lead to the cheapest",
        code="downgrade_loop",
        http_status=429,
    )
