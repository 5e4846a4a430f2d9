"""Server-sent events: the same events at every split, every byte accounted for, a firm cap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_cases import CUTS, pieces

from modelmeter.errors import WireLimitError
from modelmeter.wire.sse import ServerSentEvent, ServerSentEventDecoder

HOSTILE = (
    b"\xef\xbb\xbf: welcome\r\n\r\ndata: one\r\n\r\n"
    b"event: named\ndata:two\ndata: lines\nid: 7\n\n"
    b": ping\r\rdata\r\rretry: 10\n\nunknown: x\ndata: \xe2\x82\xac\xf0\x9f\x98\x80\r\n\n"
    b"\n\n\r\ndata: [DONE]"
)
EVENTS_OF_HOSTILE = [
    ("message", b"one"),
    ("named", b"two\nlines"),
    ("message", b""),
    ("message", "€😀".encode()),
    ("message", b"[DONE]"),
]

LINES = st.sampled_from(
    [b"data: x", b"data:y", b"data", b": c", b"event: e", b"id", b"", b"dat", b"\xef\xbb\xbf"]
)
ENDS = st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b""])
LIKELY = st.lists(st.tuples(LINES, ENDS), max_size=20).map(
    lambda pairs: b"".join(line + end for line, end in pairs)
)
STREAMS = st.one_of(st.binary(max_size=200), LIKELY)


def decode(chunks: list[bytes]) -> tuple[list[ServerSentEvent], bytes]:
    decoder = ServerSentEventDecoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    events += decoder.end()
    return events, decoder.take_rest()


def reference(stream: bytes) -> list[tuple[str, bytes]]:
    """Read a whole stream line by line, the way the standard tells it."""
    lines = stream.removeprefix(b"\xef\xbb\xbf").splitlines()
    events: list[tuple[str, bytes]] = []
    name, data = "message", list[bytes]()
    for line in [*lines, b""]:
        if not line:
            if data:
                events.append((name, b"\n".join(data)))
            name, data = "message", []
        elif line == b"data" or line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif line == b"event" or line.startswith(b"event:"):
            name = line[6:].removeprefix(b" ").decode("utf-8", "replace") or "message"
    return events


@pytest.mark.parametrize("size", range(1, len(HOSTILE) + 1))
def test_a_split_at_every_byte_gives_the_same_events(size: int) -> None:
    chunks = [HOSTILE[start : start + size] for start in range(0, len(HOSTILE), size)]

    events, rest = decode(chunks)

    assert [(event.event, event.data) for event in events] == EVENTS_OF_HOSTILE
    assert b"".join(event.raw for event in events) + rest == HOSTILE


@given(STREAMS, CUTS)
def test_any_bytes_at_any_split_give_the_events_of_the_whole(
    stream: bytes, cuts: list[int]
) -> None:
    whole = decode([stream])

    assert decode(pieces(stream, cuts)) == whole
    assert [(event.event, event.data) for event in whole[0]] == reference(stream)
    assert b"".join(event.raw for event in whole[0]) + whole[1] == stream


@given(STREAMS, CUTS, st.integers(1, 40))
def test_no_event_is_larger_than_the_cap_and_no_byte_is_lost(
    stream: bytes, cuts: list[int], cap: int
) -> None:
    chunks = pieces(stream, cuts)
    decoder = ServerSentEventDecoder(cap)
    forwarded, failures = b"", 0

    for chunk in chunks:
        if failures:
            forwarded += chunk
            continue
        try:
            events = decoder.feed(chunk)
        except WireLimitError:
            failures += 1
            events = []
            forwarded += decoder.take_rest()
        assert all(len(event.raw) <= cap for event in events)
        forwarded += b"".join(event.raw for event in events)
    forwarded += b"".join(event.raw for event in decoder.end()) + decoder.take_rest()

    assert forwarded == stream
    assert failures <= 1


def test_the_cap_holds_to_the_byte() -> None:
    event = b"data: 12345\n\n"

    assert len(ServerSentEventDecoder(len(event)).feed(event)) == 1
    with pytest.raises(WireLimitError):
        ServerSentEventDecoder(len(event) - 1).feed(event)


def test_events_before_the_one_that_is_too_large_are_given_before_the_error() -> None:
    decoder = ServerSentEventDecoder(20)

    events = decoder.feed(b"data: a\n\ndata: " + b"x" * 30)

    assert [event.data for event in events] == [b"a"]
    with pytest.raises(WireLimitError):
        decoder.feed(b"more")
    assert decoder.feed(b"later") == []
    assert decoder.end() == []
    assert decoder.take_rest() == b"data: " + b"x" * 30 + b"more"
    assert decoder.take_rest() == b""


def test_an_endless_line_is_held_up_to_the_cap_only() -> None:
    decoder = ServerSentEventDecoder(1000)
    for _ in range(10):
        decoder.feed(b"x" * 99)

    with pytest.raises(WireLimitError):
        decoder.feed(b"x" * 99)
    for _ in range(100):
        decoder.feed(b"x" * 99)

    assert decoder.take_rest() == b"x" * 99 * 11


def test_endless_comments_are_held_up_to_the_cap_only() -> None:
    decoder = ServerSentEventDecoder(1000)
    for _ in range(125):
        decoder.feed(b": ping\n\n")

    with pytest.raises(WireLimitError):
        decoder.feed(b": ping\n\n")

    assert decoder.take_rest() == b": ping\n\n" * 126


def test_an_event_is_given_as_soon_as_its_blank_line_is_complete() -> None:
    decoder = ServerSentEventDecoder()

    assert decoder.feed(b"data: a\n") == []
    assert [event.data for event in decoder.feed(b"\n")] == [b"a"]
    assert [event.data for event in decoder.feed(b"data: b\r\n\r\n")] == [b"b"]


def test_comments_before_an_event_are_part_of_its_bytes() -> None:
    (event,) = ServerSentEventDecoder().feed(b": ping\n\n: pong\n\ndata: a\n\n")

    assert event == ServerSentEvent("message", b"a", b": ping\n\n: pong\n\ndata: a\n\n", 16)
    assert event.raw[event.lead :] == b"data: a\n\n"


@given(STREAMS, CUTS)
def test_comments_that_are_taken_before_their_event_are_not_part_of_it(
    stream: bytes, cuts: list[int]
) -> None:
    decoder = ServerSentEventDecoder()
    events, forwarded = [], b""

    for chunk in pieces(stream, cuts):
        found = decoder.feed(chunk)
        forwarded += b"".join(event.raw for event in found) + decoder.take_comments()
        events += found
    last = decoder.end()
    forwarded += b"".join(event.raw for event in last) + decoder.take_rest()

    assert forwarded == stream
    assert [(event.event, event.data) for event in [*events, *last]] == reference(stream)


def test_a_line_of_10_mb_in_small_chunks_is_one_event() -> None:
    line = b"x" * 10_000_000
    decoder = ServerSentEventDecoder()
    stream = b"data: " + line + b"\n\n"

    events = [
        event
        for start in range(0, len(stream), 1000)
        for event in decoder.feed(stream[start : start + 1000])
    ]

    assert [event.data for event in events] == [line]


@pytest.mark.parametrize("chunk_events", [1, 1000, 1_000_000])
def test_a_million_tiny_events_all_come_out(chunk_events: int) -> None:
    decoder = ServerSentEventDecoder()
    chunk = b"data:a\n\n" * chunk_events

    count = sum(len(decoder.feed(chunk)) for _ in range(1_000_000 // chunk_events))

    assert count == 1_000_000
    assert decoder.take_rest() == b""
