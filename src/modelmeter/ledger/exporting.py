"""All entries of a ledger that fit, as they stand by today's knowledge of their prices."""

import sqlite3
from collections.abc import Iterator

from modelmeter.ledger.explanation import card_text
from modelmeter.ledger.exported_call import exported
from modelmeter.ledger.reader import CallFilter, calls_between, newest_seq

__all__ = ["exported_calls"]

_CARDS_MAX = 4096


def exported_calls(
    connection: sqlite3.Connection, wanted: CallFilter
) -> Iterator[dict[str, object]]:
    """
    The entries there are by now, in their order, by column.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    cards: dict[object, str | None] = {}
    upto = newest_seq(connection)
    for row in calls_between(connection, wanted, after_seq=0, upto_seq=upto):
        card = row["rate_card"]
        if card not in cards:
            if len(cards) >= _CARDS_MAX:
                cards.clear()
            cards[card] = card_text(connection, card)
        yield exported(row, cards[card])
