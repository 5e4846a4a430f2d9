"""How callers' connections end: nobody keeps one for nothing, and no end costs an answer."""

import contextlib
import json
import re
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from running import GatewayProcess, SimulatorProcess, gateway_config

CONNECTIONS_MAX = 5
LIMITS = f"""
[limits]
header_timeout_seconds = 1
body_timeout_seconds = 1
body_bytes_max = 1000000
keep_alive_seconds = 0.5
close_timeout_seconds = 1
connections_max = {CONNECTIONS_MAX}
"""
WAIT_SECONDS_MAX = 15.0
PAUSE_SECONDS = 0.05
BODY = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}'
HEALTH = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
NOWHERE = b"POST /nowhere HTTP/1.1\r\nhost: x\r\n"
CHAT = (
    b"POST /openai/v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-test\r\n"
    b"content-type: application/json\r\n"
)


@pytest.fixture(scope="module", name="url")
def impatient_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a gateway that takes few connections and waits for nothing long."""
    folder = tmp_path_factory.mktemp("ends")
    simulator = SimulatorProcess(folder)
    simulator.start()
    config = gateway_config(folder, simulator.url)
    config.write_text(config.read_text() + LIMITS)
    gateway = GatewayProcess(config)
    try:
        gateway.start()
        yield gateway.url
        assert gateway.stop() == 0
    finally:
        gateway.kill()
        simulator.kill()
    assert no_fault(gateway.log)


def no_fault(log: Path) -> bool:
    """The gateway logged no fault of its own."""
    return not any(word in log.read_bytes() for word in (b"Traceback", b" ERROR "))


def connect(url: str) -> socket.socket:
    """A connection to the gateway."""
    place = urlsplit(url)
    return socket.create_connection((place.hostname, place.port), WAIT_SECONDS_MAX)


def read_to_end(connection: socket.socket) -> bytes:
    """All bytes until the other side closes or resets."""
    answer = b""
    with contextlib.suppress(ConnectionError):
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


def read_answer(connection: socket.socket) -> bytes:
    """One answer that tells its length."""
    answer = b""
    while True:
        head, end, body = answer.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().partition(b"content-length:")[2].split()[0]):
            return answer
        chunk = connection.recv(65536)
        assert chunk, "the gateway closed the connection"
        answer += chunk


def trickle_until_closed(connection: socket.socket, piece: bytes) -> bytes:
    """Send a piece again and again; what was answered until the connection did not take more."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    answer = b""
    connection.settimeout(PAUSE_SECONDS)
    with contextlib.suppress(ConnectionError):
        while True:
            assert time.monotonic() < deadline, f"the connection is still open after {answer!r}"
            connection.sendall(piece)
            if not answer.endswith(b"}"):
                with contextlib.suppress(TimeoutError):
                    answer += connection.recv(65536)
            else:
                time.sleep(PAUSE_SECONDS)
    return answer


EARLY = {
    "nothing-there": (NOWHERE + b"content-length: 100000\r\n\r\n", 404),
    "nothing-there-in-chunks": (NOWHERE + b"transfer-encoding: chunked\r\n\r\n186a0\r\n", 404),
    "in-time": (CHAT + b"content-length: 100000\r\n\r\n", 408),
    "too-large": (CHAT + b"content-length: 9000000\r\n\r\n", 413),
    "method": (b"POST /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100000\r\n\r\n", 405),
    "page": (b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100000\r\n\r\n", 405),
    "login": (
        b"POST /api/v1/login HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\n",
        408,
    ),
    "http-1.0": (NOWHERE.replace(b"1.1", b"1.0") + b"content-length: 100000\r\n\r\n", 404),
    "closes": (NOWHERE + b"connection: close\r\ncontent-length: 100000\r\n\r\n", 404),
}


@pytest.mark.parametrize("name", EARLY)
def test_who_is_answered_early_and_trickles_on_is_closed(url: str, name: str) -> None:
    head, status = EARLY[name]
    with connect(url) as connection:
        connection.sendall(head)

        answer = trickle_until_closed(connection, b"x")

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1") == 1
    assert b"\r\nconnection: close\r\n" in answer
    json.loads(answer.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("name", ["nothing-there", "http-1.0", "closes"])
def test_who_sends_its_whole_body_first_still_reads_the_answer(url: str, name: str) -> None:
    head, status = EARLY[name]
    with connect(url) as connection:
        connection.sendall(head)
        for _ in range(100):
            connection.sendall(b"x" * 1000)

        answer = read_to_end(connection)

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    json.loads(answer.partition(b"\r\n\r\n")[2])


def test_who_sends_more_than_a_head_may_hold_still_reads_why(url: str) -> None:
    with connect(url) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                connection.sendall(b"a" * 1000)

        answer = read_to_end(connection)

    assert answer.startswith(b"HTTP/1.1 431 ")


def test_callers_that_trickle_do_not_shut_others_out(url: str) -> None:
    with contextlib.ExitStack() as closing:
        tricklers = [closing.enter_context(connect(url)) for _ in range(CONNECTIONS_MAX)]
        for trickler in tricklers:
            trickler.sendall(NOWHERE + b"content-length: 100000\r\n\r\n")
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        served = False
        while not served:
            assert time.monotonic() < deadline, "nobody else was served"
            for trickler in tricklers:
                with contextlib.suppress(ConnectionError):
                    trickler.sendall(b"x")
            with connect(url) as connection, contextlib.suppress(ConnectionError):
                connection.sendall(HEALTH.replace(b"x\r\n", b"x\r\nconnection: close\r\n"))
                served = b" 200 " in read_to_end(connection)


def test_empty_lines_keep_no_idle_connection(url: str) -> None:
    with connect(url) as connection:
        connection.sendall(HEALTH)

        answer = trickle_until_closed(connection, b"\r\n")

    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_connection_stays_after_a_body_of_many_pieces(url: str) -> None:
    with connect(url) as connection:
        for _ in range(3):
            connection.sendall(CHAT + b"content-length: %d\r\n\r\n" % len(BODY))
            for position in range(0, len(BODY), 10):
                connection.sendall(BODY[position : position + 10])
                time.sleep(PAUSE_SECONDS / 10)

            answer = read_answer(connection)

            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"connection: close" not in answer


def test_a_request_behind_one_that_was_refused_whole_is_answered(url: str) -> None:
    with connect(url) as connection:
        connection.sendall(NOWHERE + b"content-length: 5\r\n\r\nhello" + HEALTH)

        assert read_answer(connection).startswith(b"HTTP/1.1 404 ")
        connection.sendall(HEALTH)
        assert b"HTTP/1.1 200 " in read_answer(connection)


def test_a_slow_next_head_is_told_so_after_the_answer_before_it(url: str) -> None:
    with connect(url) as connection:
        connection.sendall(CHAT + b"content-length: %d\r\n\r\n" % len(BODY) + BODY + HEALTH[:20])

        answers = read_to_end(connection)

    assert re.findall(rb"HTTP/1\.1 (\d+)", answers) == [b"200", b"408"]


@pytest.mark.parametrize(
    "broken",
    [
        b"nonsense\r\n\r\n",
        NOWHERE + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        NOWHERE.replace(b"host", b"ho_st") + b"\r\n",
        b"GET / HTTP/1.1\r\nx",
    ],
    ids=["no-http", "no-chunk", "no-header", "no-end"],
)
def test_a_fault_is_told_after_the_answers_before_it(url: str, broken: bytes) -> None:
    chat = CHAT + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
    with connect(url) as connection:
        connection.sendall(chat + chat + broken)

        answers = read_to_end(connection)

    told = re.findall(rb"HTTP/1\.1 (\d+)", answers)
    assert told[:2] == [b"200", b"200"]
    assert told[2:] in ([b"400"], [b"408"])


@pytest.mark.parametrize("endless", [b"x-more: " + b"a" * 8000 + b"\r\n", b"a" * 8000])
def test_trailers_without_end_are_refused(url: str, endless: bytes) -> None:
    with connect(url) as connection:
        connection.sendall(CHAT + b"transfer-encoding: chunked\r\n\r\n")
        connection.sendall(b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY))
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                connection.sendall(endless)

        answer = read_to_end(connection)

    assert answer.startswith(b"HTTP/1.1 431 ")


def test_requests_without_end_are_not_all_kept(url: str) -> None:
    chat = CHAT + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
    with connect(url) as connection:
        connection.sendall(chat + HEALTH * 1000)

        answers = read_to_end(connection)

    told = re.findall(rb"HTTP/1\.1 (\d+)", answers)
    assert told[:2] == [b"200", b"200"]
    assert set(told[:-1]) == {b"200"}
    assert told[-1] == b"503"
    assert b'"code":"too_many_pipelined"' in answers


def test_a_caller_that_leaves_amid_its_login_is_no_fault(url: str) -> None:
    """The log is looked at when the gateway has stopped."""
    with connect(url) as connection:
        connection.sendall(EARLY["login"][0] + b"{")
        time.sleep(PAUSE_SECONDS)


@pytest.mark.parametrize(
    ("coding", "status"),
    [
        (b"gzip, chunked", 400),
        (b"gzip\r\ntransfer-encoding: chunked", 400),
        (b"Chunked", 200),
    ],
)
def test_a_body_coded_otherwise_than_in_chunks_is_refused(
    url: str, coding: bytes, status: int
) -> None:
    with connect(url) as connection:
        connection.sendall(
            CHAT + b"transfer-encoding: " + coding + b"\r\nconnection: close\r\n\r\n"
            b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
        )

        assert read_to_end(connection).startswith(b"HTTP/1.1 %d " % status)


def test_trailers_name_nobody(url: str) -> None:
    with connect(url) as connection:
        connection.sendall(
            CHAT + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
            b"%x\r\n%b\r\n0\r\nx-agent-id: told.by-trailer\r\n\r\n" % (len(BODY), BODY)
        )
        assert read_to_end(connection).startswith(b"HTTP/1.1 200 ")

    with urllib.request.urlopen(f"{url}/metrics") as response:
        shown = response.read()
    assert b'agent_id="unknown"' in shown
    assert b"trailer" not in shown
