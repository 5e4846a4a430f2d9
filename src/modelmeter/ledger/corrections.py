"""Corrections of entries: read in their order, and laid over entries."""

import sqlite3
from collections.abc import Iterable, Mapping

import msgspec

__all__ = ["Correction", "CorrectionDelta", "corrections_of", "lay_over"]

_OF_ENTRIES = """
SELECT seq, entry_seq, corrected_at_ns, cost_pico_usd, cost_saved_pico_usd, cost_state,
       priced_model, price_source, rate_card, note
FROM correction WHERE entry_seq IN (SELECT value FROM json_each(?)) ORDER BY seq
"""

_CORRECTED = (
    "cost_pico_usd",
    "cost_saved_pico_usd",
    "cost_state",
    "priced_model",
    "price_source",
    "rate_card",
    "note",
)
"""The columns of an entry that a correction stands in front of."""


class Correction(msgspec.Struct, frozen=True):
    """What an entry costs by knowledge that came later; the newest one of an entry holds."""

    seq: int
    entry_seq: int
    corrected_at_ns: int
    cost_pico_usd: int
    cost_saved_pico_usd: int
    cost_state: str
    priced_model: str | None
    price_source: str | None
    rate_card: int | None
    note: str | None


class CorrectionDelta(msgspec.Struct, frozen=True):
    """What one correction adds to sums of its entry's time and labels; amounts may be negative."""

    entry_seq: int
    started_at_ns: int
    """Of the entry: in whose window the amounts belong."""
    tenant_id: str
    team: str
    agent_id: str
    key_id: str
    provider: str
    model: str
    cost: int
    """Pico-dollars."""
    cost_saved: int
    """Pico-dollars."""
    unpriced_calls: int


def corrections_of(
    connection: sqlite3.Connection, entry_seqs: Iterable[int]
) -> dict[int, list[Correction]]:
    """
    The corrections of some entries by entry, oldest first; entries without any are left out.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    found: dict[int, list[Correction]] = {}
    seqs = msgspec.json.encode(list(entry_seqs)).decode()
    for row in connection.execute(_OF_ENTRIES, (seqs,)):
        correction = Correction(*row)
        found.setdefault(correction.entry_seq, []).append(correction)
    return found


def lay_over(
    connection: sqlite3.Connection, rows: Iterable[Mapping[str, object]]
) -> list[dict[str, object]]:
    """
    Entries' rows as they stand by today's knowledge; ``corrections`` is how many there were.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    entries = [dict(row) for row in rows]
    by_entry = corrections_of(connection, (int(str(entry["seq"])) for entry in entries))
    for entry in entries:
        corrections = by_entry.get(int(str(entry["seq"])), [])
        entry["corrections"] = len(corrections)
        if corrections:
            entry.update({name: getattr(corrections[-1], name) for name in _CORRECTED})
    return entries
