"""
The most a call can cost: what its request can use at most, at the dearest price that may apply.

A bound stands on what providers document and on the price catalogue. Where a request reads what
is not in it (a stored conversation, a file, the finds of a tool the provider runs), the model's
context window bounds each reading.
"""

from collections.abc import Callable
from itertools import product
from typing import Protocol

import msgspec

from modelmeter.budgets.contract import BoundRequest
from modelmeter.pricing.estimate import OUTPUT_TOKENS_MAX
from modelmeter.pricing.quote import Quote
from modelmeter.pricing.rates import Rates
from modelmeter.providers.demand import RequestDemand
from modelmeter.providers.output_maxima import OUTPUT_TOKENS_OF_UNKNOWN, output_tokens_max_of
from modelmeter.record import CallBound, Operation, PicoUsd, ToolCalls

__all__ = ["COST_MAX", "DemandBound", "PriceSource"]

COST_MAX = 2**62
"""Pico-dollars: what a hold can be at most, some 4.6 million USD; more would burst the ledger."""
DEAREST_MAX = 4096
"""Rates times kinds of requests whose dearest prices are remembered."""
CONTEXT_WINDOW_OF_UNKNOWN = 1_000_000
"""Tokens; the window of a model whose window is not known."""

_WIDER_WINDOWS = ("claude-sonnet-4",)
"""
Models whose window a header of the request can widen to `CONTEXT_WINDOW_OF_UNKNOWN`
(https://platform.claude.com/docs/en/build-with-claude/context-windows).
"""
_ROUNDED_BY = 20
"""The catalogue says 1,000,000 for 1,048,576: a twentieth is added to a window."""

_TEXT = ("input", "cache_read")
_CACHE = ("cache_write_5m",)
_LONG_CACHE = ("cache_write_1h",)
_IMAGE = ("image_input",)
_AUDIO = ("audio_input",)
_OUTPUT = ("output", "reasoning", "image_output")
_AUDIO_OUTPUT = ("audio_output",)


class PriceSource(Protocol):
    """What the bound asks of a price book."""

    def quote(
        self,
        provider: str,
        model: str,
        at_ns: int,
        *,
        service_tier: str | None = None,
        region: str | None = None,
    ) -> Quote:
        """The price of a model at a time."""
        ...

    def context_window(self, provider: str, model: str) -> int | None:
        """The tokens a model takes in at most; None if that is not known."""
        ...


class DemandReader(Protocol):
    """What the bound asks of a provider's dialect."""

    def demand(
        self, operation: Operation, model: str, body: bytes, output_tokens_max: int | None
    ) -> RequestDemand:
        """Bound what a request can use; RefusedRequestError if that cannot be told."""
        ...


class _Tokens(msgspec.Struct, frozen=True):
    text: int
    media: int
    output: int

    @property
    def input(self) -> int:
        return self.text + self.media


class _Dearest(msgspec.Struct, frozen=True):
    """The dearest prices of a token, in units of the rates."""

    rates: Rates
    text: int
    media: int
    output: int


class DemandBound:
    """Reads what a request demands, and prices all of it at the dearest."""

    def __init__(self, prices: PriceSource, dialect_of: Callable[[str], DemandReader]) -> None:
        """``dialect_of`` gives the dialect of a kind of provider."""
        self._prices = prices
        self._dialect_of = dialect_of
        self._dearest: dict[tuple[int, int, bool, bool, bool], _Dearest] = {}

    def bound(self, request: BoundRequest) -> CallBound:
        """
        See `modelmeter.budgets.contract.CostBound.bound`.

        Raises:
            RefusedRequestError: it asks for what no provider takes.
        """
        demand = self._dialect_of(request.kind).demand(
            request.operation, request.model, request.body, request.output_tokens_max
        )
        tokens = self._tokens(request, demand)
        return CallBound(
            self._cost(request, demand, tokens),
            tokens=tokens.input + tokens.output,
            output_tokens=tokens.output,
        )

    def _tokens(self, request: BoundRequest, demand: RequestDemand) -> _Tokens:
        text = demand.text_bytes - demand.tokens_saved + demand.hidden_tokens
        media = demand.media_tokens
        if demand.unseen or demand.tool_rounds:
            read = max(self._window(request) * (demand.tool_rounds + 1), text + media)
            text, media = (0, read) if demand.has_media else (read, 0)
        output = 0
        if demand.writes:
            limit = request.output_tokens_max
            if limit is None:
                limit = output_tokens_max_of(request.model) or OUTPUT_TOKENS_OF_UNKNOWN
            output = min(limit, OUTPUT_TOKENS_MAX) * demand.answers
        return _Tokens(text, media, output)

    def _window(self, request: BoundRequest) -> int:
        window = self._prices.context_window(request.provider, request.model)
        if window is None or any(name in request.model for name in _WIDER_WINDOWS):
            window = max(window or 0, CONTEXT_WINDOW_OF_UNKNOWN)
        return window + window // _ROUNDED_BY

    def _cost(
        self, request: BoundRequest, demand: RequestDemand, tokens: _Tokens
    ) -> PicoUsd | None:
        dearest: int | None = None
        for tier, region in product(demand.service_tiers, demand.regions):
            quote = self._prices.quote(
                request.provider,
                request.model,
                request.at_ns,
                service_tier=tier,
                region=region,
            )
            if quote.rates is not None:
                cost = self._cost_at(quote.rates, demand, tokens)
                dearest = cost if dearest is None else max(dearest, cost)
        return None if dearest is None else PicoUsd(min(dearest, COST_MAX))

    def _cost_at(self, rates: Rates, demand: RequestDemand, tokens: _Tokens) -> int:
        """Pico-dollars, rounded up."""
        dearest = self._dearest_of(rates, demand, tokens.input)
        scaled = (
            rates.call_fee
            + tokens.text * dearest.text
            + tokens.media * dearest.media
            + tokens.output * dearest.output
        )
        return -(-scaled // rates.scale) + _fees(rates, demand, tokens)

    def _dearest_of(self, rates: Rates, demand: RequestDemand, input_tokens: int) -> "_Dearest":
        long, audio = demand.writes_cache_for_long, demand.has_audio
        key = (id(rates), rates.bands_reached(input_tokens), demand.writes_cache, long, audio)
        found = self._dearest.get(key)
        # Its rates are kept with it, so that no other ones can come to have the same id.
        if found is None or found.rates is not rates:
            text_kinds = _TEXT + demand.writes_cache * _CACHE + long * _LONG_CACHE
            media_kinds = text_kinds + _IMAGE + audio * _AUDIO
            found = _Dearest(
                rates=rates,
                text=rates.dearest(text_kinds, input_tokens),
                media=rates.dearest(media_kinds, input_tokens),
                output=rates.dearest(_OUTPUT + audio * _AUDIO_OUTPUT, input_tokens),
            )
            if len(self._dearest) >= DEAREST_MAX:
                self._dearest.clear()
            self._dearest[key] = found
        return found


def _fees(rates: Rates, demand: RequestDemand, tokens: _Tokens) -> int:
    """
    Of tools, of models that are billed by the character, and what video costs more than text.

    A character has a byte or more; any of the media may be video, and any output.
    """
    if not rates.tool_fees:
        return 0
    uses = ToolCalls(
        **{_dearer_search(rates): demand.web_searches},
        file_search=demand.file_searches,
        maps_grounding=min(demand.web_searches, 1),
        code_execution=demand.tool_rounds,
        image_generation=demand.tool_rounds,
        advice=demand.tool_rounds,
        characters=demand.text_bytes,
        video_input=tokens.media,
        video_output=tokens.output,
    )
    return rates.charge_tools(uses)[0]


def _dearer_search(rates: Rates) -> str:
    """Of the two versions of a search of the web: which of them it is, only the answer tells."""
    fees = dict(rates.tool_fees)
    return max(("web_search", "web_search_preview"), key=lambda tool: fees.get(tool, 0))
