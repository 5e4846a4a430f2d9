"""Calls whose process died before their outcome was known become ``unknown`` entries."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec

from modelmeter.ledger.cache_table import drop_usage, usage_owners
from modelmeter.ledger.owner import owner_is_dead
from modelmeter.ledger.reservations import Reservations
from modelmeter.ledger.series import SeriesTally
from modelmeter.ledger.transaction import Batch, Settlement, commit
from modelmeter.record import Call, Intent

__all__ = ["recover"]

_SELECT_OWNERS = "SELECT DISTINCT owner FROM open_call WHERE owner <> ?"
_SELECT_LOST = "SELECT intent FROM open_call WHERE owner = ? LIMIT ?"

_RECOVERED_MAX = 1000
"""Calls recovered in one transaction."""

_decoder = msgspec.json.Decoder(Intent)


def recover(
    connection: sqlite3.Connection,
    ledger_path: Path,
    *,
    owner: str,
    tally: SeriesTally,
    now_ns: int,
    lost_call: Callable[[Intent], Call],
    reservations: Reservations | None = None,
) -> int:
    """
    Settle the open calls of every process that has ended; how many there were.

    What an ended process had in its response cache is gone with it.

    ``lost_call`` says what a call whose outcome nobody knows is entered as.

    Raises:
        LedgerConflictError: another process recovers them at this moment; ask again later.
        sqlite3.Error: the file cannot be written now; nothing was changed.
    """
    owners = [row[0] for row in connection.execute(_SELECT_OWNERS, (owner,))]
    recovered = 0
    for name in owners:
        if not owner_is_dead(ledger_path, name):
            continue
        while lost := connection.execute(_SELECT_LOST, (name, _RECOVERED_MAX)).fetchall():
            calls = [lost_call(_decoder.decode(text)) for (text,) in lost]
            batch = Batch(settlements=[Settlement(call) for call in calls])
            commit(
                connection,
                batch,
                owner=owner,
                tally=tally,
                now_ns=now_ns,
                reservations=reservations,
            )
            recovered += len(calls)
    for name in usage_owners(connection, but=owner):
        if owner_is_dead(ledger_path, name):
            drop_usage(connection, name)
    return recovered
