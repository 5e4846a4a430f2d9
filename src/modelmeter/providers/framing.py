"""How a streamed answer falls into parts, so that it can be ended behind any of them."""

from enum import Enum, auto

__all__ = ["Framing", "framing_of"]

_EVENT_STREAM = "application/vnd.amazon.eventstream"
_SERVER_SENT = "text/event-stream"


class Framing(Enum):
    """What the parts of a stream are."""

    EVENTS = auto()
    """Server-sent events."""
    MESSAGES = auto()
    """AWS event stream messages."""
    ELEMENTS = auto()
    """Objects in one JSON array."""


def framing_of(content_type: str) -> Framing | None:
    """The parts of a body of ``content_type`` (in lower case); None: it does not say of any."""
    if content_type.startswith(_SERVER_SENT):
        return Framing.EVENTS
    return Framing.MESSAGES if content_type.startswith(_EVENT_STREAM) else None
