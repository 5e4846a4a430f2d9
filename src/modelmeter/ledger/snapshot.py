"""Several statements that see one moment of the ledger."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["one_picture"]


@contextmanager
def one_picture(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that reads, or the one that its caller is in."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
