"""The budgets of a ledger: written by settings at the start and by commands, read by all."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from modelmeter.budgets.budget import Budget
from modelmeter.budgets.revision import RevisionFile
from modelmeter.budgets.sums import Place, newest_place, settled_slices, slices_behind
from modelmeter.budgets.windows import counted_from
from modelmeter.errors import SettingsError
from modelmeter.record import PICO_PER_USD
from modelmeter.settings.budgets import BUDGETS_MAX

__all__ = [
    "Source",
    "StoredBudget",
    "forget_slices",
    "read_budgets",
    "read_revision",
    "recount",
    "remove_budget",
    "set_budget",
    "sync_settings",
]

Source = Literal["settings", "command"]

_SELECT = """
SELECT id, source, definition, counted_from_ns, set_at_ns FROM budget ORDER BY name
"""
_INSERT = """
INSERT INTO budget (name, source, definition, counted_from_ns, set_at_ns) VALUES (?, ?, ?, ?, ?)
"""
_UPDATE = "UPDATE budget SET source = ?, definition = ?, set_at_ns = ? WHERE id = ?"
_DELETE = (
    "DELETE FROM budget_hold WHERE budget_id = ?",
    "DELETE FROM budget_window WHERE budget_id = ?",
    "DELETE FROM budget_mark WHERE budget_id = ?",
    "DELETE FROM budget WHERE id = ?",
)
_PUT_WINDOW = """
INSERT INTO budget_window
    (budget_id, start_ns, settled_whole, settled_pico, reserved_whole, reserved_pico)
VALUES (?, ?, ?, ?, 0, 0)
ON CONFLICT (budget_id, start_ns) DO UPDATE SET
    settled_whole = excluded.settled_whole, settled_pico = excluded.settled_pico
"""
_OLDEST = "SELECT min(start_ns) FROM budget_window WHERE budget_id = ?"
_FORGET = """
DELETE FROM budget_window
WHERE budget_id = ? AND start_ns < ? AND reserved_whole = 0 AND reserved_pico = 0
"""
_COUNT_FROM = "UPDATE budget SET counted_from_ns = ? WHERE id = ?"
_REVISION = "SELECT revision FROM budget_revision"
_PATH = "SELECT file FROM pragma_database_list WHERE name = 'main'"
_REVISE = "UPDATE budget_revision SET revision = revision + 1"

_LENGTHS_KEPT_MAX = 8
"""Lengths of a rolling window after which its slices are forgotten."""
_LENGTHS_KEPT = 4
"""Lengths of which the slices stay then."""

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Budget)


class StoredBudget(msgspec.Struct, frozen=True):
    """A budget as it lies in the ledger."""

    id: int
    source: Source
    budget: Budget
    counted_from_ns: int
    """Every entry from here on that counts is in the sums of its windows."""
    set_at_ns: int


def read_budgets(connection: sqlite3.Connection) -> list[StoredBudget]:
    """
    All budgets, by name.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    return [
        StoredBudget(number, source, _decoder.decode(text), counted, set_at)
        for number, source, text, counted, set_at in connection.execute(_SELECT)
    ]


def read_revision(connection: sqlite3.Connection) -> int:
    """
    A number that grows with every change of the budgets.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    ((revision,),) = connection.execute(_REVISION).fetchall()
    return int(revision)


def set_budget(connection: sqlite3.Connection, budget: Budget, now_ns: int) -> None:
    """
    Make a budget, or change the one with its name; what was spent in its window counts at once.

    Raises:
        SettingsError: the configuration has a budget of that name, or there are too many.
        sqlite3.Error: the ledger cannot be written now; nothing was changed.
    """
    counted = _count(connection, budget, now_ns)
    with _change(connection):
        there = {stored.budget.name: stored for stored in read_budgets(connection)}
        known = there.get(budget.name)
        if known is not None and known.source == "settings":
            raise SettingsError(
                f"budget {budget.name!r} stands in the configuration; change it there"
            )
        if known is None and len(there) >= BUDGETS_MAX:
            raise SettingsError(f"there are {BUDGETS_MAX} budgets already; remove one first")
        _put(connection, counted, known, "command", now_ns)


def remove_budget(connection: sqlite3.Connection, name: str) -> None:
    """
    Forget a budget that a command has set, with its sums; entries and events stay.

    Raises:
        SettingsError: there is none of that name, or the configuration has it.
        sqlite3.Error: the ledger cannot be written now; nothing was changed.
    """
    with _change(connection):
        there = {stored.budget.name: stored for stored in read_budgets(connection)}
        known = there.get(name)
        if known is None:
            raise SettingsError(f"there is no budget {name!r}; see `modelmeter budget list`")
        if known.source == "settings":
            raise SettingsError(f"budget {name!r} stands in the configuration; remove it there")
        _delete(connection, known)


def sync_settings(connection: sqlite3.Connection, budgets: Sequence[Budget], now_ns: int) -> None:
    """
    Bring the ledger's budgets from settings to those of a configuration; others stay.

    Raises:
        sqlite3.Error: the ledger cannot be written now; nothing was changed.
    """
    if _agrees(connection, budgets):
        return
    counted = [_count(connection, budget, now_ns) for budget in budgets]
    with _change(connection):
        wanted = {count.budget.name: count for count in counted}
        there = {stored.budget.name: stored for stored in read_budgets(connection)}
        for name, stored in there.items():
            if stored.source == "settings" and name not in wanted:
                _delete(connection, stored)
        for name, count in wanted.items():
            known = there.get(name)
            if known is None or (known.budget, known.source) != (count.budget, "settings"):
                _put(connection, count, known, "settings", now_ns)


def recount(connection: sqlite3.Connection, stored: StoredBudget, from_ns: int) -> StoredBudget:
    """
    Count the entries of earlier windows too, inside a transaction: the clock has gone back.

    Raises:
        sqlite3.Error: the ledger cannot be written now.
    """
    sums = settled_slices(connection, stored.budget, from_ns, stored.counted_from_ns)
    _write_sums(connection, stored.id, sums)
    connection.execute(_COUNT_FROM, (from_ns, stored.id))
    _revise(connection)
    return msgspec.structs.replace(stored, counted_from_ns=from_ns)


def forget_slices(connection: sqlite3.Connection, stored: StoredBudget, now_ns: int) -> None:
    """
    Drop slices that a rolling window has long left, inside a transaction; many at once.

    Raises:
        sqlite3.Error: the ledger cannot be written now.
    """
    window = stored.budget.window
    length = now_ns - counted_from(window, now_ns)
    ((oldest,),) = connection.execute(_OLDEST, (stored.id,)).fetchall()
    if oldest is None or oldest >= now_ns - _LENGTHS_KEPT_MAX * length:
        return
    from_ns = counted_from(window, now_ns - _LENGTHS_KEPT * length)
    connection.execute(_FORGET, (stored.id, from_ns))
    if from_ns > stored.counted_from_ns:
        connection.execute(_COUNT_FROM, (from_ns, stored.id))
        _revise(connection)


def _agrees(connection: sqlite3.Connection, budgets: Sequence[Budget]) -> bool:
    there = {s.budget.name: s.budget for s in read_budgets(connection) if s.source == "settings"}
    return there == {budget.name: budget for budget in budgets}


class _Counted(msgspec.Struct, frozen=True):
    """A budget, and what its entries from a moment on added up to, up to a place."""

    budget: Budget
    from_ns: int
    upto: Place
    sums: dict[int, int]


def _count(connection: sqlite3.Connection, budget: Budget, now_ns: int) -> _Counted:
    """Before the transaction, for a long window's sum would make all calls wait for it."""
    from_ns = counted_from(budget.window, now_ns)
    upto = newest_place(connection)
    sums = settled_slices(connection, budget, from_ns, upto=upto)
    return _Counted(budget, from_ns, upto, sums)


def _put(
    connection: sqlite3.Connection,
    counted: _Counted,
    known: StoredBudget | None,
    source: Source,
    now_ns: int,
) -> None:
    budget = counted.budget
    definition = _encode(budget).decode()
    if known is not None and known.budget.counts_as(budget):
        connection.execute(_UPDATE, (source, definition, now_ns, known.id))
        return
    if known is not None:
        _delete(connection, known)
    row = (budget.name, source, definition, counted.from_ns, now_ns)
    number = connection.execute(_INSERT, row).lastrowid
    sums = dict(counted.sums)
    later = slices_behind(connection, budget, counted.from_ns, counted.upto)
    for start_ns, amount in later.items():
        sums[start_ns] = sums.get(start_ns, 0) + amount
    _write_sums(connection, int(number or 0), sums)


def _write_sums(connection: sqlite3.Connection, number: int, sums: dict[int, int]) -> None:
    rows = [(number, start, *divmod(amount, PICO_PER_USD)) for start, amount in sums.items()]
    connection.executemany(_PUT_WINDOW, rows)


def _delete(connection: sqlite3.Connection, stored: StoredBudget) -> None:
    for statement in _DELETE:
        connection.execute(statement, (stored.id,))


def _revise(connection: sqlite3.Connection) -> None:
    """Tell all processes on the ledger, inside the transaction that changes its budgets."""
    connection.execute(_REVISE)
    ((path,),) = connection.execute(_PATH).fetchall()
    RevisionFile(Path(path)).bump()


@contextmanager
def _change(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction after which every process takes the budgets up anew."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        _revise(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
