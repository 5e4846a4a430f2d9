"""The ledger: one SQLite file that holds every call, and what its sums are."""

from modelmeter.ledger.ledger import Ledger
from modelmeter.ledger.writer import LedgerBounds, LedgerWriter

__all__ = ["Ledger", "LedgerBounds", "LedgerWriter"]
