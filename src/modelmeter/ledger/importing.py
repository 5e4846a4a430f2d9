"""Entries of another ledger, taken into this one: each once, with all sums that follow from it."""

import sqlite3
from collections.abc import Sequence

import msgspec

from modelmeter.errors import LedgerUnavailableError
from modelmeter.ledger.database import begin_between_others
from modelmeter.ledger.reservations import Reservations
from modelmeter.ledger.series import SeriesTally
from modelmeter.ledger.transaction import Batch, commit
from modelmeter.record import Call

__all__ = ["known_ids", "take_in"]

_OWNER = "import"
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
    tally: SeriesTally,
    now_ns: int,
    reservations: Reservations,
) -> int:
    """
    Enter the calls that are no entries yet, in one transaction; how many they were.

    Raises:
        LedgerUnavailableError: the file cannot be written now; nothing was written.
    """
    try:
        begin_between_others(connection)
        known = known_ids(connection, calls)
        # The last of two lines with one id is the one to take.
        new = {call.intent.id: call for call in calls if call.intent.id not in known}
        if not new:
            connection.execute("ROLLBACK")
            return 0
        commit(
            connection,
            Batch(records=list(new.values())),
            owner=_OWNER,
            tally=tally,
            now_ns=now_ns,
            reservations=reservations,
            has_begun=True,
        )
    except sqlite3.Error as error:
        raise LedgerUnavailableError(
            f"the ledger cannot be written now: {error}; run the command again later"
        ) from error
    return len(new)
