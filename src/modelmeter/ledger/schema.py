"""The ledger's tables, and the steps that bring an older file up to date."""

import sqlite3

from modelmeter.errors import LedgerFormatError
from modelmeter.ledger.tables.budget_asked import BUDGET_ASKED
from modelmeter.ledger.tables.budgets import BUDGETS
from modelmeter.ledger.tables.cache import CACHE
from modelmeter.ledger.tables.calls import CALLS
from modelmeter.ledger.tables.corrections import CORRECTIONS
from modelmeter.ledger.tables.lost_calls import LOST_CALLS
from modelmeter.ledger.tables.notifications import NOTIFICATIONS
from modelmeter.ledger.tables.paid_failures import PAID_FAILURES
from modelmeter.ledger.tables.rate_cards import RATE_CARDS
from modelmeter.ledger.tables.rollups import ROLLUPS
from modelmeter.ledger.tables.series_shown import SERIES_SHOWN
from modelmeter.ledger.tables.sessions import SESSIONS
from modelmeter.ledger.tables.throttles import THROTTLES

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "migrate"]

APPLICATION_ID = 0x6D6D7472
"""Marks a SQLite file as a ledger ("mmtr")."""

_MIGRATIONS = (
    CALLS,
    BUDGETS,
    CACHE,
    RATE_CARDS,
    CORRECTIONS,
    NOTIFICATIONS,
    ROLLUPS,
    SESSIONS,
    THROTTLES,
    PAID_FAILURES,
    SERIES_SHOWN,
    BUDGET_ASKED,
    LOST_CALLS,
)
"""Step n brings a file from version n to n + 1; a published step is never changed."""

SCHEMA_VERSION = len(_MIGRATIONS)


def migrate(connection: sqlite3.Connection) -> None:
    """
    Bring the file behind ``connection`` to `SCHEMA_VERSION`, all or nothing.

    Raises:
        LedgerFormatError: the file belongs to another program or to a newer modelmeter.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        for step in _MIGRATIONS[version:]:
            for statement in step:
                connection.execute(statement)
        if version < SCHEMA_VERSION:
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION_ID and (application or version or tables):
        raise LedgerFormatError(
            "this SQLite file belongs to another program; name another file as the ledger"
        )
    if version > SCHEMA_VERSION:
        raise LedgerFormatError(
            f"this ledger has schema {version}, newer than the {SCHEMA_VERSION} this version of "
            "modelmeter knows; upgrade modelmeter"
        )
    return int(version)
