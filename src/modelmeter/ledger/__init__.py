"""The ledger: one SQLite file that holds every call, and what its sums are."""

from modelmeter.ledger.ledger import Ledger
from modelmeter.ledger.transaction import Counted, Entered, Noted
from modelmeter.ledger.writer import LedgerBounds, LedgerWriter

__all__ = ["Counted", "Entered", "Ledger", "LedgerBounds", "LedgerWriter", "Noted"]
