"""HTTP answers: the same at any split, whole or an error, and never two for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_cases import CUTS, pieces

from modelmeter.errors import WireError, WireFormatError
from modelmeter.wire.http_answer import HttpAnswer

HEAD_BYTES_MAX = 2000
BODY = b"0123456789" * 30
WITH_LENGTH = b"HTTP/1.1 200 OK\r\nX-One: 1\r\nContent-Length: 300\r\n\r\n" + BODY
CHUNKED = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    b"64\r\n" + BODY[:100] + b"\r\nc8\r\n" + BODY[100:] + b"\r\n0\r\nx-trailer: 1\r\n\r\n"
)
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\nx-one: 1\r\n\r\n" + BODY
ANNOUNCED = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
ANSWERS = {
    "with a length": WITH_LENGTH,
    "chunked": CHUNKED,
    "until closed": UNTIL_CLOSED,
    "announced": ANNOUNCED + WITH_LENGTH,
}


def outcome(chunks: list[bytes], *, without_body: bool = False) -> tuple[object, ...]:
    """All that is to be seen of an answer."""
    answer = HttpAnswer(head_bytes_max=HEAD_BYTES_MAX, without_body=without_body)
    body = b""
    failure = None
    try:
        for chunk in chunks:
            answer.feed(chunk)
            body += answer.take()
        keeps_alive = answer.keeps_alive
        answer.close()
    except WireError as error:
        body += answer.take()
        keeps_alive = answer.keeps_alive
        failure = error.code
    return answer.status, answer.headers, body, answer.ended, keeps_alive, failure


@pytest.mark.parametrize("name", ANSWERS)
@given(cuts=CUTS)
def test_an_answer_is_the_same_at_any_split(name: str, cuts: list[int]) -> None:
    status, headers, body, ended, keeps_alive, failure = outcome(pieces(ANSWERS[name], cuts))

    assert (status, body, ended, failure) == (200, BODY, True, None)
    assert isinstance(headers, list)
    assert (b"link", b"</a>") not in headers
    assert (b"x-trailer", b"1") not in headers
    assert keeps_alive == (name != "until closed")


@pytest.mark.parametrize("name", ["with a length", "chunked", "announced"])
def test_an_answer_cut_anywhere_is_never_taken_for_whole(name: str) -> None:
    whole = ANSWERS[name]
    for end in range(len(whole)):
        _, _, _, ended, _, failure = outcome([whole[:end]])
        assert (ended, failure) == (False, "wire_format")


def test_a_connection_that_breaks_ends_no_answer() -> None:
    answer = HttpAnswer(head_bytes_max=HEAD_BYTES_MAX)
    answer.feed(UNTIL_CLOSED)

    with pytest.raises(WireFormatError):
        answer.close(broken=True)


@pytest.mark.parametrize(
    "surplus", [b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b"x", b"\x00"]
)
def test_a_second_answer_ends_the_connection(surplus: bytes) -> None:
    status, _, body, ended, keeps_alive, failure = outcome([WITH_LENGTH + surplus])

    assert (status, body, ended) == (200, BODY, True)
    assert (keeps_alive, failure) == (False, "wire_format")


def test_an_answer_to_head_has_no_body() -> None:
    head = WITH_LENGTH.removesuffix(BODY)

    assert outcome([head], without_body=True)[2:] == (b"", True, False, None)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nname : value\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
def test_what_two_readers_could_read_differently_is_refused(head: bytes) -> None:
    *_, keeps_alive, failure = outcome([head + b"hello"])

    assert (keeps_alive, failure) == (False, "wire_format")


@pytest.mark.parametrize("split", [7, 100_000])
def test_a_head_has_a_bound(split: int) -> None:
    head = b"HTTP/1.1 200 OK\r\n" + b"x-a: aaaaaaaaaa\r\n" * 1000
    chunks = [head[start : start + split] for start in range(0, len(head), split)]

    _, headers, _, _, _, failure = outcome(chunks)

    assert failure in ("wire_limit", "wire_format")
    assert isinstance(headers, list)
    assert sum(len(name) + len(value) for name, value in headers) <= HEAD_BYTES_MAX


@given(st.binary(max_size=300), CUTS)
def test_any_bytes_end_in_an_answer_or_an_error(data: bytes, cuts: list[int]) -> None:
    *_, ended, _, failure = outcome(pieces(b"HTTP/1.1 " + data, cuts))

    assert ended or failure is not None
