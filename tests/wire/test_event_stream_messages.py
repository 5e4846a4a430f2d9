"""AWS event stream: agreement with botocore, and broken messages of every kind."""

from struct import pack
from uuid import UUID
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st
from wire_cases import CUTS, pieces

from modelmeter.errors import WireError, WireFormatError, WireLimitError
from modelmeter.wire.event_stream import (
    EventStreamDecoder,
    EventStreamMessage,
    encode_event_stream_message,
)

HEADERS = st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=40), max_size=4)
MESSAGES = st.lists(st.tuples(HEADERS, st.binary(max_size=60)), max_size=5)


def framed(headers: bytes, payload: bytes = b"") -> bytes:
    lengths = pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = lengths + pack("!I", crc32(lengths)) + headers + payload
    return message + pack("!I", crc32(message))


def prelude(length: int, headers_length: int = 0) -> bytes:
    lengths = pack("!II", length, headers_length)
    return lengths + pack("!I", crc32(lengths))


def as_botocore_reads(stream: bytes) -> list[tuple[object, object]]:
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    return [(message.headers, message.payload) for message in buffer]


def outcome(chunks: list[bytes], cap: int = 10_000) -> tuple[list[EventStreamMessage], str | None]:
    """Everything a decoder says of a stream: its messages, and its error if any."""
    decoder = EventStreamDecoder(cap)
    messages: list[EventStreamMessage] = []
    failures: list[str] = []
    for chunk in [*chunks, b"", b""]:
        try:
            messages += decoder.feed(chunk)
        except WireError as error:
            failures.append(f"{error.code}: {error}")
    assert len(failures) <= 1
    return messages, failures[0] if failures else None


@given(MESSAGES, CUTS)
def test_what_is_encoded_is_decoded_at_any_split(
    messages: list[tuple[dict[str, str], bytes]], cuts: list[int]
) -> None:
    stream = b"".join(encode_event_stream_message(*message) for message in messages)

    decoded, failure = outcome(pieces(stream, cuts))

    assert [(message.headers, message.payload) for message in decoded] == messages
    assert failure is None


@given(MESSAGES)
def test_botocore_reads_what_is_encoded(messages: list[tuple[dict[str, str], bytes]]) -> None:
    stream = b"".join(encode_event_stream_message(*message) for message in messages)

    assert as_botocore_reads(stream) == messages


def test_every_type_of_header_reads_as_botocore_reads_it() -> None:
    uuid = UUID("00112233-4455-6677-8899-aabbccddeeff")
    headers = b"".join(
        bytes([1]) + name + value
        for name, value in [
            (b"a", b"\x00"),
            (b"b", b"\x01"),
            (b"c", b"\x02\xff"),
            (b"d", b"\x03" + pack("!h", -300)),
            (b"e", b"\x04" + pack("!i", -70_000)),
            (b"f", b"\x05" + pack("!q", -(2**40))),
            (b"g", b"\x06" + pack("!H", 3) + b"\x00\xff\x01"),
            (b"h", b"\x07" + pack("!H", 3) + "€".encode()),
            (b"i", b"\x08" + pack("!q", 1_700_000_000_000)),
            (b"j", b"\x09" + uuid.bytes),
        ]
    )
    stream = framed(headers, b"payload")
    (ours,) = EventStreamDecoder().feed(stream)

    assert [(ours.headers, ours.payload)] == as_botocore_reads(stream)
    assert ours.headers["c"] == -1
    assert ours.headers["a"] is True


@given(st.binary(max_size=300), MESSAGES, CUTS)
def test_any_bytes_after_good_messages_end_the_same_way_at_any_split(
    junk: bytes, messages: list[tuple[dict[str, str], bytes]], cuts: list[int]
) -> None:
    stream = b"".join(encode_event_stream_message(*message) for message in messages) + junk

    assert outcome(pieces(stream, cuts)) == outcome([stream])


@given(HEADERS, st.binary(max_size=60), st.data())
def test_a_flipped_bit_anywhere_is_found(
    headers: dict[str, str], payload: bytes, data: st.DataObject
) -> None:
    message = bytearray(encode_event_stream_message(headers, payload))
    message[data.draw(st.integers(0, len(message) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    messages, failure = outcome([bytes(message)])

    assert messages == []
    assert failure is not None


@given(st.binary(max_size=80))
def test_any_bytes_as_headers_are_read_or_refused(headers: bytes) -> None:
    messages, failure = outcome([framed(headers, b"x" * 10)])

    assert (len(messages), failure is None) in [(1, True), (0, False)]


@pytest.mark.parametrize("length", [0, 1, 15])
def test_a_length_below_the_smallest_message_is_refused(length: int) -> None:
    with pytest.raises(WireFormatError, match="cannot be"):
        EventStreamDecoder().feed(prelude(length))


def test_headers_longer_than_their_message_are_refused() -> None:
    with pytest.raises(WireFormatError, match="cannot be"):
        EventStreamDecoder().feed(prelude(100, 85))


@pytest.mark.parametrize("length", [2**31, 2**32 - 1])
def test_a_length_of_two_gigabytes_is_refused_before_any_of_it_is_held(length: int) -> None:
    with pytest.raises(WireLimitError):
        EventStreamDecoder().feed(prelude(length))


def test_the_cap_holds_to_the_byte() -> None:
    message = encode_event_stream_message({}, b"x" * 84)

    assert len(EventStreamDecoder(100).feed(message)) == 1
    with pytest.raises(WireLimitError):
        EventStreamDecoder(99).feed(message)


@pytest.mark.parametrize(
    "headers",
    [
        b"\x01a\x0a",
        b"\x00\x00",
        b"\x01a",
        b"\x01a\x07\x00\x09abc",
        b"\x01\xff\x00",
        b"\x01a\x07\x00\x01\xff",
        b"\x01a\x00\x01a\x00",
        b"\x01a\x05\x00",
    ],
    ids=[
        "unknown-type",
        "no-name",
        "no-type",
        "value-too-long",
        "name-not-utf-8",
        "value-not-utf-8",
        "twice",
        "integer-too-long",
    ],
)
def test_an_unreadable_header_is_refused(headers: bytes) -> None:
    with pytest.raises(WireFormatError):
        EventStreamDecoder().feed(framed(headers))


def test_messages_before_a_broken_one_are_given_before_the_error() -> None:
    good = encode_event_stream_message({"a": "b"}, b"first")
    decoder = EventStreamDecoder()

    messages = decoder.feed(good + b"\xff" * 20)

    assert [message.payload for message in messages] == [b"first"]
    with pytest.raises(WireFormatError):
        decoder.feed(b"")
    assert decoder.feed(good) == []


def test_a_header_that_the_format_cannot_say_is_not_written() -> None:
    with pytest.raises(WireFormatError):
        encode_event_stream_message({"n" * 256: ""}, b"")
    with pytest.raises(WireFormatError):
        encode_event_stream_message({"n": "v" * 40_000}, b"")
