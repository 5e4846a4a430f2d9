"""Which rate cards the ledger has, so that each is written once and not with every entry."""

from modelmeter.record import RateCard

__all__ = ["KNOWN_CARDS_MAX", "CardBook"]

KNOWN_CARDS_MAX = 10_000
"""Cards that a writer remembers as written; the memory starts anew when it is full."""


class CardBook:
    """The cards of one transaction that no earlier one is known to have written."""

    def __init__(self) -> None:
        self._known: set[int] = set()
        self._new: dict[int, str] = {}

    def add(self, card: RateCard) -> None:
        """Note the card of one entry."""
        if card.id not in self._known:
            self._new[card.id] = card.text

    def rows(self) -> list[tuple[int, str]]:
        """What to write: rows of id and text; an id that is there already has the same text."""
        return list(self._new.items())

    def committed(self) -> None:
        """The transaction stands: its cards need not be written again."""
        if len(self._known) + len(self._new) > KNOWN_CARDS_MAX:
            self._known.clear()
        self._known.update(self._new)
        self._new.clear()

    def discard(self) -> None:
        """The transaction failed, and its cards with it."""
        self._new.clear()
