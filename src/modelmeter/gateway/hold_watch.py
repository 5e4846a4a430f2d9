"""Watches a stream that a budget holds for: whole events only, and no more output than was held."""

from modelmeter.budgets.used_up import is_used_up
from modelmeter.providers import ResponseFacts
from modelmeter.record import CallBound

__all__ = ["TAIL_BYTES_MAX", "HoldWatch"]

TAIL_BYTES_MAX = 1024 * 1024
"""An event that is kept until it is whole; a longer one passes in pieces, and cannot be cut."""

_EVENT_STREAM = "application/vnd.amazon.eventstream"
_SERVER_SENT = "text/event-stream"
_LENGTH_BYTES = 4
_BLANK_LINES = (b"\n\n", b"\r\n\r\n", b"\r\r")


class HoldWatch:
    """Passes a stream on event by event, so that it can be ended behind any of them."""

    def __init__(self, bound: CallBound, content_type: str) -> None:
        self._bound = bound
        self._is_binary = content_type.startswith(_EVENT_STREAM)
        self._tail = b""
        self._in_pieces = False

    @staticmethod
    def can_watch(content_type: str) -> bool:
        """Whether a stream of that type has events to end it behind."""
        return content_type.startswith((_EVENT_STREAM, _SERVER_SENT))

    def pass_on(self, out: bytes) -> bytes:
        """Take what would be forwarded, and give what of it makes whole events."""
        stream = self._tail + out
        end = _messages_end(stream) if self._is_binary else _events_end(stream)
        self._tail = stream[end:]
        self._in_pieces = len(self._tail) > TAIL_BYTES_MAX or (self._in_pieces and not end)
        if self._in_pieces:
            self._tail = b""
            return stream
        return stream[:end]

    def rest(self) -> bytes:
        """The stream is over: what was no whole event."""
        rest, self._tail = self._tail, b""
        return rest

    def is_used_up(self, seen: ResponseFacts) -> bool:
        """More was written than was held for, and the stream can be ended here."""
        if self._in_pieces:
            return False
        return is_used_up(self._bound, seen)


def _events_end(stream: bytes) -> int:
    """The place behind the last blank line."""
    ends = ((stream.rfind(blank), len(blank)) for blank in _BLANK_LINES)
    return max((at + length for at, length in ends if at >= 0), default=0)


def _messages_end(stream: bytes) -> int:
    """The place behind the last whole message; each begins with its length."""
    end = 0
    while len(stream) - end >= _LENGTH_BYTES:
        length = int.from_bytes(stream[end : end + _LENGTH_BYTES])
        if length < _LENGTH_BYTES or len(stream) - end < length:
            break
        end += length
    return end
