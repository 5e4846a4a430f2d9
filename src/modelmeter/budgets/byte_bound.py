"""A bound that needs no tokenizer: no token is shorter than a byte."""

from typing import Protocol

from modelmeter.budgets.contract import BoundRequest
from modelmeter.pricing.quote import Quote
from modelmeter.pricing.rates import Rates
from modelmeter.record import CallBound, PicoUsd, TokenCounts

__all__ = ["ByteBound", "Quoter"]

_KINDS = TokenCounts.__struct_fields__
_OUTPUT_KINDS = frozenset({"output", "reasoning", "audio_output", "image_output"})
_TIERS = (None, "priority")
"""The ordinary tier, and the one that is dearer."""


class Quoter(Protocol):
    """What the bound asks of a price book."""

    def quote(
        self, provider: str, model: str, at_ns: int, *, service_tier: str | None = None
    ) -> Quote:
        """The price of a model at a time."""
        ...


class ByteBound:
    """Takes every byte of a request for a token, and the dearest price of any kind."""

    def __init__(self, quoter: Quoter, *, output_tokens_default: int) -> None:
        self._quoter = quoter
        self._output_tokens_default = output_tokens_default

    def bound(self, request: BoundRequest) -> CallBound:
        """See `CostBound.bound`."""
        output = request.output_tokens_max
        if output is None:
            output = self._output_tokens_default
        tokens = len(request.body)
        costs = []
        for tier in _TIERS:
            quote = self._quoter.quote(
                request.provider, request.model, request.at_ns, service_tier=tier
            )
            if quote.rates is not None:
                costs.append(_dearest(quote.rates, tokens, output))
        cost = PicoUsd(max(costs)) if costs else None
        return CallBound(cost=cost, tokens=tokens + output, output_tokens=output)


def _dearest(rates: Rates, input_tokens: int, output_tokens: int) -> int:
    dear_input = dear_output = 0
    for _, prices in rates.bands:
        for kind, price in zip(_KINDS, prices, strict=True):
            if kind in _OUTPUT_KINDS:
                dear_output = max(dear_output, price)
            else:
                dear_input = max(dear_input, price)
    scaled = input_tokens * dear_input + output_tokens * dear_output + rates.call_fee
    return -(-scaled // rates.scale)
