"""Entries of another ledger, taken into this one: each once, with all sums that follow from it."""

import sqlite3
import time
from collections.abc import Callable, Sequence

import msgspec

from modelmeter.errors import LedgerUnavailableError
from modelmeter.ledger.reservations import Reservations
from modelmeter.ledger.series import SeriesTally
from modelmeter.ledger.transaction import Batch, commit
from modelmeter.record import Call

__all__ = ["known_ids", "take_in"]

WRITE_WAIT_SECONDS = 60.0
"""How long a transaction waits for a gateway that writes without a pause."""

_OWNER = "import"
_PAUSE_SECONDS = 0.001
_PRIMARY_CODE = 0xFF
_KNOWN = "SELECT id FROM entry WHERE id IN (SELECT value FROM json_each(?))"


def known_ids(connection: sqlite3.Connection, calls: Sequence[Call]) -> set[str]:
    """
    The ids of those calls that are entries already.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    ids = msgspec.json.encode([call.intent.id for call in calls]).decode()
    return {row[0] for row in connection.execute(_KNOWN, (ids,))}


def take_in(
    connection: sqlite3.Connection,
    calls: Sequence[Call],
    *,
    new_tally: Callable[[], SeriesTally],
    now_ns: int,
    reservations: Reservations,
) -> int:
    """
    Enter the calls that are no entries yet, in one transaction; how many they were.

    Raises:
        LedgerUnavailableError: the file cannot be written now; nothing was written.
    """
    deadline = time.monotonic() + WRITE_WAIT_SECONDS
    # SQLite itself tries ever more seldom, so that a busy gateway never lets it in.
    connection.execute("PRAGMA busy_timeout = 0")
    while True:
        known = known_ids(connection, calls)
        # The last of two lines with one id is the one to take.
        new = {call.intent.id: call for call in calls if call.intent.id not in known}
        if not new:
            return 0
        batch = Batch(records=list(new.values()))
        try:
            commit(
                connection,
                batch,
                owner=_OWNER,
                tally=new_tally(),
                now_ns=now_ns,
                reservations=reservations,
            )
        except sqlite3.Error as error:
            entered_by_another = known_ids(connection, calls) != known
            if not entered_by_another and (not _is_busy(error) or time.monotonic() >= deadline):
                raise LedgerUnavailableError(
                    f"the ledger cannot be written now: {error}; run the command again later"
                ) from error
            time.sleep(_PAUSE_SECONDS)
        else:
            return len(new)


def _is_busy(error: sqlite3.Error) -> bool:
    return error.sqlite_errorcode & _PRIMARY_CODE == sqlite3.SQLITE_BUSY
