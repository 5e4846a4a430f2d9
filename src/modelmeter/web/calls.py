"""The calls behind a number, and one call with everything that is known of it."""

import sqlite3
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

import msgspec

from modelmeter.errors import RefusedRequestError
from modelmeter.ledger.entries import (
    EntryFilter,
    Place,
    Row,
    entries_page,
    entry_by_id,
    other_attempts,
)
from modelmeter.pricing.quote import Quote
from modelmeter.record import PicoUsd, TokenCounts, usd_text
from modelmeter.web.asking import Asked, iso
from modelmeter.web.call_answers import Attempt, CallDetail, CallRow, CallsPage, CostLine

__all__ = ["Quotes", "call_detail", "calls_page"]

_KINDS = TokenCounts.__struct_fields__
_PICO_PER_USD = Decimal(10) ** 12

_place_decoder = msgspec.json.Decoder(tuple[int, int])


class Quotes(Protocol):
    """What is asked of a price book."""

    def quote(
        self, provider: str, model: str, at_ns: int, *, model_answered: str | None = None
    ) -> Quote:
        """The price of a model at a time."""
        ...


def calls_page(
    connection: sqlite3.Connection,
    asked: Asked,
    ended: EntryFilter,
    *,
    cursor: str | None,
    limit: int,
) -> CallsPage:
    """
    Calls that began last first.

    Raises:
        RefusedRequestError: the cursor is none of ours (400).
        sqlite3.Error: the ledger cannot be read now.
    """
    before = None if cursor is None else _place(cursor)
    rows = entries_page(connection, asked.span, asked.wanted, ended, before=before, limit=limit + 1)
    more = len(rows) > limit
    shown = rows[:limit]
    return CallsPage(
        from_=iso(asked.start),
        to=iso(asked.end),
        time_zone=asked.time_zone.key,
        calls=[CallRow.model_validate(_fields(row)) for row in shown],
        next=_cursor(shown[-1]) if more else None,
    )


def call_detail(
    connection: sqlite3.Connection, call_id: str, tenants: tuple[str, ...], quotes: Quotes
) -> CallDetail:
    """
    One call: its attempts, tokens, price line by line, times.

    Raises:
        RefusedRequestError: there is no such call for this viewer (404).
        sqlite3.Error: the ledger cannot be read now.
    """
    row = entry_by_id(connection, call_id, tenants)
    if row is None:
        raise RefusedRequestError("there is no such call", code="call_not_found", http_status=404)
    attempts = [*other_attempts(connection, row), row]
    attempts.sort(key=lambda attempt: (_int(attempt, "started_at_ns"), _int(attempt, "seq")))
    tokens = TokenCounts(**{kind: _int(row, f"tokens_{kind}") for kind in _KINDS})
    lines, rest = _lines(row, tokens, quotes)
    duration, first = _int(row, "duration_ns"), row["time_to_first_token_ns"]
    return CallDetail.model_validate(
        {
            **_fields(row),
            "key_id": row["key_id"],
            "request_id": row["request_id"],
            "attempt": row["attempt"],
            "provider_request_id": row["provider_request_id"],
            "model_answered": row["model_answered"],
            "priced_model": row["priced_model"],
            "price_source": row["price_source"],
            "note": row["note"],
            "tokens_by_kind": {kind: getattr(tokens, kind) for kind in _KINDS},
            "cost_lines": lines,
            "cost_rest_usd": rest,
            "after_first_token_ms": None if first is None else _ms(duration - int(str(first))),
            "attempts": [Attempt.model_validate(_attempt(one)) for one in attempts],
            "corrections": [],
        }
    )


def _fields(row: Row) -> dict[str, object]:
    first = row["time_to_first_token_ns"]
    return {
        **_attempt(row),
        "agent": row["agent_id"],
        "team": row["team"],
        "tenant": row["tenant_id"],
        "operation": row["operation"],
        "streamed": bool(row["streamed"]),
        "cached": bool(row["cached"]),
        "time_to_first_token_ms": None if first is None else _ms(int(str(first))),
        "tokens": sum(_int(row, f"tokens_{kind}") for kind in _KINDS),
        "cost_saved_usd": usd_text(_int(row, "cost_saved_pico_usd")),
    }


def _attempt(row: Row) -> dict[str, object]:
    started_at_ns = _int(row, "started_at_ns")
    return {
        "id": row["id"],
        "started_at": iso(datetime.fromtimestamp(started_at_ns // 1_000_000 / 1e3, UTC)),
        "provider": row["provider"],
        "model": row["model"],
        "status": row["status"],
        "error_type": row["error_type"],
        "http_status": row["http_status"],
        "duration_ms": _ms(_int(row, "duration_ns")),
        "cost_usd": usd_text(_int(row, "cost_pico_usd")),
        "cost_state": row["cost_state"],
    }


def _lines(row: Row, tokens: TokenCounts, quotes: Quotes) -> tuple[list[CostLine], str]:
    """The cost by kind of token, and what of it is none of them: fees, other tiers."""
    cost = _int(row, "cost_pico_usd")
    if row["price_source"] is None or row["cached"]:
        return [], usd_text(cost)
    answered = row["model_answered"]
    quote = quotes.quote(
        str(row["provider"]),
        str(row["model"]),
        _int(row, "started_at_ns"),
        model_answered=None if answered is None else str(answered),
    )
    lines = quote.lines(tokens)
    summed = sum((line.usd for line in lines), Decimal(0))
    shown = [
        CostLine(
            kind=line.kind,
            tokens=line.tokens,
            usd_per_million=f"{line.usd_per_million.normalize():f}",
            cost_usd=f"{line.usd.normalize():f}",
        )
        for line in lines
    ]
    return shown, usd_text(PicoUsd(cost - int((summed * _PICO_PER_USD).to_integral_value())))


def _cursor(row: Row) -> str:
    place = msgspec.json.encode((_int(row, "started_at_ns"), _int(row, "seq")))
    return urlsafe_b64encode(place).decode().rstrip("=")


def _place(cursor: str) -> Place:
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        started_at_ns, seq = _place_decoder.decode(text)
    except (ValueError, msgspec.DecodeError) as error:
        raise RefusedRequestError(
            "cursor: take it from `next` of the page before", code="invalid_parameter"
        ) from error
    if not (0 <= started_at_ns < 2**63 and 0 <= seq < 2**63):
        raise RefusedRequestError("cursor: out of range", code="invalid_parameter")
    return started_at_ns, seq


def _int(row: Row, name: str) -> int:
    return int(str(row[name]))


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / 1e6, 3)
