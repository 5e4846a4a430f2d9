"""Callers that offer to go on in another protocol: Java's default client, curl --http2."""

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from gateway_under_test import UnderTest, under_test

_FIXTURES = under_test

WAIT_SECONDS_MAX = 10.0
BODY = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}'
CHUNKED_BODY = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (10, BODY[:10], len(BODY) - 10, BODY[10:])
H2C = (
    b"connection: Upgrade, HTTP2-Settings\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
    b"upgrade: h2c\r\n"
)

WEBSOCKET = b"connection: Upgrade\r\nupgrade: WebSocket\r\nsec-websocket-version: 13\r\n\r\n"


def request(request_id: bytes, *, offer: bytes = H2C, body: bytes = BODY) -> bytes:
    """A chat completion, raw, with its length or in chunks."""
    length = b"content-length: %d\r\n" % len(body)
    if body is CHUNKED_BODY:
        length = b"transfer-encoding: chunked\r\n"
    return (
        b"POST /openai/v1/chat/completions HTTP/1.1\r\nhost: gateway\r\n"
        b"content-type: application/json\r\nauthorization: Bearer sk-test\r\n"
        b"x-request-id: " + request_id + b"\r\n" + offer + length + b"\r\n" + body
    )


def answers(connection: socket.socket, count: int) -> Iterator[tuple[int, bytes]]:
    """Status and body of so many answers that tell their length."""
    seen = b""
    for _ in range(count):
        while b"\r\n\r\n" not in seen:
            seen += _more(connection)
        head, _, seen = seen.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(seen) < length:
            seen += _more(connection)
        yield int(head.split(b" ", 2)[1]), seen[:length]
        seen = seen[length:]


def _more(connection: socket.socket) -> bytes:
    chunk = connection.recv(65536)
    assert chunk, "the gateway closed the connection"
    return chunk


def connect(under_test: UnderTest) -> socket.socket:
    """A connection to the gateway, each of whose sends is a packet of its own."""
    place = urlsplit(under_test.gateway)
    connection = socket.create_connection((place.hostname, place.port), WAIT_SECONDS_MAX)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


@pytest.mark.parametrize("body", [BODY, CHUNKED_BODY], ids=["length", "chunks"])
@pytest.mark.parametrize(
    "offer", [H2C, H2C.replace(b"h2c", b"TLS/1.0, IRC/6.9")], ids=["h2c", "others"]
)
def test_an_offer_is_ignored_and_the_body_read(
    under_test: UnderTest, offer: bytes, body: bytes
) -> None:
    request_id = b"offer-%d-%d" % (len(offer), len(body))
    with connect(under_test) as connection:
        connection.sendall(request(request_id, offer=offer, body=body) * 3)

        answered = list(answers(connection, 3))

        assert [status for status, _ in answered] == [200, 200, 200]
        connection.sendall(request(request_id, offer=b"") + request(request_id, body=body))
        assert [status for status, _ in answers(connection, 2)] == [200, 200]
    assert [entry[0] for entry in under_test.entries(request_id.decode())] == ["success"] * 5


@pytest.mark.parametrize("body", [BODY, CHUNKED_BODY], ids=["length", "chunks"])
def test_where_the_request_is_cut_into_packets_makes_no_difference(
    under_test: UnderTest, body: bytes
) -> None:
    whole = request(b"cut-anywhere", body=body)
    with connect(under_test) as connection:
        for cut in range(1, len(whole)):
            connection.sendall(whole[:cut])
            connection.sendall(whole[cut:])

            ((status, answer),) = answers(connection, 1)

            assert (status, json.loads(answer)["object"]) == (200, "chat.completion"), cut


def test_a_request_that_comes_byte_by_byte_is_read(under_test: UnderTest) -> None:
    whole = request(b"byte-by-byte", body=CHUNKED_BODY)
    with connect(under_test) as connection:
        for position in range(len(whole)):
            connection.sendall(whole[position : position + 1])

        ((status, _),) = answers(connection, 1)

    assert status == 200


def test_one_that_waits_to_be_told_to_go_on_is_told(under_test: UnderTest) -> None:
    head, _, body = request(b"expects", offer=H2C + b"expect: 100-continue\r\n").partition(
        b"\r\n\r\n"
    )
    with connect(under_test) as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)

        ((status, _),) = answers(connection, 1)

    assert status == 200


@pytest.mark.parametrize(
    ("offer", "status"),
    [
        (H2C + b"x_agent: a\r\n", 400),
        (H2C + b"host: other\r\n", 400),
        (H2C + b"content-length: 3\r\n", 400),
        (H2C + b"x-long: " + b"a" * 70_000 + b"\r\n", 431),
        (H2C.replace(b"h2c", b"h" * 70_000), 431),
        (H2C + b"x-more: 1\r\n" * 100, 431),
    ],
    ids=["underscore", "two-hosts", "two-lengths", "long-header", "long-offer", "many-headers"],
)
def test_an_offer_lets_no_broken_head_pass(
    under_test: UnderTest, offer: bytes, status: int
) -> None:
    with connect(under_test) as connection:
        connection.sendall(request(b"broken", offer=offer))

        ((answered, _),) = answers(connection, 1)

    assert answered == status


@pytest.mark.parametrize(
    "head",
    [
        b"GET /openai/v1/realtime HTTP/1.1\r\nhost: x\r\n" + WEBSOCKET,
        b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c, websocket\r\n\r\n",
        b"CONNECT 169.254.169.254:80 HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
    ids=["websocket", "websocket-among-others", "connect"],
)
def test_a_tunnel_is_refused_and_the_connection_closed(under_test: UnderTest, head: bytes) -> None:
    with connect(under_test) as connection:
        connection.sendall(head + b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")

        ((status, body),) = answers(connection, 1)

        assert status == 501
        assert json.loads(body)["error"]["code"] == "upgrade_unsupported"
        assert connection.recv(65536) == b""
