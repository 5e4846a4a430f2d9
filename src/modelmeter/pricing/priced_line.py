"""The price of a usage line, as a line of JSON."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

import msgspec

from modelmeter.pricing.book import PriceBook
from modelmeter.pricing.quote import Quote
from modelmeter.pricing.rates import FREE, PriceLine, line_fields
from modelmeter.pricing.usage_line import UsageLine, facts_of, provider_name, served_tier
from modelmeter.providers.bodies import UNREADABLE
from modelmeter.record import (
    NO_TOOLS,
    CostState,
    PicoUsd,
    TokenCounts,
    ToolCalls,
    pico_usd,
    usd_text,
)

__all__ = ["LinePricer", "LineStatus"]

TIMES_MAX = 4096
"""Texts of times whose meaning is remembered."""
FEE_USD_MAX = 1_000_000
"""Of a fee that the caller tells."""
_MILLION = 10**6
_HTTP_ERROR = 400
_NS = 10**9
_NULL = msgspec.Raw(b"null")

LineStatus = str
"""
``priced``: every unit that was used has a price. ``partial``: some have none, or the price is not
that of the tier; the cost is that of what is known. ``free``: the model costs nothing on purpose.
``zero``: nothing was used. ``unknown``: no cost can be told.
"""


class _Result(msgspec.Struct):
    id: msgspec.Raw
    status: LineStatus
    cost_usd: str | None
    lines: list[dict[str, object]]
    matched_model: str | None = None
    source: str | None = None
    reason: str | None = None


class _Named(msgspec.Struct):
    id: msgspec.Raw = _NULL


_line_decoder = msgspec.json.Decoder(UsageLine)
_name_decoder = msgspec.json.Decoder(_Named)
_encode = msgspec.json.Encoder().encode


class LinePricer:
    """Prices usage lines one after the other."""

    def __init__(self, book: PriceBook, now_ns: Callable[[], int]) -> None:
        self._book = book
        self._now_ns = now_ns
        self.unreadable = 0
        """Lines that were no usage."""

    def price(self, text: bytes) -> bytes:
        """The result of a line; one that cannot be read is ``unknown``, and says why."""
        try:
            line = _line_decoder.decode(text)
            return _encode(self._result(line))
        except (ValueError, OverflowError, *UNREADABLE) as error:
            self.unreadable += 1
            return _encode(_unknown(_id_of(text), f"the line is no usage: {error}"))

    def _result(self, line: UsageLine) -> _Result:
        facts = facts_of(line)
        tokens = facts.tokens
        if tokens is None and facts.tools == NO_TOOLS:
            if line.http_status is not None and line.http_status >= _HTTP_ERROR:
                why = f"the provider answered with status {line.http_status} and no usage"
                return _Result(line.id, "zero", "0", [], reason=why)
            return _unknown(line.id, facts.note or "the provider reported no usage")
        quote = self._book.quote(
            provider_name(line.provider),
            line.model,
            _at_ns(line.when) if line.when is not None else self._now_ns(),
            model_answered=facts.model_answered,
            service_tier=served_tier(line, facts),
            region=facts.region or line.region,
        )
        tools = facts.tools
        if line.fees:
            told = {name: 0 for name in line.fees if name in ToolCalls.__struct_fields__}
            tools = msgspec.structs.replace(tools, **told)
        result = _priced(line.id, quote, tokens or TokenCounts(), tools)
        return _with_fees(result, line.fees) if line.fees else result


def _id_of(text: bytes) -> msgspec.Raw:
    """The id of a line that is no usage, as far as it is an object of JSON."""
    try:
        return _name_decoder.decode(text).id
    except (ValueError, *UNREADABLE):
        return _NULL


def _with_fees(result: _Result, fees: Mapping[str, Decimal]) -> _Result:
    """The result with what the caller knows that was billed beside."""
    if not all(usd.is_finite() and 0 <= usd <= FEE_USD_MAX for usd in fees.values()):
        raise ValueError(f"a fee is from 0 to {FEE_USD_MAX} USD")
    if result.cost_usd is None:
        return result
    cost = pico_usd(Decimal(result.cost_usd))
    for name, usd in fees.items():
        fee = pico_usd(usd)
        cost = PicoUsd(cost + fee)
        exact = Decimal(usd_text(fee))
        result.lines.append(line_fields(PriceLine(name, 1, exact * _MILLION, exact)))
    result.cost_usd = usd_text(cost)
    if cost and result.status in ("zero", "free"):
        result.status = "priced"
    return result


def _priced(line_id: msgspec.Raw, quote: Quote, tokens: TokenCounts, tools: ToolCalls) -> _Result:
    rates = quote.rates
    used_nothing = not tokens.total and tools == NO_TOOLS
    if rates is None:
        if used_nothing:
            return _Result(line_id, "zero", "0", [], reason="nothing was used")
        return _unknown(line_id, quote.note)
    missing = quote.missing(tokens, tools)
    price = quote.price(tokens, tools)
    lines = quote.lines(tokens, tools)
    known_usd = usd_text(price.cost)
    status, reason = "priced", price.note
    if missing:
        if not lines:
            return _unknown(line_id, price.note)
        known = rates.charge(tokens)
        fees, _ = rates.charge_tools(tools)
        known_usd = usd_text((known or 0) + fees)
        status = "partial"
    elif price.state is CostState.ESTIMATED:
        status = "partial"
    elif rates is FREE:
        status = "free"
    elif used_nothing and not price.cost:
        status = "zero"
    return _Result(
        line_id,
        status,
        known_usd,
        [line_fields(line) for line in lines],
        quote.priced_model,
        quote.price_source,
        reason,
    )


def _unknown(line_id: msgspec.Raw, reason: str | None) -> _Result:
    return _Result(line_id, "unknown", None, [], reason=reason)


@lru_cache(maxsize=TIMES_MAX)
def _at_ns(when: str | float) -> int:
    """
    Nanoseconds since 1970.

    Raises:
        ValueError: it is no time.
    """
    if isinstance(when, str):
        moment = datetime.fromisoformat(when)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return int(moment.timestamp()) * _NS + moment.microsecond * 1000
    return int(when * _NS)
