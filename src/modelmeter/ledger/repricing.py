"""Prices entries again with today's knowledge of the price of their own day, by corrections."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from modelmeter.ledger.correction_series import add_corrections
from modelmeter.ledger.corrections import CorrectionDelta, lay_over
from modelmeter.ledger.database import begin_between_others
from modelmeter.ledger.explanation import card_terms, tokens_of, tools_of
from modelmeter.pricing import Price, PriceBook
from modelmeter.record import NO_TOOLS, RESERVATION, CostState

__all__ = ["PAGE_ENTRIES", "Change", "Repriced", "Wanted", "count_entries", "plan", "write"]

PAGE_ENTRIES = 200
"""Entries priced again at once; their corrections are one transaction, so that others get in."""

_WANTED = """
FROM entry
WHERE started_at_ns >= :since AND started_at_ns < :until
  AND (:model IS NULL OR :model IN (model, model_answered, priced_model))
  AND (:provider IS NULL OR provider = :provider)
"""
_PAGE = f"""
SELECT * {_WANTED} AND (started_at_ns, seq) > (:after_ns, :after_seq)
ORDER BY started_at_ns, seq LIMIT :limit
"""
_COUNT = f"SELECT count(*) {_WANTED}"
_LAST_OF = "SELECT count(*) FROM correction WHERE entry_seq = ?"
_INSERT_CARD = "INSERT OR IGNORE INTO rate_card (id, text) VALUES (?, ?)"
_INSERT = """
INSERT INTO correction
    (entry_seq, started_at_ns, corrected_at_ns, cost_pico_usd, cost_saved_pico_usd, cost_state,
     priced_model, price_source, rate_card, note, cost_delta_pico_usd, cost_saved_delta_pico_usd,
     unpriced_delta)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

_UNPRICED = CostState.UNPRICED


Follow = Callable[[sqlite3.Connection, Sequence[CorrectionDelta]], None]


class Wanted(msgspec.Struct, frozen=True):
    """Which entries: those that began from ``since_ns`` up to before ``until_ns``."""

    since_ns: int
    until_ns: int
    model: str | None = None
    """As requested, as answered or as priced."""
    provider: str | None = None


class Change(msgspec.Struct, frozen=True):
    """An entry that costs something else by today's knowledge."""

    delta: CorrectionDelta
    corrections: int
    """How many it had when it was looked at."""
    cost_before: int
    cost_after: int
    saved_after: int
    state: CostState
    price: Price
    note: str | None


class Repriced(msgspec.Struct, frozen=True):
    """A page of entries that were looked at."""

    entries: int
    changes: list[Change]
    unknown: int
    """Entries of whose price no more is known today, or less; they stay as they are."""


def count_entries(connection: sqlite3.Connection, wanted: Wanted) -> int:
    """
    How many entries there are to look at.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    ((count,),) = connection.execute(_COUNT, _parameters(wanted)).fetchall()
    return int(count)


def plan(connection: sqlite3.Connection, book: PriceBook, wanted: Wanted) -> Iterator[Repriced]:
    """
    Look at the wanted entries, a page at a time; nothing is written.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    place = {"after_ns": wanted.since_ns, "after_seq": -1, "limit": PAGE_ENTRIES}
    while True:
        cursor = connection.execute(_PAGE, {**_parameters(wanted), **place})
        names = [column[0] for column in cursor.description]
        entries = lay_over(connection, (dict(zip(names, row, strict=True)) for row in cursor))
        if not entries:
            return
        place["after_ns"] = _int(entries[-1], "started_at_ns")
        place["after_seq"] = _int(entries[-1], "seq")
        yield _look_at(connection, book, entries)


def write(
    connection: sqlite3.Connection,
    changes: list[Change],
    now_ns: Callable[[], int],
    *,
    follow: Follow | None = None,
) -> list[Change]:
    """
    Append corrections in one transaction; gives back those that another process made before.

    ``follow`` lets further sums follow them in that transaction.

    Raises:
        LedgerUnavailableError: others write without a pause; nothing was written.
        sqlite3.Error: the file cannot be written now; nothing was written.
    """
    begin_between_others(connection)
    try:
        at_ns = now_ns()
        standing = [change for change in changes if _stands(connection, change)]
        cards = [change.price.card for change in standing if change.price.card is not None]
        connection.executemany(_INSERT_CARD, [(card.id, card.text) for card in cards])
        connection.executemany(_INSERT, [_row(change, at_ns) for change in standing])
        deltas = [change.delta for change in standing]
        add_corrections(connection, deltas, at_ns)
        if follow is not None:
            follow(connection, deltas)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    written = {change.delta.entry_seq for change in standing}
    return [change for change in changes if change.delta.entry_seq not in written]


def _parameters(wanted: Wanted) -> dict[str, object]:
    return {
        "since": wanted.since_ns,
        "until": wanted.until_ns,
        "model": wanted.model,
        "provider": wanted.provider,
    }


def _look_at(
    connection: sqlite3.Connection, book: PriceBook, entries: list[dict[str, object]]
) -> Repriced:
    changes, unknown = [], 0
    # Many entries of a page share a card.
    cards = {
        card: card_terms(connection, card) for card in {entry["rate_card"] for entry in entries}
    }
    for entry in entries:
        tokens, tools = tokens_of(entry), tools_of(entry)
        is_held = entry["price_source"] == RESERVATION
        if is_held or (not tokens.total and tools == NO_TOOLS):
            # What was held for a lost call bounds what nobody knows: no price of tokens does.
            continue
        terms = cards[entry["rate_card"]]
        answered = entry["model_answered"]
        price = book.price(
            str(entry["provider"]),
            str(entry["model"]),
            tokens,
            _int(entry, "started_at_ns"),
            model_answered=None if answered is None else str(answered),
            service_tier=terms.tier,
            region=terms.region,
            tools=tools,
        )
        if price.state is _UNPRICED or _takes_back(entry, price):
            # A price that was known once is never taken back: that would hide money.
            unknown += 1
        elif (change := _change(entry, price)) is not None:
            changes.append(change)
    return Repriced(entries=len(entries), changes=changes, unknown=unknown)


def _takes_back(entry: Mapping[str, object], price: Price) -> bool:
    """Less of it has a known price today, a tool's fee for one, and so it would cost less."""
    if price.state is not CostState.ESTIMATED or entry["cost_state"] != CostState.PRICED:
        return False
    return price.cost < _int(entry, "cost_pico_usd") + _int(entry, "cost_saved_pico_usd")


def _change(entry: Mapping[str, object], price: Price) -> Change | None:
    old_state = CostState(str(entry["cost_state"]))
    guessed = bool(entry["usage_estimated"]) or (
        entry["rate_card"] is None and old_state is CostState.ESTIMATED
    )
    state = CostState.ESTIMATED if guessed else price.state
    cached = bool(entry["cached"])
    cost, saved = (0, int(price.cost)) if cached else (int(price.cost), 0)
    old_cost, old_saved = _int(entry, "cost_pico_usd"), _int(entry, "cost_saved_pico_usd")
    if (cost, saved, state) == (old_cost, old_saved, old_state):
        return None
    return Change(
        delta=CorrectionDelta(
            entry_seq=_int(entry, "seq"),
            started_at_ns=_int(entry, "started_at_ns"),
            tenant_id=str(entry["tenant_id"]),
            team=str(entry["team"]),
            agent_id=str(entry["agent_id"]),
            key_id=str(entry["key_id"]),
            provider=str(entry["provider"]),
            model=str(entry["model"]),
            cost=cost - old_cost,
            cost_saved=saved - old_saved,
            unpriced_calls=-int(old_state is _UNPRICED),
        ),
        corrections=_int(entry, "corrections"),
        cost_before=old_cost,
        cost_after=cost,
        saved_after=saved,
        state=state,
        price=price,
        note=price.note or (_text(entry, "note") if guessed else None),
    )


def _stands(connection: sqlite3.Connection, change: Change) -> bool:
    ((corrections,),) = connection.execute(_LAST_OF, (change.delta.entry_seq,)).fetchall()
    return bool(corrections == change.corrections)


def _row(change: Change, at_ns: int) -> tuple[object, ...]:
    delta, price = change.delta, change.price
    return (
        delta.entry_seq, delta.started_at_ns, at_ns, change.cost_after, change.saved_after,
        change.state, price.priced_model, price.price_source,
        None if price.card is None else price.card.id, change.note, delta.cost, delta.cost_saved,
        delta.unpriced_calls,
    )  # fmt: skip


def _text(row: Mapping[str, object], name: str) -> str | None:
    value = row[name]
    return None if value is None else str(value)


def _int(row: Mapping[str, object], name: str) -> int:
    return int(str(row[name]))
