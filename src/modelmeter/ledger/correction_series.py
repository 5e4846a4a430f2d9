"""
What corrections do to the series behind counters, which must never go down.

A counter's row only ever grows: a correction upward adds to it, one downward adds to a row of its
own, ``…_down``. The true sum is the one less the other. Before it falls, what was shown until then
is kept as ``…_floor``; the counter stands there until the true sum has passed it.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable

import msgspec

from modelmeter.ledger.corrections import CorrectionDelta
from modelmeter.ledger.labels import LabelBook
from modelmeter.ledger.series import CACHE_SAVINGS, COST, DOWN, FLOOR, REPRICED
from modelmeter.record import PICO_PER_USD

__all__ = ["add_corrections"]

_VALUE = "SELECT whole, pico FROM series WHERE kind = ? AND labels = ?"
_ADD = """
INSERT INTO series (kind, labels, whole, pico, born_at_ns) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (kind, labels) DO UPDATE SET
    whole = whole + excluded.whole + (pico + excluded.pico) / 1000000000000,
    pico = (pico + excluded.pico) % 1000000000000
"""
_BYTES_MAX = 2**31


def add_corrections(
    connection: sqlite3.Connection, deltas: Iterable[CorrectionDelta], now_ns: int
) -> None:
    """
    Let the series follow ``deltas``, inside the transaction that writes them.

    Raises:
        sqlite3.Error: the file cannot be written now.
    """
    labels = LabelBook(connection, values_max=0, value_bytes_max=_BYTES_MAX)
    sums: defaultdict[tuple[str, str], int] = defaultdict(int)
    repriced: defaultdict[str, int] = defaultdict(int)
    for delta in deltas:
        agent = labels.admit("agent_id", delta.agent_id, known_only=True)
        model = labels.admit("model", delta.model, known_only=True)
        caller = _text((agent, model, delta.provider))
        sums[COST, caller] += delta.cost
        sums[CACHE_SAVINGS, caller] += delta.cost_saved
        if delta.unpriced_calls < 0:
            repriced[_text((model, delta.provider))] -= delta.unpriced_calls
    for (kind, caller), amount in sums.items():
        if amount:
            _follow(connection, kind, caller, amount, now_ns)
    for place, calls in repriced.items():
        _add(connection, (REPRICED, place), calls * PICO_PER_USD, now_ns)


def _follow(
    connection: sqlite3.Connection, kind: str, labels: str, amount: int, now_ns: int
) -> None:
    if amount > 0:
        _add(connection, (kind, labels), amount, now_ns)
        return
    true_sum = _value(connection, kind, labels) - _value(connection, kind + DOWN, labels)
    raised = true_sum - _value(connection, kind + FLOOR, labels)
    if raised > 0:
        _add(connection, (kind + FLOOR, labels), raised, now_ns)
    _add(connection, (kind + DOWN, labels), -amount, now_ns)


def _value(connection: sqlite3.Connection, kind: str, labels: str) -> int:
    row = connection.execute(_VALUE, (kind, labels)).fetchone()
    return 0 if row is None else int(row[0]) * PICO_PER_USD + int(row[1])


def _add(connection: sqlite3.Connection, series: tuple[str, str], amount: int, now_ns: int) -> None:
    connection.execute(_ADD, (*series, *divmod(amount, PICO_PER_USD), now_ns))


def _text(labels: tuple[str, ...]) -> str:
    return msgspec.json.encode(labels).decode()
