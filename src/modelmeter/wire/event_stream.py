"""
AWS event stream (``application/vnd.amazon.eventstream``), decoded as its bytes arrive.

https://smithy.io/2.0/aws/amazon-eventstream.html: a message is its length, the length of its
headers, a CRC-32 of those 8 bytes, headers, payload, and a CRC-32 of all before; big-endian.
"""

from collections.abc import Mapping
from struct import Struct
from zlib import crc32

import msgspec

from modelmeter.errors import WireError, WireFormatError, WireLimitError
from modelmeter.wire.fault import Fault

__all__ = [
    "MESSAGE_BYTES_MAX",
    "EventStreamDecoder",
    "EventStreamMessage",
    "HeaderValue",
    "encode_event_stream_message",
]

MESSAGE_BYTES_MAX = 25 * 1024 * 1024
"""A message: AWS allows 24 MiB of payload and 128 KiB of headers."""

HeaderValue = str | bytes | int | bool

_PRELUDE = Struct("!III")
_CRC = Struct("!I")
_MESSAGE_BYTES_MIN = _PRELUDE.size + _CRC.size
_LENGTH = Struct("!H")
_TRUE, _FALSE, _BYTES, _STRING, _UUID = 0, 1, 6, 7, 9
_INTEGERS = {2: Struct("!b"), 3: Struct("!h"), 4: Struct("!i"), 5: Struct("!q"), 8: Struct("!q")}
_UUID_BYTES = 16
_NAME_BYTES_MAX = 255
_VALUE_BYTES_MAX = 32_767


class EventStreamMessage(msgspec.Struct, frozen=True):
    """One message."""

    headers: dict[str, HeaderValue]
    """By name; timestamps are milliseconds since 1970, UUIDs 16 bytes."""
    payload: bytes


class EventStreamDecoder:
    """
    Cuts a stream into messages, whatever the chunks.

    Once a message is broken or too large, the decoder raises (after the messages that came
    before) and then takes nothing more: without its length no later message can be found.
    """

    def __init__(self, message_bytes_max: int = MESSAGE_BYTES_MAX) -> None:
        self._message_bytes_max = message_bytes_max
        self._fault = Fault()
        self._held = bytearray()
        self._needed = _PRELUDE.size

    @property
    def is_amid_message(self) -> bool:
        """The bytes so far end in the middle of a message."""
        return bool(self._held)

    def feed(self, chunk: bytes) -> list[EventStreamMessage]:
        """
        Take the next bytes and give the messages they complete.

        Raises:
            WireFormatError: a wrong checksum, an impossible length, or an unreadable header.
            WireLimitError: a message is larger than the cap.
        """
        if self._fault.met:
            self._fault.settle()
            return []
        if self._held:
            self._held += chunk
            if len(self._held) < self._needed:
                return []
            stream = bytes(self._held)
            self._held.clear()
        else:
            stream = chunk
        messages: list[EventStreamMessage] = []
        try:
            taken = self._take_messages(stream, messages)
        except WireError as error:
            self._fault.meet(error, results=messages)
            return messages
        self._held += stream[taken:] if taken else stream
        return messages

    def _take_messages(self, stream: bytes, messages: list[EventStreamMessage]) -> int:
        start, end = 0, len(stream)
        while True:
            if end - start < _PRELUDE.size:
                self._needed = _PRELUDE.size
                return start
            length, headers_length = self._read_prelude(stream, start)
            if end - start < length:
                self._needed = length
                return start
            messages.append(_read_message(stream[start : start + length], headers_length))
            start += length

    def _read_prelude(self, stream: bytes, start: int) -> tuple[int, int]:
        length, headers_length, checksum = _PRELUDE.unpack_from(stream, start)
        if crc32(stream[start : start + 8]) != checksum:
            raise WireFormatError("the checksum of an event stream message's prelude is wrong")
        if length < _MESSAGE_BYTES_MIN + headers_length:
            raise WireFormatError(f"an event stream message cannot be {length} bytes long")
        if length > self._message_bytes_max:
            raise WireLimitError(
                f"an event stream message is larger than {self._message_bytes_max} bytes"
            )
        return length, headers_length


def encode_event_stream_message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """
    Write one message with text headers.

    Raises:
        WireFormatError: a header's name or value is longer than the format can say.
    """
    block = b"".join(_encode_header(name, value) for name, value in headers.items())
    length = _MESSAGE_BYTES_MIN + len(block) + len(payload)
    lengths = _PRELUDE.pack(length, len(block), 0)[:8]
    message = lengths + _CRC.pack(crc32(lengths)) + block + payload
    return message + _CRC.pack(crc32(message))


def _encode_header(name: str, value: str) -> bytes:
    name_bytes, value_bytes = name.encode(), value.encode()
    if not 0 < len(name_bytes) <= _NAME_BYTES_MAX or len(value_bytes) > _VALUE_BYTES_MAX:
        raise WireFormatError(f"event stream header {name[:40]!r} is too long")
    return (
        bytes((len(name_bytes),))
        + name_bytes
        + bytes((_STRING,))
        + _LENGTH.pack(len(value_bytes))
        + value_bytes
    )


def _read_message(message: bytes, headers_length: int) -> EventStreamMessage:
    (checksum,) = _CRC.unpack_from(message, len(message) - _CRC.size)
    if crc32(memoryview(message)[: -_CRC.size]) != checksum:
        raise WireFormatError("the checksum of an event stream message is wrong")
    headers_end = _PRELUDE.size + headers_length
    headers = _read_headers(message, _PRELUDE.size, headers_end)
    return EventStreamMessage(headers, message[headers_end : -_CRC.size])


def _read_headers(message: bytes, start: int, end: int) -> dict[str, HeaderValue]:
    # No check whether a name or value passes the end of the headers: the payload's bytes would
    # be read, and the position after the last header then differs from ``end``.
    headers: dict[str, HeaderValue] = {}
    try:
        while start < end:
            value_at = start + 1 + message[start]
            name = message[start + 1 : value_at].decode()
            if not name or name in headers:
                raise WireFormatError("an event stream header has no name or comes twice")
            headers[name], start = _read_value(message, value_at)
    except (IndexError, UnicodeDecodeError) as error:
        raise WireFormatError("an event stream header cannot be read") from error
    if start != end:
        raise WireFormatError("an event stream header is longer than the headers")
    return headers


def _read_value(message: bytes, at: int) -> tuple[HeaderValue, int]:
    kind = message[at]
    at += 1
    if kind in (_STRING, _BYTES):
        end = at + 2 + (message[at] << 8 | message[at + 1])
        value = message[at + 2 : end]
        return value.decode() if kind == _STRING else value, end
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, at
    if kind == _UUID:
        return message[at : at + _UUID_BYTES], at + _UUID_BYTES
    integer = _INTEGERS.get(kind)
    if integer is None:
        raise WireFormatError(f"event stream header type {kind} does not exist")
    end = at + integer.size
    if end > len(message):
        raise WireFormatError("an event stream header is longer than its message")
    return int(integer.unpack_from(message, at)[0]), end
