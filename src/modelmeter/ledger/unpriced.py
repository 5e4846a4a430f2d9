"""Which models were called without a known price."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from modelmeter.errors import LedgerUnavailableError
from modelmeter.ledger.read_only import connect_reader

__all__ = ["MODELS_MAX", "UnpricedModel", "unpriced_models"]

MODELS_MAX = 200
"""Models shown, those with the most calls."""

_UNPRICED = """
SELECT e.provider, e.model, count(*) FROM entry e
WHERE e.cost_state = 'unpriced' AND e.seq NOT IN (SELECT entry_seq FROM correction)
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT ?
"""


class UnpricedModel(msgspec.Struct, frozen=True):
    """A model, and how many of its calls stand at no cost for want of a price."""

    provider: str
    model: str
    calls: int


def unpriced_models(path: Path) -> list[UnpricedModel]:
    """
    The models without a price in the ledger at ``path``, the most called first.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with closing(connect_reader(path)) as connection:
        try:
            rows = connection.execute(_UNPRICED, (MODELS_MAX,)).fetchall()
        except sqlite3.Error as error:
            raise LedgerUnavailableError(f"cannot read the ledger {path}: {error}") from error
    return [UnpricedModel(*row) for row in rows]
