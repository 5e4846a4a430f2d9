"""
An OpenAI-compatible upstream that answers at once, so that a gateway's own cost is what shows.

``python -m bench.upstream --port 0`` prints its base URL and serves until it is ended. It answers
``POST …/chat/completions`` with a prebuilt completion, or with a prebuilt event stream when the
request says ``"stream": true``; ``GET /calls`` says how many of both it has answered.

Shapes: https://platform.openai.com/docs/api-reference/chat and
https://platform.openai.com/docs/api-reference/chat-streaming
"""

import argparse
import asyncio
from collections.abc import Iterator
from typing import cast

import httptools
import msgspec
import uvloop

__all__ = ["COMPLETION", "COMPLETION_TOKENS", "MODEL", "PROMPT_TOKENS", "stream_events"]

MODEL = "gpt-4o-mini"
"""The only model the benchmark asks for: cheap, known to every gateway's price list."""

PROMPT_TOKENS = 128
"""Input tokens of every answer."""

COMPLETION_TOKENS = 20
"""Output tokens of every answer, and content chunks of every stream."""

STREAM_CHUNK_SECONDS = 0.001
"""Pause between two chunks of a stream: the first leaves at once and alone."""

REQUEST_BYTES_MAX = 1 << 20
"""Longest request body that is kept; a longer one closes the connection."""

WORDS = [
    "The",
    "quarterly",
    "report",
    "shows",
    "that",
    "the",
    "cost",
    "of",
    "every",
    "agent",
    "fell",
    "while",
    "the",
    "number",
    "of",
    "answered",
    "questions",
    "rose",
    "by",
    "half",
]

STAMP = 1_760_000_000
"""The ``created`` of every answer, seconds since 1970."""

USAGE = {
    "prompt_tokens": PROMPT_TOKENS,
    "completion_tokens": COMPLETION_TOKENS,
    "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}

COMPLETION: bytes = msgspec.json.encode(
    {
        "id": "chatcmpl-bench0000000000000000",
        "object": "chat.completion",
        "created": STAMP,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": " ".join(WORDS), "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
        "service_tier": "default",
        "system_fingerprint": "fp_bench",
    }
)
"""The body of every answer that is not streamed."""


def stream_events(*, usage: bool) -> Iterator[bytes]:
    """Each server-sent event of a streamed answer, the usage chunk among them if asked for."""
    yield _event({"role": "assistant", "content": "", "refusal": None}, None, usage=usage)
    for word in WORDS:
        yield _event({"content": word + " "}, None, usage=usage)
    yield _event({}, "stop", usage=usage)
    if usage:
        yield b"data: " + msgspec.json.encode({**_chunk(), "choices": [], "usage": USAGE}) + b"\n\n"
    yield b"data: [DONE]\n\n"


def _event(delta: dict[str, str | None], finish_reason: str | None, *, usage: bool) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    chunk = {**_chunk(), "choices": [choice], **({"usage": None} if usage else {})}
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def _chunk() -> dict[str, object]:
    return {
        "id": "chatcmpl-bench0000000000000000",
        "object": "chat.completion.chunk",
        "created": STAMP,
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "system_fingerprint": "fp_bench",
    }


def _frames(*, usage: bool) -> tuple[bytes, ...]:
    """A streamed answer as it goes over the wire: one chunk of HTTP an event."""
    events = [b"%x\r\n%b\r\n" % (len(event), event) for event in stream_events(usage=usage)]
    return (STREAM_HEAD + events[0], *events[1:-1], events[-1] + b"0\r\n\r\n")


def _answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%b\r\n"
    return head % (status, len(body), COMMON_HEAD) + body


COMMON_HEAD = (
    b"x-request-id: req_bench\r\n"
    b"openai-processing-ms: 1\r\n"
    b"openai-version: 2020-10-01\r\n"
    b"openai-organization: bench\r\n"
)
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    b"content-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n" + COMMON_HEAD + b"\r\n"
)
ANSWER = _answer(COMPLETION)
NOT_FOUND = _answer(
    b'{"error":{"message":"no such path","type":"invalid_request_error","code":null}}',
    b"404 Not Found",
)
STREAM = _frames(usage=False)
STREAM_WITH_USAGE = _frames(usage=True)


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Request(msgspec.Struct):
    stream: bool | None = None
    stream_options: _StreamOptions | None = None


_REQUEST = msgspec.json.Decoder(_Request)


class Counter:
    """How many calls were answered, over all connections."""

    def __init__(self) -> None:
        self.calls = 0


class UpstreamProtocol(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._path = b""
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._close()

    def on_message_begin(self) -> None:
        self._path = b""
        self._body = b""

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > REQUEST_BYTES_MAX:
            self._close()

    def on_message_complete(self) -> None:
        if self._transport is None:
            return
        if self._path.endswith(b"/chat/completions"):
            self._counter.calls += 1
            self._complete(self._transport)
        elif self._path == b"/calls":
            self._transport.write(_answer(b'{"calls":%d}' % self._counter.calls))
        else:
            self._transport.write(NOT_FOUND)

    def _complete(self, transport: asyncio.Transport) -> None:
        request = _REQUEST.decode(self._body) if b'"stream"' in self._body else _Request()
        if not request.stream:
            transport.write(ANSWER)
            return
        options = request.stream_options
        frames = STREAM_WITH_USAGE if options and options.include_usage else STREAM
        self._next_frame(iter(frames))

    def _next_frame(self, frames: Iterator[bytes]) -> None:
        frame = next(frames, None)
        if frame is None or self._transport is None:
            return
        self._transport.write(frame)
        asyncio.get_running_loop().call_later(STREAM_CHUNK_SECONDS, self._next_frame, frames)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def serve(port: int) -> None:
    """Listen on loopback, print the base URL on a line of its own, and serve until cancelled."""
    counter = Counter()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: UpstreamProtocol(counter), "127.0.0.1", port, backlog=1024
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.upstream", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    uvloop.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
