"""Time from a streamed call's request to the first byte of its first event, on one connection."""

import socket
import statistics
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from bench.load import BODY, COMMON_HEADERS
from bench.processes import BenchError

__all__ = ["StreamSample", "measure"]

ANSWER_SECONDS_MAX = 30.0
"""Longest wait for any part of an answer."""

ANSWER_BYTES_MAX = 1 << 20
"""Longest answer that is read."""

RECEIVE_BYTES = 1 << 16
LAST_CHUNK = b"0\r\n\r\n"
LAST_EVENT = b"data: [DONE]"


class StreamSample(msgspec.Struct, frozen=True):
    """What one run of streamed calls saw."""

    streams: int
    p50_ms: float
    """Median time to the first event's first byte."""


def _request(url: str, headers: Mapping[str, str]) -> bytes:
    parts = urlsplit(url)
    body = msgspec.json.encode(
        {**msgspec.json.decode(BODY, type=dict[str, object]), "stream": True}
    )
    fields = {"host": parts.netloc, "content-length": str(len(body)), **COMMON_HEADERS, **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {parts.path} HTTP/1.1\r\n{head}\r\n".encode() + body


def _one_stream(connection: socket.socket, request: bytes) -> float:
    """Send a request and read its whole answer; the seconds to the first event's first byte."""
    started = time.perf_counter()
    connection.sendall(request)
    received = b""
    first_byte_seconds = 0.0
    while not received.endswith(LAST_CHUNK):
        part = connection.recv(RECEIVE_BYTES)
        now = time.perf_counter()
        received += part
        if not part or len(received) > ANSWER_BYTES_MAX:
            raise BenchError(f"a stream was cut short or has no end: {received[:200]!r}")
        if not first_byte_seconds and b"\r\n\r\n" in received:
            head, _, body = received.partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200") or b"chunked" not in head.lower():
                raise BenchError(f"a stream was refused: {received[:300]!r}")
            first_byte_seconds = now - started if b"data:" in body else 0.0
    if not first_byte_seconds or LAST_EVENT not in received:
        raise BenchError(f"a stream has no events or no end: {received[-200:]!r}")
    return first_byte_seconds


def measure(url: str, headers: Mapping[str, str], seconds: float) -> StreamSample:
    """
    One streamed call after the other for ``seconds``, on one kept-alive connection.

    Raises:
        BenchError: an answer was not a complete event stream.
    """
    parts = urlsplit(url)
    if parts.hostname is None or parts.port is None:
        raise BenchError(f"no host and port in {url}")
    request = _request(url, headers)
    delays: list[float] = []
    address = (parts.hostname, parts.port)
    with socket.create_connection(address, ANSWER_SECONDS_MAX) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline or not delays:
            delays.append(_one_stream(connection, request))
    return StreamSample(len(delays), statistics.median(delays) * 1e3)
