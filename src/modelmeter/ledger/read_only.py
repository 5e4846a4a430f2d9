"""Connections that can read the ledger and do nothing else."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from modelmeter.errors import LedgerFormatError, LedgerUnavailableError
from modelmeter.ledger.memory import is_in_memory, memory_uri
from modelmeter.ledger.open_here import LedgerConnection
from modelmeter.ledger.schema import APPLICATION_ID, SCHEMA_VERSION

__all__ = ["connect_reader"]

_BUSY_TIMEOUT_SECONDS = 2.0


def connect_reader(path: Path) -> sqlite3.Connection:
    """
    Open the ledger at ``path`` for reading; its writers are not disturbed.

    Raises:
        LedgerUnavailableError: there is no such file, or it cannot be read now.
        LedgerFormatError: the file is no ledger, or of another schema than this version reads.
    """
    in_memory = is_in_memory(path)
    if not in_memory and not path.exists():
        raise LedgerUnavailableError(
            f"there is no ledger at {path}; name it with --ledger, or start `modelmeter serve`"
        )
    try:
        connection = sqlite3.connect(
            memory_uri(path) if in_memory else f"file:{quote(str(path.absolute()))}?mode=ro",
            uri=True,
            timeout=_BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            factory=LedgerConnection,
        )
        if not in_memory:
            connection.holds(path)
        connection.execute("PRAGMA query_only = ON")
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.OperationalError as error:
        raise LedgerUnavailableError(f"cannot read the ledger {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise LedgerFormatError(f"{path} is not a ledger: {error}") from error
    if application != APPLICATION_ID or version != SCHEMA_VERSION:
        connection.close()
        raise LedgerFormatError(
            f"{path} is not a ledger of schema {SCHEMA_VERSION}; start `modelmeter serve` on it "
            "once to bring an older one up to date"
        )
    return connection
