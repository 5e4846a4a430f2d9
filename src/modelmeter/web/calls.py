"""The calls behind a number, and one call with everything that is known of it."""

import sqlite3
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import msgspec

from modelmeter.errors import RefusedRequestError
from modelmeter.ledger.corrections import lay_over
from modelmeter.ledger.entries import (
    EntryFilter,
    Place,
    Row,
    entries_page,
    entry_by_id,
    other_attempts,
)
from modelmeter.ledger.explanation import Bill, explain
from modelmeter.pricing.rates import PriceLine
from modelmeter.record import TokenCounts, pico_usd, usd_text
from modelmeter.web.asking import Asked, iso
from modelmeter.web.call_answers import (
    Attempt,
    CallDetail,
    CallRow,
    CallsPage,
    Correction,
    CostLine,
)

__all__ = ["call_detail", "calls_page"]

_KINDS = TokenCounts.__struct_fields__

_place_decoder = msgspec.json.Decoder(tuple[int, int])


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
    found = entries_page(
        connection, asked.span, asked.wanted, ended, before=before, limit=limit + 1
    )
    rows = lay_over(connection, found)
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
    connection: sqlite3.Connection, call_id: str, tenants: tuple[str, ...]
) -> CallDetail:
    """
    One call: its attempts, tokens, price line by line, times.

    Raises:
        RefusedRequestError: there is no such call for this viewer (404).
        sqlite3.Error: the ledger cannot be read now.
    """
    found = entry_by_id(connection, call_id, tenants)
    explanation = None if found is None else explain(connection, call_id)
    if found is None or explanation is None:
        raise RefusedRequestError("there is no such call", code="call_not_found", http_status=404)
    row, *others = lay_over(connection, [found, *other_attempts(connection, found)])
    attempts = sorted(
        [row, *others], key=lambda one: (_int(one, "started_at_ns"), _int(one, "seq"))
    )
    bill = explanation.bills[-1]
    duration, first = _int(row, "duration_ns"), row["time_to_first_token_ns"]
    return CallDetail.model_validate(
        {
            **_fields(row),
            "key_id": row["key_id"],
            "request_id": row["request_id"],
            "attempt": row["attempt"],
            "provider_request_id": row["provider_request_id"],
            "model_requested": row["model_requested"],
            "model_answered": row["model_answered"],
            "cache_miss": row["cache_miss"],
            "priced_model": bill.priced_model,
            "price_source": bill.price_source,
            "price_since": None if bill.price_since is None else bill.price_since.isoformat(),
            "price_tier": bill.tier,
            "price_region": bill.region,
            "note": bill.note,
            "tokens_by_kind": {kind: _int(row, f"tokens_{kind}") for kind in _KINDS},
            "cost_lines": [_line(line) for line in bill.lines],
            "cost_rest_usd": _rest(bill),
            "after_first_token_ms": None if first is None else _ms(duration - int(str(first))),
            "attempts": [Attempt.model_validate(_attempt(one)) for one in attempts],
            "corrections": _corrections(explanation.bills),
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


def _line(line: PriceLine) -> CostLine:
    return CostLine(
        kind=line.kind,
        tokens=line.tokens,
        usd_per_million=f"{line.usd_per_million.normalize():f}",
        cost_usd=f"{line.usd.normalize():f}",
    )


def _rest(bill: Bill) -> str:
    """What of the cost, or of what the cache saved, is no line's."""
    summed = sum((line.usd for line in bill.lines), Decimal(0))
    return usd_text(bill.cost + bill.cost_saved - pico_usd(summed))


def _corrections(bills: list[Bill]) -> list[Correction]:
    return [
        Correction(
            at=iso(datetime.fromtimestamp((bill.known_at_ns or 0) // 1_000_000 / 1e3, UTC)),
            cost_before_usd=usd_text(before.cost),
            cost_after_usd=usd_text(bill.cost),
            price_source=bill.price_source,
            note=bill.note,
        )
        for before, bill in pairwise(bills)
    ]


def _cursor(row: Row) -> str:
    place = msgspec.json.encode(_when(row))
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


def _when(row: Row) -> tuple[int, int]:
    return _int(row, "started_at_ns"), _int(row, "seq")


def _int(row: Row, name: str) -> int:
    return int(str(row[name]))


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / 1e6, 3)
