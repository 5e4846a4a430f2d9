"""Callers that come in too great a number, close half, or vanish: nothing leaks, health answers."""

import contextlib
import json
import socket
import struct
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from gateway_under_test import LIMITS, UnderTest, under_test
from ledger_file import query
from prometheus_server import free_port
from running import GatewayProcess, SimulatorProcess, gateway_config

_FIXTURES = under_test

CONNECTIONS_MAX = 8
WAIT_SECONDS_MAX = 10.0
BODY = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}'
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def request(request_id: bytes, *headers: bytes, host: bytes = b"gateway") -> bytes:
    """A chat completion, raw."""
    extra = b"".join(header + b"\r\n" for header in headers)
    return (
        b"POST /openai/v1/chat/completions HTTP/1.1\r\nhost: " + host + b"\r\n"
        b"content-type: application/json\r\nauthorization: Bearer sk-test\r\n"
        b"x-request-id: " + request_id + b"\r\ncontent-length: %d\r\n" % len(BODY)
        + extra + b"\r\n" + BODY
    )  # fmt: skip


def connect(url: str) -> socket.socket:
    """A connection to the gateway."""
    place = urlsplit(url)
    return socket.create_connection((place.hostname, place.port), WAIT_SECONDS_MAX)


def read_to_end(connection: socket.socket) -> bytes:
    """All bytes until the other side closes."""
    answer = b""
    while chunk := connection.recv(65536):
        answer += chunk
    return answer


def wait_for(condition: Callable[[], bool]) -> None:
    """Poll until it holds, within a bound."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.02)


@pytest.fixture(name="crowded")
def crowded_gateway(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of a gateway that takes few connections, and that of its health."""
    simulator = SimulatorProcess(tmp_path)
    simulator.start()
    health = f"127.0.0.1:{free_port()}"
    config = gateway_config(tmp_path, simulator.url, extra=f'health_listen = "{health}"')
    config.write_text(config.read_text() + LIMITS + f"connections_max = {CONNECTIONS_MAX}\n")
    gateway = GatewayProcess(config)
    try:
        gateway.start()
        yield gateway.url, f"http://{health}"
        assert gateway.stop() == 0
    finally:
        gateway.kill()
        simulator.kill()


def test_beyond_the_cap_callers_are_refused_and_health_still_answers(
    crowded: tuple[str, str],
) -> None:
    url, health = crowded
    with contextlib.ExitStack() as closing:
        held = [closing.enter_context(connect(url)) for _ in range(CONNECTIONS_MAX)]
        for connection in held:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        one_more = closing.enter_context(connect(url))

        answer = read_to_end(one_more)

        assert answer.startswith(b"HTTP/1.1 503 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == (
            "too_many_connections"
        )
        for path in ("/healthz", "/readyz"):
            with urllib.request.urlopen(f"{health}{path}") as response:
                assert response.status == 200
    with connect(url) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert b'"alive"' in read_to_end(connection)
    with urllib.request.urlopen(f"{url}/metrics") as response:
        assert b'refused_requests_total{code="too_many_connections",' in response.read()


@pytest.mark.parametrize("path", ["/metrics", "/openai/v1/models", "/"])
def test_the_address_of_health_serves_nothing_else(crowded: tuple[str, str], path: str) -> None:
    _, health = crowded
    with connect(health) as connection:
        connection.sendall(
            b"GET " + path.encode() + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        )

        assert read_to_end(connection).startswith(b"HTTP/1.1 404 ")


def test_a_caller_that_closes_its_half_leaves_a_settled_call(under_test: UnderTest) -> None:
    with connect(under_test.gateway) as connection:
        connection.sendall(request(b"half-close-1"))
        connection.shutdown(socket.SHUT_WR)
        read_to_end(connection)

        wait_for(lambda: len(under_test.entries("half-close-1")) == 1)

    ((status, _, _, _, _),) = under_test.entries("half-close-1")
    assert status in ("success", "cancelled")
    assert query(under_test.ledger, "SELECT count(*) FROM open_call") == [(0,)]


def test_a_caller_that_vanishes_within_its_request_leaves_nothing(under_test: UnderTest) -> None:
    served = f"{under_test.simulator}/simulator/served"
    with urllib.request.urlopen(served) as response:
        before = json.load(response)["served"]
    with connect(under_test.gateway) as connection:
        connection.sendall(request(b"reset-1")[:-10])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    with connect(under_test.gateway) as connection:
        connection.sendall(request(b"after-reset-1", b"connection: close"))
        assert read_to_end(connection).startswith(b"HTTP/1.1 200 ")

    with urllib.request.urlopen(served) as response:
        assert json.load(response)["served"] == before + 1
    assert under_test.entries("reset-1") == []


@pytest.mark.parametrize("host", [b"a/?x", b"a#", b"169.254.169.254", b"h" * 10_000])
def test_the_host_header_decides_nothing(under_test: UnderTest, host: bytes) -> None:
    request_id = b"host-%d" % len(host)
    with connect(under_test.gateway) as connection:
        connection.sendall(request(request_id, b"connection: close", host=host))

        answer = read_to_end(connection)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"169.254" not in answer
    assert [entry[0] for entry in under_test.entries(request_id.decode())] == ["success"]
