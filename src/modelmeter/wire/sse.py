"""
Server-sent events, decoded as their bytes arrive.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

import re
from collections.abc import Iterator

import msgspec

from modelmeter.errors import WireLimitError
from modelmeter.wire.fault import Fault

__all__ = ["EVENT_BYTES_MAX", "ServerSentEvent", "ServerSentEventDecoder"]

EVENT_BYTES_MAX = 16 * 1024 * 1024
"""An event with its separator and the comments before it."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_BLANK_LINE_BYTES_MAX = 4
_LINE = re.compile(rb"[^\r\n]+")
_MESSAGE = "message"


class ServerSentEvent(msgspec.Struct, frozen=True):
    """One event that carries data."""

    event: str
    """Its type; ``message`` where the stream names none."""
    data: bytes
    """Its data lines, joined by LF."""
    raw: bytes
    """Its bytes in the stream: comments and blank lines before it, and its separator."""
    lead: int = 0
    """How many bytes of ``raw`` are what came before it."""


class ServerSentEventDecoder:
    """
    Cuts a stream into events, whatever the chunks.

    The ``raw`` of all events, `take_comments` and `take_rest` together are the stream's bytes. An
    event is given when its blank line is complete; a CR at the end of a chunk may be half of a
    CR LF, so that the event before it waits for the next byte. Once an event is larger than the
    cap, the decoder raises `WireLimitError` (after the events that came before); `take_rest` then
    gives all that went in and did not come out, and further chunks are not taken.
    """

    def __init__(self, event_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._event_bytes_max = event_bytes_max
        self._fault = Fault()
        self._held = bytearray()
        self._scanned = 0
        self._dataless = bytearray()
        self._only_lf = True
        self._at_start = True

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """
        Take the next bytes and give the events they complete.

        Raises:
            WireLimitError: an event is larger than the cap; raised once.
        """
        if self._fault.met:
            if self._fault.pending:
                self._held += chunk
                self._fault.settle()
            return []
        if self._only_lf and b"\r" in chunk:
            self._only_lf = False
        if not self._held:
            return self._take_events(chunk)
        self._held += chunk
        if self._held_event_is_complete():
            stream = bytes(self._held)
            self._held.clear()
            return self._take_events(stream)
        self._check_held([])
        return []

    def end(self) -> list[ServerSentEvent]:
        """
        Give the last event if it has data but no blank line: some providers omit it.

        Never raises: behind an event that was too large there is nothing to give.
        """
        if self._fault.met:
            return []
        last = bytes(self._held)
        self._held.clear()
        events: list[ServerSentEvent] = []
        self._take_event(last, last, events)
        return events

    def take_comments(self) -> bytes:
        """Give up the comments and blank lines behind the last event, which some wait for."""
        if not self._dataless:
            return b""
        comments = bytes(self._dataless)
        self._dataless.clear()
        return comments

    def take_rest(self) -> bytes:
        """Give up what no event was made of; the decoder is empty afterwards."""
        rest = bytes(self._dataless + self._held)
        self._dataless.clear()
        self._held.clear()
        self._scanned = 0
        return rest

    def _held_event_is_complete(self) -> bool:
        held = self._held
        start = max(0, self._scanned - _BLANK_LINE_BYTES_MAX)
        if self._only_lf:
            complete = held.find(b"\n\n", start) >= 0
        else:
            found = _BLANK_LINE.search(held, start)
            complete = found is not None and not _may_go_on(found, held)
        self._scanned = 0 if complete else len(held)
        return complete

    def _take_events(self, stream: bytes) -> list[ServerSentEvent]:
        events: list[ServerSentEvent] = []
        taken = 0
        for block, raw in _lf_blocks(stream) if self._only_lf else _blocks(stream):
            if len(self._dataless) + len(raw) > self._event_bytes_max:
                break
            self._take_event(block, raw, events)
            taken += len(raw)
        if taken < len(stream):
            self._held += stream[taken:] if taken else stream
            self._scanned = len(self._held)
        self._check_held(events)
        return events

    def _take_event(self, block: bytes, raw: bytes, events: list[ServerSentEvent]) -> None:
        if self._at_start and raw:
            self._at_start = False
            block = block.removeprefix(_BYTE_ORDER_MARK)
        name, data = _read_block(block)
        if data is None:
            self._dataless += raw
            return
        lead = len(self._dataless)
        if lead:
            raw = bytes(self._dataless + raw)
            self._dataless.clear()
        events.append(ServerSentEvent(name, data, raw, lead))

    def _check_held(self, events: list[ServerSentEvent]) -> None:
        if len(self._dataless) + len(self._held) > self._event_bytes_max:
            error = WireLimitError(
                f"a server-sent event is larger than {self._event_bytes_max} bytes"
            )
            self._fault.meet(error, results=events)


def _lf_blocks(stream: bytes) -> Iterator[tuple[bytes, bytes]]:
    blocks = stream.split(b"\n\n")
    blocks.pop()
    for block in blocks:
        yield block, block + b"\n\n"


def _blocks(stream: bytes) -> Iterator[tuple[bytes, bytes]]:
    start = 0
    for separator in _BLANK_LINE.finditer(stream):
        if _may_go_on(separator, stream):
            return
        end = separator.end()
        yield stream[start : separator.start()], stream[start:end]
        start = end


def _may_go_on(separator: re.Match[bytes], stream: bytes | bytearray) -> bool:
    """The blank line ends with the stream's last byte so far, a CR that an LF may follow."""
    end = separator.end()
    return end == len(stream) and stream[end - 1] == 0x0D


def _read_block(block: bytes) -> tuple[str, bytes | None]:
    """The type and the data of an event; no data if it has no data line."""
    if block.startswith(b"data: ") and b"\n" not in block and b"\r" not in block:
        return _MESSAGE, block[6:]
    name, pieces = _MESSAGE, []
    for line in _LINE.finditer(block):
        field, _, value = line.group().partition(b":")
        if field == b"data":
            pieces.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ").decode("utf-8", "replace") or _MESSAGE
    if not pieces:
        return name, None
    return name, pieces[0] if len(pieces) == 1 else b"\n".join(pieces)
