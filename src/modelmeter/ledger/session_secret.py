"""The secret of the page's sessions, equal for all processes on a ledger and across restarts."""

import sqlite3

__all__ = ["session_secret"]

_SELECT = "SELECT secret FROM session_secret"


def session_secret(connection: sqlite3.Connection) -> bytes:
    """
    32 random bytes.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    ((secret,),) = connection.execute(_SELECT).fetchall()
    return bytes(secret)
