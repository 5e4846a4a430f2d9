"""Callers that read slowly: the provider is made to wait, memory stays small."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from ledger_file import check_ledger, query
from odd_upstream import OddUpstream, usual
from polling import wait_until
from running import GatewayProcess

MIB = 2**20
EVENT = (
    b'data: {"id":"c","object":"chat.completion.chunk","model":"gpt-4o-mini",'
    b'"choices":[{"index":0,"delta":{"content":"' + b"x" * 65_000 + b'"}}]}\n\n'
)
EVENTS = 1024
LAST = (
    b'data: {"id":"c","object":"chat.completion.chunk","model":"gpt-4o-mini","choices":[],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":16640,"total_tokens":16649}}\n\n'
    b"data: [DONE]\n\n"
)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
HELD_BYTES_MAX = 16 * MIB
"""In the sockets' buffers of both sides and in the gateway together."""
GROWTH_BYTES_MAX = 48 * MIB
WAIT_SECONDS_MAX = 30.0


class Flood:
    """An upstream behaviour: 64 MiB of events as fast as they are taken."""

    def __init__(self) -> None:
        self.sent = 0
        self.over = threading.Event()

    def __call__(self, connection: socket.socket) -> bool:
        self.sent = 0
        self.over.clear()
        try:
            connection.sendall(HEAD)
            for _ in range(EVENTS):
                connection.sendall(EVENT)
                self.sent += len(EVENT)
            connection.sendall(LAST)
        finally:
            self.over.set()
        return False

    def settled(self) -> int:
        """What was sent when nothing more is taken."""
        before = -1
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while self.sent != before or not before:
            assert time.monotonic() < deadline
            before = self.sent
            time.sleep(0.3)
        return before


class Setting:
    """A gateway before a flood."""

    def __init__(self, gateway: GatewayProcess, flood: Flood, ledger: Path) -> None:
        self.flood = flood
        self._gateway = gateway
        self._ledger = ledger

    def connection(self) -> socket.socket:
        """A connection on which little can wait to be read."""
        place = urlsplit(self._gateway.url)
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.settimeout(WAIT_SECONDS_MAX)
        connection.connect((place.hostname, place.port))
        return connection

    def call(self, request_id: str, *, door: str = "openai/v1") -> socket.socket:
        """A connection on which a stream was asked for, and nothing read."""
        connection = self.connection()
        body = json.dumps(
            {
                "model": "gpt-4o-mini",
                "user": "flood",
                "stream": True,
                "stream_options": {"include_usage": True},
                "messages": [{"role": "user", "content": "hi"}],
            }
        ).encode()
        connection.sendall(
            b"POST /%b/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
            b"authorization: Bearer sk-test\r\ncontent-type: application/json\r\n"
            b"x-request-id: %b\r\ncontent-length: %d\r\n\r\n%b"
            % (door.encode(), request_id.encode(), len(body), body)
        )
        return connection

    @property
    def log(self) -> bytes:
        """What the gateway has logged."""
        return self._gateway.log.read_bytes()

    def resident(self) -> int:
        """The gateway's memory in bytes."""
        assert self._gateway.process is not None
        status = Path(f"/proc/{self._gateway.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def sockets(self) -> int:
        """How many sockets the gateway has open."""
        assert self._gateway.process is not None
        found = 0
        for descriptor in Path(f"/proc/{self._gateway.process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found += str(descriptor.readlink()).startswith("socket:")
        return found

    def entry(self, request_id: str) -> tuple[object, ...]:
        """Status, cost state and output tokens of a call, as soon as it has ended."""
        found = eventually(
            lambda: query(
                self._ledger,
                "SELECT status, cost_state, tokens_output > 0 FROM entry"
                f" WHERE request_id = '{request_id}'",
            )
        )
        return found[0]


def eventually(look: Callable[[], list[tuple[object, ...]]]) -> list[tuple[object, ...]]:
    """The first answer that is not empty."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@pytest.fixture(name="start")
def gateway_before_a_flood(tmp_path: Path) -> Iterator[Callable[[float], Setting]]:
    flood = Flood()
    upstream = OddUpstream({"flood": flood, "usual": usual})
    gateways = []

    def start(idle_seconds: float) -> Setting:
        config = tmp_path / "gateway.toml"
        config.write_text(
            f'listen = "127.0.0.1:0"\nledger = "{tmp_path / "ledger.db"}"\n'
            f'[providers.openai]\nbase_url = "{upstream.url}"\n'
            f"[limits]\nupstream_idle_timeout_seconds = {idle_seconds}\n"
            "close_timeout_seconds = 1\nkeep_alive_seconds = 1\n"
        )
        gateway = GatewayProcess(config)
        gateways.append(gateway)
        gateway.start()
        return Setting(gateway, flood, tmp_path / "ledger.db")

    try:
        yield start
        assert [gateway.stop() for gateway in gateways] == [0]
    finally:
        for gateway in gateways:
            gateway.kill()
        upstream.close()
    assert query(tmp_path / "ledger.db", "SELECT count(*) FROM open_call") == [(0,)]
    check_ledger(tmp_path / "ledger.db")


def test_a_caller_that_pauses_makes_the_provider_wait_and_gets_everything(
    start: Callable[[float], Setting],
) -> None:
    setting = start(WAIT_SECONDS_MAX)
    before = setting.resident()

    with setting.call("pauses") as connection:
        held = setting.flood.settled()
        grown = setting.resident() - before
        received = 0
        tail = b""
        while chunk := connection.recv(MIB):
            received += len(chunk)
            tail = (tail + chunk)[-1000:]

    assert held < HELD_BYTES_MAX
    assert grown < GROWTH_BYTES_MAX
    assert received > EVENTS * len(EVENT)
    assert b"data: [DONE]" in tail
    assert setting.entry("pauses") == ("success", "priced", 1)


@pytest.mark.parametrize("door", ["openai/v1", "v1"])
def test_a_caller_that_never_reads_is_cut_and_pays_for_what_was_made(
    start: Callable[[float], Setting], door: str
) -> None:
    setting = start(1.0)
    before, sockets = setting.resident(), setting.sockets()

    with setting.call("never-reads", door=door):
        assert setting.entry("never-reads") == ("cancelled", "estimated", 1)
        assert setting.resident() - before < GROWTH_BYTES_MAX
        assert setting.flood.over.wait(WAIT_SECONDS_MAX)
        assert setting.flood.sent < HELD_BYTES_MAX
        assert eventually(lambda: [(1,)] if setting.sockets() == sockets else [])
    wait_until(lambda: b"was cut: caller_too_slow" in setting.log)
    assert setting.log.count(b"was cut") == 1
    assert b" ERROR " not in setting.log


def test_a_caller_that_reads_none_of_the_gateways_own_answers_is_closed(
    start: Callable[[float], Setting],
) -> None:
    setting = start(1.0)
    before = setting.sockets()
    request = b"GET /openapi.json HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"

    with setting.connection() as connection:
        connection.sendall(request)

        def asks_more_until_closed() -> list[tuple[object, ...]]:
            with contextlib.suppress(OSError):
                connection.send(request * 50, socket.MSG_DONTWAIT)
            return [] if setting.sockets() > before else [(1,)]

        wait_until(lambda: setting.sockets() > before)
        assert eventually(asks_more_until_closed)
