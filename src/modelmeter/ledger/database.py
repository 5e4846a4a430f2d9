"""Connections to the ledger's SQLite file, each with the settings its promise rests on."""

import sqlite3
import time
from pathlib import Path

from modelmeter.errors import LedgerFormatError, LedgerUnavailableError
from modelmeter.ledger.memory import bound_entries, is_in_memory, memory_uri
from modelmeter.ledger.open_here import LedgerConnection, is_open_here
from modelmeter.ledger.schema import migrate

__all__ = [
    "BUSY_TIMEOUT_SECONDS",
    "begin_between_others",
    "connect_writer",
    "has_ledger_header",
    "is_busy",
]

BUSY_TIMEOUT_SECONDS = 5.0
"""How long a commit waits for another process on the same file."""

WRITE_WAIT_SECONDS = 60.0
"""How long a command's transaction waits for a gateway that writes without a pause."""

_BUSY_PAUSE_SECONDS = 0.01
_WRITE_PAUSE_SECONDS = 0.001
_PRIMARY_CODE = 0xFF
_WAL_PAGES_MAX = 4000
_WAL_BYTES_KEPT = 64 * 1024 * 1024
_STATEMENTS_CACHED = 64
_SQLITE_HEADER = b"SQLite format 3\x00"

_WRITER_PRAGMAS = (
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -16384",
    f"PRAGMA wal_autocheckpoint = {_WAL_PAGES_MAX}",
    f"PRAGMA journal_size_limit = {_WAL_BYTES_KEPT}",
)


def has_ledger_header(path: Path) -> bool:
    """
    Whether ``path`` is absent, empty, or starts as a SQLite file does.

    Not to be asked of a file that is open in this process; see `modelmeter.ledger.open_here`.

    Raises:
        OSError: it is no file, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            header = file.read(len(_SQLITE_HEADER))
    except FileNotFoundError:
        return True
    return header in (b"", _SQLITE_HEADER)


def connect_writer(path: Path) -> sqlite3.Connection:
    """
    Open (or make) the ledger at ``path`` for writing, migrated to the newest schema.

    Every commit is synced to the disk before it returns: WAL with ``synchronous=FULL``
    (https://www.sqlite.org/pragma.html#pragma_synchronous).

    Raises:
        LedgerFormatError: the file is damaged, foreign or newer; it is left as it is.
        LedgerUnavailableError: the file cannot be opened or is locked for too long.
    """
    if is_in_memory(path):
        return _connect_memory(path)
    try:
        is_foreign = not is_open_here(path) and not has_ledger_header(path)
    except OSError as error:
        raise LedgerUnavailableError(f"cannot open the ledger {path}: {error.strerror}") from error
    if is_foreign:
        raise LedgerFormatError(f"{path} is not a SQLite file; name another file as the ledger")
    try:
        connection = sqlite3.connect(
            path,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_STATEMENTS_CACHED,
            factory=LedgerConnection,
        )
    except sqlite3.OperationalError as error:
        raise LedgerUnavailableError(f"cannot open the ledger {path}: {error}") from error
    connection.holds(path)
    try:
        _prepare(connection)
    except sqlite3.OperationalError as error:
        connection.close()
        raise LedgerUnavailableError(f"cannot use the ledger {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        connection.close()
        raise LedgerFormatError(
            f"the ledger {path} is damaged ({error}); restore it from a backup, or move it away "
            "to begin a new one"
        ) from error
    except LedgerFormatError:
        connection.close()
        raise
    return connection


def _connect_memory(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        memory_uri(path),
        uri=True,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS_CACHED,
    )
    migrate(connection)
    bound_entries(connection)
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    mode = _enter_wal_mode(connection)
    if mode != "wal":
        raise sqlite3.OperationalError(f"the file system allows no WAL (journal mode {mode})")
    for pragma in _WRITER_PRAGMAS:
        connection.execute(pragma)
    migrate(connection)


def _enter_wal_mode(connection: sqlite3.Connection) -> str:
    """
    Switch the file to WAL; the journal mode it is in then.

    SQLite does not wait for a lock here whatever the timeout, so that processes which make the
    same file at once would fail: the waiting is ours.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise
            time.sleep(_BUSY_PAUSE_SECONDS)
        else:
            return str(mode)


def is_busy(error: sqlite3.Error) -> bool:
    """Another connection writes, and nothing else is wrong."""
    return error.sqlite_errorcode & _PRIMARY_CODE == sqlite3.SQLITE_BUSY


def begin_between_others(connection: sqlite3.Connection) -> None:
    """
    Begin to write as soon as nobody else does.

    SQLite itself tries ever more seldom, so that a gateway with much to write never lets it in.

    Raises:
        LedgerUnavailableError: others write without a pause.
        sqlite3.Error: the file cannot be written now.
    """
    deadline = time.monotonic() + WRITE_WAIT_SECONDS
    connection.execute("PRAGMA busy_timeout = 0")
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            if time.monotonic() >= deadline:
                raise LedgerUnavailableError(
                    "the ledger is written without a pause; run the command again later"
                ) from error
            time.sleep(_WRITE_PAUSE_SECONDS)
        else:
            return
