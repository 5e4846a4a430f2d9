"""What happened to budgets, once a window each: a threshold was reached, a call was refused."""

import sqlite3
from collections.abc import Iterable
from decimal import Decimal

import msgspec

__all__ = [
    "FIRST_REFUSAL",
    "OVERRUN",
    "BudgetEvent",
    "events_after",
    "insert_events",
    "newest_event",
]

FIRST_REFUSAL = 0
"""Stands for a window's first refusal of a call among the thresholds."""
OVERRUN = 1001
"""Stands for a window's first call that used more than was held; no percentage is as high."""

_COLUMNS = (
    "budget_id, budget, threshold, window_start_ns, window_end_ns, at_ns, unit, limit_amount, "
    "settled_amount, reserved_amount, asked_amount"
)
_INSERT = f"""
INSERT INTO budget_event ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (budget_id, window_start_ns, threshold) DO NOTHING
"""  # noqa: S608 - column names from the constant above
_AFTER = f"SELECT seq, {_COLUMNS} FROM budget_event WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608 - see above
_NEWEST = "SELECT coalesce(max(seq), 0) FROM budget_event"


class BudgetEvent(msgspec.Struct, frozen=True):
    """One crossing; there is only one of a budget, threshold and window, whoever noticed it."""

    budget_id: int
    budget: str
    threshold: int
    """Percent of the limit that is spent; or `FIRST_REFUSAL`, or `OVERRUN`."""
    window_start_ns: int
    window_end_ns: int | None
    """None: the window rolls."""
    at_ns: int
    unit: str
    """usd, tokens or calls: of the amounts, which are exact."""
    limit: Decimal
    settled: Decimal
    reserved: Decimal
    asked: Decimal | None = None
    """Of a refusal: what the call could have used at most."""
    seq: int = 0
    """The place in the ledger; ascending, given by it."""


def insert_events(connection: sqlite3.Connection, events: Iterable[BudgetEvent]) -> None:
    """
    Write events inside a transaction; those that are there already stay as they are.

    Raises:
        sqlite3.Error: the file cannot be written now.
    """
    connection.executemany(
        _INSERT,
        [
            (
                event.budget_id,
                event.budget,
                event.threshold,
                event.window_start_ns,
                event.window_end_ns,
                event.at_ns,
                event.unit,
                f"{event.limit:f}",
                f"{event.settled:f}",
                f"{event.reserved:f}",
                None if event.asked is None else f"{event.asked:f}",
            )
            for event in events
        ],
    )


def events_after(connection: sqlite3.Connection, seq: int, *, limit: int) -> list[BudgetEvent]:
    """
    The events behind place ``seq``, at most ``limit``, in their order.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    return [_event(row) for row in connection.execute(_AFTER, (seq, limit))]


def newest_event(connection: sqlite3.Connection) -> int:
    """
    The place of the last event; 0 if there is none.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    ((newest,),) = connection.execute(_NEWEST).fetchall()
    return int(newest)


_Row = tuple[int, int, str, int, int, int | None, int, str, str, str, str, str | None]


def _event(row: _Row) -> BudgetEvent:
    seq, budget_id, budget, threshold, start, end, at, unit, limit, settled, reserved, asked = row
    return BudgetEvent(
        budget_id=budget_id,
        budget=budget,
        threshold=threshold,
        window_start_ns=start,
        window_end_ns=end,
        at_ns=at,
        unit=unit,
        limit=Decimal(limit),
        settled=Decimal(settled),
        reserved=Decimal(reserved),
        asked=None if asked is None else Decimal(asked),
        seq=seq,
    )
