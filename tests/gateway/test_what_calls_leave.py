"""What served calls leave in memory: nothing that only the garbage collector could find."""

import asyncio
import gc

from modelmeter.gateway.asgi import Receive, Scope, Send
from modelmeter.gateway.client_side import ClientSide
from modelmeter.gateway.refusals import EarlyRefusals, RefusalCounts
from modelmeter.gateway.server import bind, run_server
from modelmeter.gateway.upstream import UpstreamRequest
from modelmeter.gateway.upstream_client import UpstreamClient
from modelmeter.settings.limits import Limits

CALLS = 50
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"


async def provider(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers every request alike."""
    try:
        while True:
            await reader.readuntil(b"{}")
            writer.write(ANSWER)
    except asyncio.IncompleteReadError:
        writer.close()


async def test_a_call_leaves_nothing_to_the_garbage_collector() -> None:
    limits = Limits()
    upstream = UpstreamClient(limits)
    server = await asyncio.start_server(provider, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"

    async def relayed(scope: Scope, receive: Receive, send: Send) -> None:
        client = ClientSide(scope, receive, send)
        body = await client.read_body(bytes_max=100, timeout_seconds=5)
        answer = await upstream.send(UpstreamRequest("POST", url, [], body))
        said = await answer.read()
        answer.close()
        if not client.answer_at_once(200, [], said):
            await client.answer(200, [], said)

    listener = bind("127.0.0.1", 0, advice="another port")
    stop, ready = asyncio.Event(), asyncio.Event()
    refusals = EarlyRefusals(RefusalCounts(), lambda target: None)
    serving = asyncio.create_task(
        run_server(relayed, listener, limits, refusals, on_ready=ready.set, stop=stop)
    )
    await ready.wait()
    reader, writer = await asyncio.open_connection(*listener.getsockname())

    async def call() -> None:
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(5) == b"hello"

    await call()
    gc.collect()
    gc.disable()
    try:
        for _ in range(CALLS):
            await call()
        assert gc.collect() < CALLS
    finally:
        gc.enable()
    writer.close()
    stop.set()
    await serving
    await upstream.close()
    server.close()
