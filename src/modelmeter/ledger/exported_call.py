"""An entry on its way between ledgers: one JSON object, exact, with the rates it was priced at."""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from modelmeter.pricing.card import read_card
from modelmeter.record import (
    NO_TOOLS,
    PICO_PER_USD,
    CacheMiss,
    Call,
    Caller,
    CostState,
    ErrorType,
    Intent,
    Operation,
    PicoUsd,
    RateCard,
    Status,
    TokenCounts,
    ToolCalls,
    pico_usd,
    usd_text,
)

__all__ = ["COLUMNS", "LINE_BYTES_MAX", "exported", "imported"]

LINE_BYTES_MAX = 1024 * 1024
"""A line of an export; no entry comes near."""
TEXT_LENGTH_MAX = 4096
"""A name or note of an entry, in characters."""
COST_MAX = 10**6 * PICO_PER_USD
"""What one call can cost; more would be a mistake, and burst the sums."""

_TOKENS_MAX = 10**12
_NS_MAX = 2**62

_Text = Annotated[str, msgspec.Meta(max_length=TEXT_LENGTH_MAX)]
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_LENGTH_MAX)]
_Nanoseconds = Annotated[int, msgspec.Meta(ge=0, le=_NS_MAX)]
_Tokens = Annotated[int, msgspec.Meta(ge=0, le=_TOKENS_MAX)]
_Flag = Literal[0, 1]


class _ExportedCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The columns of an entry as `modelmeter calls --json` names them, without its place."""

    id: _Id
    request_id: _Id
    attempt: Annotated[int, msgspec.Meta(ge=0, le=10_000)]
    started_at_ns: _Nanoseconds
    tenant_id: _Text
    team: _Text
    agent_id: _Text
    key_id: _Text
    provider: _Text
    operation: Operation
    model: _Text
    streamed: _Flag
    status: Status
    error_type: ErrorType | None
    http_status: Annotated[int, msgspec.Meta(ge=0, le=999)] | None
    provider_request_id: _Text | None
    duration_ns: _Nanoseconds
    time_to_first_token_ns: _Nanoseconds | None
    model_answered: _Text | None
    tokens_input: _Tokens
    tokens_cache_read: _Tokens
    tokens_cache_write_5m: _Tokens
    tokens_cache_write_1h: _Tokens
    tokens_output: _Tokens
    tokens_reasoning: _Tokens
    tokens_audio_input: _Tokens
    tokens_audio_output: _Tokens
    tokens_image_input: _Tokens
    tokens_image_output: _Tokens
    cost_usd: Decimal
    cost_state: CostState
    priced_model: _Text | None
    price_source: _Text | None
    cached: _Flag
    cost_saved_usd: Decimal
    note: _Text | None
    model_requested: _Text | None
    overrun: _Flag
    cache_miss: CacheMiss | None
    rate_card: msgspec.Raw
    tool_calls: str | None
    usage_estimated: _Flag


COLUMNS = _ExportedCall.__struct_fields__
"""In their order."""

_KINDS = TokenCounts.__struct_fields__
_NULL = msgspec.Raw(b"null")
_decoder = msgspec.json.Decoder(_ExportedCall)
_tools_decoder = msgspec.json.Decoder(ToolCalls)


def exported(row: dict[str, object], card: str | None) -> dict[str, object]:
    """The columns of an entry's row, for JSON; ``card`` is the text of its rate card."""
    columns = {name: row.get(name) for name in COLUMNS}
    columns["cost_usd"] = usd_text(int(str(row["cost_pico_usd"])))
    columns["cost_saved_usd"] = usd_text(int(str(row["cost_saved_pico_usd"])))
    columns["rate_card"] = _NULL if card is None else msgspec.Raw(card.encode())
    return columns


def imported(line: bytes, *, started_before_ns: int) -> Call:
    """
    The call of a line of an export.

    Raises:
        ValueError: it is no such line, or holds what no call can have; the text says what.
    """
    one = _decoder.decode(line)
    if one.started_at_ns >= started_before_ns:
        raise ValueError("it began in the future")
    tools = NO_TOOLS if one.tool_calls is None else _tools(one.tool_calls)
    return Call(
        intent=Intent(
            id=one.id,
            request_id=one.request_id,
            attempt=one.attempt,
            started_at_ns=one.started_at_ns,
            caller=Caller(
                agent_id=one.agent_id, team=one.team, tenant_id=one.tenant_id, key_id=one.key_id
            ),
            provider=one.provider,
            operation=one.operation,
            model=one.model,
            streamed=bool(one.streamed),
            input_bytes=0,
            output_tokens_max=None,
            model_requested=one.model_requested,
            cache_miss=one.cache_miss,
        ),
        status=one.status,
        error_type=one.error_type,
        http_status=one.http_status,
        provider_request_id=one.provider_request_id,
        duration_ns=one.duration_ns,
        time_to_first_token_ns=one.time_to_first_token_ns,
        model_answered=one.model_answered,
        tokens=TokenCounts(*(getattr(one, f"tokens_{kind}") for kind in _KINDS)),
        cost=_cost("cost_usd", one.cost_usd),
        cost_state=one.cost_state,
        priced_model=one.priced_model,
        price_source=one.price_source,
        cached=bool(one.cached),
        cost_saved=_cost("cost_saved_usd", one.cost_saved_usd),
        overrun=bool(one.overrun),
        note=one.note,
        tools=tools,
        usage_estimated=bool(one.usage_estimated),
        card=_card(bytes(one.rate_card)),
    )


def _cost(name: str, amount_usd: Decimal) -> PicoUsd:
    cost = pico_usd(amount_usd)
    if not 0 <= cost <= COST_MAX or Decimal(usd_text(cost)) != amount_usd:
        raise ValueError(f"{name} is no amount of whole 1e-12 USD from 0 to a million")
    return cost


def _card(text: bytes) -> RateCard | None:
    if text == b"null":
        return None
    read_card(text.decode())
    return RateCard.of(text.decode())


def _tools(text: str) -> ToolCalls:
    tools = _tools_decoder.decode(text)
    if not all(0 <= uses <= _TOKENS_MAX for uses in msgspec.structs.astuple(tools)):
        raise ValueError("tool_calls holds a count that none can have")
    return tools
