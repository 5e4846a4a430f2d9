"""Watches a stream that a budget holds for: whole parts only, and no more output than was held."""

from modelmeter.budgets.used_up import is_used_up
from modelmeter.errors import WireError
from modelmeter.providers import ResponseFacts
from modelmeter.providers.framing import Framing
from modelmeter.record import CallBound
from modelmeter.wire.json_array import JsonArrayDecoder

__all__ = ["TAIL_BYTES_MAX", "HoldWatch"]

TAIL_BYTES_MAX = 1024 * 1024
"""A part that is kept until it is whole; a longer one passes in pieces, and cannot be cut."""

_LENGTH_BYTES = 4
_BLANK_LINES = (b"\n\n", b"\r\n\r\n", b"\r\r")


class HoldWatch:
    """Passes a stream on part by part, so that it can be ended behind any of them."""

    def __init__(self, hold: CallBound, framing: Framing) -> None:
        self._hold = hold
        self._framing = framing
        self._array = _Array()
        self._tail = b""
        self._in_pieces = False

    def pass_on(self, out: bytes) -> bytes:
        """Take what would be forwarded, and give what of it makes whole parts."""
        stream = self._tail + out
        end = self._whole(stream, out)
        self._tail = stream[end:]
        self._in_pieces = len(self._tail) > TAIL_BYTES_MAX or (self._in_pieces and not end)
        if self._in_pieces:
            self._tail = b""
            return stream
        return stream[:end]

    def rest(self) -> bytes:
        """The stream is over: what was no whole part."""
        rest, self._tail = self._tail, b""
        return rest

    def is_used_up(self, seen: ResponseFacts) -> bool:
        """More was written than was held for, and the stream can be ended here."""
        if self._in_pieces or self._array.is_over:
            return False
        return is_used_up(self._hold, seen)

    def _whole(self, stream: bytes, new: bytes) -> int:
        """The place behind the last whole part; ``stream`` ends with its ``new`` bytes."""
        if self._framing is Framing.ELEMENTS:
            return self._array.end_in(stream, new)
        return _messages_end(stream) if self._framing is Framing.MESSAGES else _events_end(stream)


class _Array:
    """The places behind the elements of an array, as it goes by."""

    def __init__(self) -> None:
        self._decoder = JsonArrayDecoder()
        self._bytes = 0
        self.is_over = False
        """Nothing more can be left out of it: it is at its end, or is no array."""

    def end_in(self, stream: bytes, new: bytes) -> int:
        """The place in ``stream`` behind the last element that the ``new`` bytes end; else 0."""
        self._bytes += len(new)
        if not self.is_over:
            try:
                self._decoder.feed(new)
                self.is_over = self._decoder.closed
            except WireError:
                self.is_over = True
        if self.is_over:
            return len(stream)
        return max(len(stream) - (self._bytes - self._decoder.elements_end), 0)


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
