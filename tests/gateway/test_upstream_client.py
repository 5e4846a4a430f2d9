"""The client towards the providers, over real sockets: connections kept, bounded, and given up."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from modelmeter.errors import UpstreamError
from modelmeter.gateway.upstream import UpstreamRequest
from modelmeter.gateway.upstream_client import UpstreamClient
from modelmeter.settings.limits import Limits

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
WAIT_SECONDS = 10


@asynccontextmanager
async def provider(handler: Handler) -> AsyncIterator[str]:
    """A provider that treats every connection as ``handler`` does; its address."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@asynccontextmanager
async def client(**limits: float) -> AsyncIterator[UpstreamClient]:
    """A client; its connections end with the block."""
    one = UpstreamClient(Limits.model_validate(limits))
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            yield one
    finally:
        await one.close()


async def body_of(one: UpstreamClient, url: str, method: str = "POST") -> bytes:
    """A whole answer's body."""
    answer = await one.send(UpstreamRequest(method, url, [(b"x-a", b"b")], b"{}"))
    body = b""
    while chunk := await answer.read():
        body += chunk
    answer.close()
    return body


class Counting:
    """Answers every request alike, and counts connections and requests."""

    def __init__(self, answer: bytes = ANSWER, *, closes: bool = False) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self._answer = answer
        self._closes = closes

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(2 if b"POST" in head else 0)
                self.requests.append(head)
                writer.write(self._answer)
                if self._closes:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()


async def test_a_connection_carries_one_call_after_the_other() -> None:
    handler = Counting()
    async with provider(handler) as url, client() as one:
        for _ in range(5):
            assert await body_of(one, f"{url}/v1/chat?x=1") == b"hello"

    assert (handler.connections, len(handler.requests)) == (1, 5)
    host = url.removeprefix("http://").encode()
    assert handler.requests[0] == (
        b"POST /v1/chat?x=1 HTTP/1.1\r\nhost: " + host + b"\r\ncontent-length: 2\r\nx-a: b\r\n\r\n"
    )


async def test_a_provider_that_announces_to_close_gets_a_new_connection() -> None:
    handler = Counting(ANSWER.replace(b"\r\n", b"\r\nconnection: close\r\n", 1), closes=True)
    async with provider(handler) as url, client() as one:
        for _ in range(3):
            assert await body_of(one, f"{url}/a") == b"hello"

    assert handler.connections == 3


@pytest.mark.parametrize("surplus", [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", b"x"])
async def test_bytes_after_an_answer_reach_no_other_call(surplus: bytes) -> None:
    handler = Counting(ANSWER + surplus)
    async with provider(handler) as url, client() as one:
        for _ in range(3):
            assert await body_of(one, f"{url}/a") == b"hello"

    assert handler.connections == 3


async def test_an_answer_left_unread_costs_its_connection() -> None:
    handler = Counting(b"HTTP/1.1 200 OK\r\ncontent-length: 500000\r\n\r\nstart")
    async with provider(handler) as url, client() as one:
        answer = await one.send(UpstreamRequest("POST", f"{url}/a", [], b"{}"))
        assert await answer.read() == b"start"
        answer.close()
        again = await one.send(UpstreamRequest("POST", f"{url}/a", [], b"{}"))
        again.close()

    assert handler.connections == 2


async def test_calls_beyond_the_bound_wait_for_a_connection() -> None:
    handler = Counting()
    async with provider(handler) as url, client(upstream_connections_max=3) as one:
        answers = await asyncio.gather(*(body_of(one, f"{url}/a") for _ in range(40)))

    assert answers == [b"hello"] * 40
    assert handler.connections <= 3


async def test_a_call_given_up_while_it_waits_gives_its_place_back() -> None:
    silent = asyncio.Event()

    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    async with provider(say_nothing) as url, client(upstream_connections_max=1) as one:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await one.send(UpstreamRequest("POST", f"{url}/a", [], b"{}"))
        handler = Counting()
        async with provider(handler) as other:
            assert await body_of(one, f"{other}/a") == b"hello"
        silent.set()


async def test_an_unreachable_provider_saw_no_request() -> None:
    async with provider(Counting()) as url:
        pass
    async with client() as one:
        with pytest.raises(UpstreamError) as refused:
            await one.send(UpstreamRequest("POST", f"{url}/a", [], b"{}"))
        with pytest.raises(UpstreamError) as unknown:
            await one.send(UpstreamRequest("POST", "http://host.invalid/a", [], b"{}"))

    assert (refused.value.sent, unknown.value.sent) == (False, False)


async def test_a_slow_reader_slows_the_provider() -> None:
    written = 0
    stopped = asyncio.Event()

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            for _ in range(2000):
                writer.write(bytes(64 * 1024))
                async with asyncio.timeout(0.5):
                    await writer.drain()
                written += 64 * 1024
        except TimeoutError:
            stopped.set()
        except ConnectionError:
            pass
        writer.transport.abort()

    async with provider(pour) as url, client() as one:
        answer = await one.send(UpstreamRequest("POST", f"{url}/a", [], b"{}"))
        await stopped.wait()
        held = len(await answer.read())
        answer.close()

    assert written < 64 * 1024 * 1000
    assert held < 1024 * 1024


async def test_no_header_can_begin_a_request_of_its_own() -> None:
    handler = Counting()
    async with provider(handler) as url, client() as one:
        for value in (b"a\r\nevil: 1", b"a\nevil: 1"):
            with pytest.raises(UpstreamError) as refused:
                await one.send(UpstreamRequest("POST", f"{url}/a", [(b"x-a", value)], b"{}"))
            assert not refused.value.sent

    assert handler.requests == []


async def test_an_answer_to_head_is_complete_without_a_body() -> None:
    handler = Counting(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n")
    async with provider(handler) as url, client() as one:
        answer = await one.send(UpstreamRequest("HEAD", f"{url}/a", [], b""))
        assert await answer.read() == b""
        answer.close()


async def test_only_a_certificate_of_a_trusted_authority_is_spoken_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server_side)
    handler = Counting()
    server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=server_side)
    url = f"https://localhost:{server.sockets[0].getsockname()[1]}/a"
    trusted = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(trusted)

    async with client() as one:
        with pytest.raises(UpstreamError) as refused:
            await one.send(UpstreamRequest("POST", url, [], b"{}"))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    async with client() as one:
        assert await body_of(one, url) == b"hello"
        by_number = UpstreamRequest("POST", url.replace("localhost", "127.0.0.1"), [], b"{}")
        with pytest.raises(UpstreamError):
            await one.send(by_number)
    server.close()

    assert not refused.value.sent
    assert len(handler.requests) == 1
