"""A JSON array in pieces: its elements at any split, and what is no such array."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_cases import CUTS, pieces

from modelmeter.errors import WireError, WireFormatError, WireLimitError
from modelmeter.wire.json_array import JsonArrayDecoder

VALUES = st.recursive(
    st.one_of(st.none(), st.integers(), st.text(alphabet='a"\\{}[],é😀\n')),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=3), max_size=4)


def outcome(
    chunks: list[bytes], *, element_bytes_max: int = 1000, depth_max: int = 40
) -> tuple[list[bytes], bool, str | None]:
    decoder = JsonArrayDecoder(element_bytes_max, depth_max)
    elements: list[bytes] = []
    failures: list[str] = []
    for chunk in [*chunks, b"", b""]:
        try:
            elements += decoder.feed(chunk)
        except WireError as error:
            failures.append(f"{error.code}: {error}")
    assert len(failures) <= 1
    return elements, decoder.closed, failures[0] if failures else None


@given(OBJECTS, st.sampled_from([b"%s", b" \n%s\r\n"]), st.booleans(), CUTS)
def test_elements_come_out_as_they_are_at_any_split(
    objects: list[dict[str, object]], frame: bytes, indented: bool, cuts: list[int]
) -> None:
    array = msgspec.json.encode(objects)
    stream = frame % (msgspec.json.format(array, indent=2) if indented else array)

    elements, closed, failure = outcome(pieces(stream, cuts))

    assert [msgspec.json.decode(element) for element in elements] == objects
    assert closed
    assert failure is None


@given(
    st.one_of(
        st.binary(max_size=120),
        st.lists(st.sampled_from(list('[]{}",\\a ')), max_size=60).map(
            lambda text: "".join(["[", *text]).encode()
        ),
    ),
    CUTS,
    st.integers(2, 30),
    st.integers(1, 4),
)
def test_any_bytes_end_the_same_way_at_any_split(
    stream: bytes, cuts: list[int], cap: int, depth: int
) -> None:
    whole = outcome([stream], element_bytes_max=cap, depth_max=depth)

    assert outcome(pieces(stream, cuts), element_bytes_max=cap, depth_max=depth) == whole
    assert all(len(element) <= cap for element in whole[0])


@pytest.mark.parametrize(
    "stream", [b'{"error": {}}', b"<html>", b"[1]", b'["a"]', b"[[]]", b"[] x", b"]", b"[{}]]"]
)
def test_what_is_no_array_of_objects_is_refused(stream: bytes) -> None:
    _, _, failure = outcome([stream])

    assert failure == "wire_format: the stream is not a JSON array of objects"


def test_caps_hold_to_the_byte_and_the_level() -> None:
    assert JsonArrayDecoder(8).feed(b'[{"a":"}"') == []
    assert JsonArrayDecoder(9).feed(b'[{"a":"}"},') == [b'{"a":"}"}']
    with pytest.raises(WireLimitError):
        JsonArrayDecoder(8).feed(b'[{"a":"}"},')
    with pytest.raises(WireLimitError):
        JsonArrayDecoder(8).feed(b'[{"a":"xxx')
    assert JsonArrayDecoder(depth_max=2).feed(b"[{[]}") == [b"{[]}"]
    with pytest.raises(WireLimitError):
        JsonArrayDecoder(depth_max=1).feed(b"[{[]}")


def test_a_hundred_thousand_brackets_are_refused() -> None:
    with pytest.raises(WireLimitError):
        JsonArrayDecoder().feed(b"[{" + b"[" * 100_000)


def test_elements_before_the_failure_are_given_first() -> None:
    decoder = JsonArrayDecoder()

    assert decoder.feed(b'[{"a":1}, oops') == [b'{"a":1}']
    with pytest.raises(WireFormatError):
        decoder.feed(b"")
    assert decoder.feed(b'{"b":2}') == []


def test_a_long_string_in_small_chunks_is_scanned_once() -> None:
    element = b'{"a":"' + b'\\"' * 500_000 + b'"}'
    stream = b"[" + element + b"]"
    decoder = JsonArrayDecoder()

    elements = [
        found
        for start in range(0, len(stream), 100)
        for found in decoder.feed(stream[start : start + 100])
    ]

    assert elements == [element]
    assert decoder.closed
