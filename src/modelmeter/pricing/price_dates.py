"""From when a price holds, as its source says it: written and read here alone."""

import re
from datetime import date

__all__ = ["dated", "holds_from"]

_REMARKS = re.compile(r"\([^()]*\)")
_FROM = re.compile(r", from (\d{4}-\d\d-\d\d)")


def dated(since: date | None, until: date | None = None) -> str:
    """What a source says after its listing; nothing where no other price is known."""
    return (f", from {since}" if since else "") + (f", before {until}" if until else "")


def holds_from(source: str) -> date | None:
    """The day from which the price of a source holds; None: no other before it is known."""
    # What an operator or a catalogue remarks in brackets is no date of the price.
    found = _FROM.search(_REMARKS.sub("", source))
    return None if found is None else date.fromisoformat(found[1])
