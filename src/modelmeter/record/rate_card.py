"""The price that was applied to a call, as text that outlives the catalogue it came from."""

from hashlib import blake2b

import msgspec

__all__ = ["RateCard"]

_ID_BYTES = 8


class RateCard(msgspec.Struct, frozen=True):
    """
    One price as the ledger keeps it: many calls share a card, and each names it by its id.

    Its text is JSON; `modelmeter.pricing.card` writes and reads it.
    """

    id: int
    """Of the text alone, so that every process gives the same card the same id."""
    text: str

    @classmethod
    def of(cls, text: str) -> "RateCard":
        """The card with this text."""
        digest = blake2b(text.encode(), digest_size=_ID_BYTES).digest()
        return cls(id=int.from_bytes(digest, "big", signed=True), text=text)
