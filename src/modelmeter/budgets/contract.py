"""What budgets ask of whoever bounds the cost of a call."""

from typing import Protocol

import msgspec

from modelmeter.record import CallBound, Operation

__all__ = ["BoundRequest", "CostBound"]


class BoundRequest(msgspec.Struct, frozen=True):
    """A request about to be made."""

    provider: str
    """The configured name."""
    kind: str
    """The provider's dialect: openai, anthropic, genai or bedrock."""
    operation: Operation
    model: str
    """The one that will be asked, after any downgrade."""
    body: bytes
    """As it will go upstream."""
    output_tokens_max: int | None
    """The limit of output tokens in ``body``, or None."""
    at_ns: int
    """UTC, since 1970: the prices of that moment count."""


class CostBound(Protocol):
    """Bounds calls from above; asked only for calls that a budget applies to."""

    def bound(self, request: BoundRequest) -> CallBound:
        """
        The most that ``request`` can use, by any model version, tier or cache state it may meet.

        Pure but for its memory, and quick; what has no known price has no cost.

        Raises:
            RefusedRequestError: it asks for what no provider takes.
        """
        ...
