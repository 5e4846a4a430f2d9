"""All entries of a ledger that fit, as they stand by today's knowledge of their prices."""

import sqlite3
from collections.abc import Iterator

from modelmeter.ledger.exported_call import exported
from modelmeter.ledger.reader import CallFilter, calls_between, newest_seq

__all__ = ["count_calls", "exported_calls"]

_CARDS_MAX = 4096
_CARD = "SELECT text FROM rate_card WHERE id = ?"
_COUNT = "SELECT count(*) FROM entry WHERE started_at_ns >= ? AND started_at_ns < ?"


def count_calls(connection: sqlite3.Connection, wanted: CallFilter) -> int:
    """
    How many entries began in the span, whether or not they fit otherwise.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    span = (wanted.since_ns, wanted.until_ns)
    ((count,),) = connection.execute(_COUNT, span).fetchall()
    return int(count)


def exported_calls(
    connection: sqlite3.Connection, wanted: CallFilter
) -> Iterator[dict[str, object]]:
    """
    The entries there are by now, in their order, by column.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    cards: dict[object, str | None] = {None: None}
    upto = newest_seq(connection)
    for row in calls_between(connection, wanted, after_seq=0, upto_seq=upto):
        card = row["rate_card"]
        if card not in cards:
            if len(cards) >= _CARDS_MAX:
                cards = {None: None}
            cards[card] = connection.execute(_CARD, (card,)).fetchone()[0]
        yield exported(row, cards[card])
