"""The secret of a ledger, equal for all processes on it and across restarts, and its public id."""

import hashlib
import sqlite3

__all__ = ["ledger_id", "session_secret"]

_SELECT = "SELECT secret FROM session_secret"
_ID_OF = b"ledger id"
_ID_DIGITS = 16


def session_secret(connection: sqlite3.Connection) -> bytes:
    """
    32 random bytes, which sign the sessions of the page.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    ((secret,),) = connection.execute(_SELECT).fetchall()
    return bytes(secret)


def ledger_id(connection: sqlite3.Connection) -> str:
    """
    What tells a ledger from all others, for everybody to see.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    return hashlib.sha256(_ID_OF + session_secret(connection)).hexdigest()[:_ID_DIGITS]
