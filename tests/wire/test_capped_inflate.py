"""Decompression: right at any split, and stopped at its caps."""

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_cases import CUTS, pieces

from modelmeter.errors import WireError, WireFormatError, WireLimitError
from modelmeter.wire.inflate import CappedInflater


def raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


def identity(body: bytes) -> bytes:
    return body


ENCODERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("X-Gzip", gzip.compress),
    (" deflate ", zlib.compress),
    ("deflate", raw_deflate),
    ("identity", identity),
    ("", identity),
]


@given(st.binary(max_size=300), st.sampled_from(ENCODERS), CUTS)
def test_a_body_comes_out_at_any_split(
    body: bytes, encoder: tuple[str, Callable[[bytes], bytes]], cuts: list[int]
) -> None:
    encoding, encode = encoder
    inflater = CappedInflater(encoding)

    assert b"".join(inflater.feed(chunk) for chunk in pieces(encode(body), cuts)) == body


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=4), st.integers(0, 9), CUTS)
def test_all_members_of_a_gzip_body_come_out(
    bodies: list[bytes], padding: int, cuts: list[int]
) -> None:
    inflater = CappedInflater("gzip")
    stream = b"".join(map(gzip.compress, bodies)) + b"\0" * padding

    assert b"".join(map(inflater.feed, pieces(stream, cuts))) == b"".join(bodies)


@given(
    st.binary(max_size=200),
    st.sampled_from(["gzip", "deflate", "identity"]),
    CUTS,
    st.integers(1, 300),
)
def test_any_bytes_give_at_most_the_cap_and_fail_once(
    stream: bytes, encoding: str, cuts: list[int], cap: int
) -> None:
    inflater = CappedInflater(encoding, cap)
    output, failures = 0, 0

    for chunk in [*pieces(stream, cuts), stream]:
        try:
            output += len(inflater.feed(chunk))
        except WireError:
            failures += 1

    assert output <= cap
    assert failures <= 1


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity"])
def test_the_cap_holds_to_the_byte(encoding: str) -> None:
    body = bytes(range(200))
    encode = dict(ENCODERS)[encoding]

    assert CappedInflater(encoding, 200).feed(encode(body)) == body
    with pytest.raises(WireLimitError):
        CappedInflater(encoding, 199).feed(encode(body))


def test_a_bomb_stops_at_the_ratio_long_before_the_cap() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000, 9)
    inflater = CappedInflater("gzip", 2**40, 200)

    with pytest.raises(WireLimitError, match="200 times"):
        inflater.feed(bomb[:2000])


def test_a_small_body_of_blanks_is_no_bomb() -> None:
    body = b" " * 60_000

    assert CappedInflater("gzip", 2**20, 2).feed(gzip.compress(body)) == body


def test_many_empty_members_cost_no_more_than_their_bytes() -> None:
    stream = gzip.compress(b"") * 50_000 + gzip.compress(b"end")

    assert CappedInflater("gzip").feed(stream) == b"end"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"plain text"),
        ("gzip", gzip.compress(b"a", mtime=0) + b"junk after it"),
        ("deflate", b"\xff\xff\xff\xff"),
        ("deflate", zlib.compress(b"a") + b"junk after it"),
    ],
)
def test_what_is_not_of_its_encoding_is_refused(encoding: str, body: bytes) -> None:
    with pytest.raises(WireFormatError):
        CappedInflater(encoding).feed(body)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "x"])
def test_an_unknown_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(WireFormatError):
        CappedInflater(encoding)
