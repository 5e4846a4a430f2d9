"""A ledger that lives and ends with its process, for programs that keep none on the disk."""

import sqlite3
import uuid
from pathlib import Path

__all__ = ["ENTRIES_MAX", "bound_entries", "is_in_memory", "memory_ledger", "memory_uri"]

ENTRIES_MAX = 100_000
"""Entries kept in memory; the earliest make room. The series keep counting."""

_PREFIX = "memory:"
# SQLite's shared store for the connections of one process: https://www.sqlite.org/src/file/src/memdb.c
_URI = "file:/modelmeter-{name}?vfs=memdb"
_BOUND = f"""
CREATE TRIGGER IF NOT EXISTS entry_bound AFTER INSERT ON entry BEGIN
    DELETE FROM entry WHERE seq <= NEW.seq - {ENTRIES_MAX};
END
"""  # noqa: S608 - a number from the constant above


def memory_ledger() -> Path:
    """Name a new ledger in memory; every connection of this process to the name shares it."""
    return Path(f"{_PREFIX}{uuid.uuid4().hex}")


def is_in_memory(path: Path) -> bool:
    """Whether ``path`` was named by `memory_ledger`."""
    return str(path).startswith(_PREFIX)


def memory_uri(path: Path) -> str:
    """SQLite's address of a ledger in memory."""
    return _URI.format(name=str(path).removeprefix(_PREFIX))


def bound_entries(connection: sqlite3.Connection) -> None:
    """Have the ledger behind ``connection`` keep no more than `ENTRIES_MAX` entries."""
    connection.execute(_BOUND)
