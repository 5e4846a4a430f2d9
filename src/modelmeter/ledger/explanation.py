"""Why a call cost what it cost, from the ledger alone: no catalogue is asked."""

import sqlite3
from collections.abc import Mapping
from datetime import date

import msgspec

from modelmeter.ledger.corrections import Correction, corrections_of
from modelmeter.pricing.card import CardTerms, read_card
from modelmeter.pricing.price_dates import holds_from
from modelmeter.pricing.rates import PriceLine
from modelmeter.record import NO_TOOLS, CostState, TokenCounts, ToolCalls

__all__ = ["Bill", "Explanation", "card_terms", "card_text", "explain", "tokens_of", "tools_of"]

_ENTRY = "SELECT * FROM entry WHERE id = ?"
_CARD = "SELECT text FROM rate_card WHERE id = ?"
_KINDS = TokenCounts.__struct_fields__

_tools_decoder = msgspec.json.Decoder(ToolCalls)


class Bill(msgspec.Struct, frozen=True):
    """What a call costs by the knowledge of one moment, line by line."""

    known_at_ns: int | None
    """When it was corrected to this; None: the entry itself."""
    cost: int
    """Pico-dollars; 0 for a cached call."""
    cost_saved: int
    """Pico-dollars; what a cached call would have cost."""
    cost_state: CostState
    lines: list[PriceLine]
    """
    They add up to the cost, or to what was saved; empty where no price was known, and of a lost
    call that costs its reservation.
    """
    priced_model: str | None
    price_source: str | None
    tier: str | None
    region: str | None
    note: str | None

    @property
    def price_since(self) -> date | None:
        """The day from which the price holds; None: no other before it is known."""
        return None if self.price_source is None else holds_from(self.price_source)


class Explanation(msgspec.Struct, frozen=True):
    """The bills of one call, oldest first; the last one holds."""

    call_id: str
    started_at_ns: int
    provider: str
    model: str
    """As it was asked for upstream."""
    model_requested: str | None
    """What the caller had asked for, where a budget had a cheaper model asked."""
    model_answered: str | None
    cached: bool
    tokens: TokenCounts
    tools: ToolCalls
    bills: list[Bill]


def explain(connection: sqlite3.Connection, call_id: str) -> Explanation | None:
    """
    The bills of a call; None if there is no such entry.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    cursor = connection.execute(_ENTRY, (call_id,))
    names = [column[0] for column in cursor.description]
    row = cursor.fetchone()
    if row is None:
        return None
    entry = dict(zip(names, row, strict=True))
    tokens, tools = tokens_of(entry), tools_of(entry)
    first = Correction(
        seq=0,
        entry_seq=entry["seq"],
        corrected_at_ns=0,
        cost_pico_usd=entry["cost_pico_usd"],
        cost_saved_pico_usd=entry["cost_saved_pico_usd"],
        cost_state=entry["cost_state"],
        priced_model=entry["priced_model"],
        price_source=entry["price_source"],
        rate_card=entry["rate_card"],
        note=entry["note"],
    )
    later = corrections_of(connection, [first.entry_seq]).get(first.entry_seq, [])
    return Explanation(
        call_id=call_id,
        started_at_ns=entry["started_at_ns"],
        provider=entry["provider"],
        model=entry["model"],
        model_requested=entry["model_requested"],
        model_answered=entry["model_answered"],
        cached=bool(entry["cached"]),
        tokens=tokens,
        tools=tools,
        bills=[_bill(connection, one, tokens, tools) for one in (first, *later)],
    )


def tokens_of(entry: Mapping[str, object]) -> TokenCounts:
    """The tokens of an entry's row."""
    return TokenCounts(*(int(str(entry[f"tokens_{kind}"])) for kind in _KINDS))


def tools_of(entry: Mapping[str, object]) -> ToolCalls:
    """The tools of an entry's row."""
    text = entry["tool_calls"]
    return NO_TOOLS if text is None else _tools_decoder.decode(str(text))


def card_terms(connection: sqlite3.Connection, card_id: object) -> CardTerms:
    """
    What a card says; empty terms for an entry that has none.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    text = card_text(connection, card_id)
    return CardTerms() if text is None else read_card(text)


def card_text(connection: sqlite3.Connection, card_id: object) -> str | None:
    """
    A card as it is kept; None for an entry that has none.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    row = connection.execute(_CARD, (card_id,)).fetchone()
    return None if row is None else str(row[0])


def _bill(
    connection: sqlite3.Connection, known: Correction, tokens: TokenCounts, tools: ToolCalls
) -> Bill:
    terms = card_terms(connection, known.rate_card)
    state = CostState(known.cost_state)
    rates = None if state is CostState.UNPRICED else terms.rates
    return Bill(
        known_at_ns=known.corrected_at_ns or None,
        cost=known.cost_pico_usd,
        cost_saved=known.cost_saved_pico_usd,
        cost_state=state,
        lines=[] if rates is None else rates.lines(tokens, tools),
        priced_model=known.priced_model,
        price_source=known.price_source,
        tier=terms.tier,
        region=terms.region,
        note=known.note,
    )
