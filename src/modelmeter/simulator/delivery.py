"""How an answer reaches the wire: in pieces, late, cut off or stalled, as asked."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from modelmeter.simulator.asgi import Receive, Send
from modelmeter.simulator.directive import Directive
from modelmeter.simulator.exchange import Answer, Ask, Framing, Headers, ProviderWire, Surface
from modelmeter.simulator.plan import asked_fault
from modelmeter.simulator.served import ServedCall

__all__ = ["Channel", "Write", "body_writes", "stream_writes"]

STALL_SECONDS_MAX = 600.0
"""Longest time for which a stalled answer keeps its connection."""

_BODY_WRITE_BYTES = 256 * 1024


class Write(NamedTuple):
    """Bytes of a body, and how long to wait before they go out."""

    data: bytes
    delay_seconds: float = 0.0


class Channel:
    """One response on its way to a client, over ASGI."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._send = send
        self._gone = asyncio.ensure_future(receive())

    def close(self) -> None:
        """Stop watching the client."""
        self._gone.cancel()

    async def wait(self, seconds: float) -> bool:
        """Let time pass; True if the client has left."""
        if seconds > 0 and not self._gone.done():
            await asyncio.wait((self._gone,), timeout=seconds)
        return self._gone.done()

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head of the response."""
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def deliver(
        self, writes: Iterable[Write], directive: Directive, call: ServedCall
    ) -> None:
        """
        Send the body, and note on ``call`` what was sent.

        The call is completed just before its last byte goes out, so whoever saw that byte finds
        it completed. If the client leaves, or a directive cuts the answer off, the response
        stays unfinished, which makes the server drop the connection.
        """
        pending = iter(writes)
        upcoming = next(pending, None)
        count = 0
        while upcoming is not None:
            if await self._held(directive, count):
                return
            write, upcoming = upcoming, next(pending, None)
            if await self.wait(write.delay_seconds):
                return
            count += 1
            call.completed = upcoming is None and not _is_held(directive, count)
            call.add_sent(write.data)
            await self._send({"type": "http.response.body", "body": write.data, "more_body": True})
            await asyncio.sleep(0)
        if await self._held(directive, count):
            return
        call.completed = True
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _held(self, directive: Directive, count: int) -> bool:
        if directive.stall_after_chunks == count:
            await self.wait(STALL_SECONDS_MAX)
        return _is_held(directive, count)


def _is_held(directive: Directive, count: int) -> bool:
    return count in (directive.cut_after_chunks, directive.stall_after_chunks)


def body_writes(body: bytes, directive: Directive) -> Iterator[Write]:
    """Part a whole body; broken JSON lacks its last third."""
    if directive.broken_json:
        body = body[: len(body) * 2 // 3]
    size = directive.slice or _BODY_WRITE_BYTES
    for start in range(0, len(body), size):
        yield Write(body[start : start + size])


def stream_writes(
    wire: ProviderWire, surface: Surface, framing: Framing, ask: Ask, answer: Answer
) -> Iterator[Write]:
    """Part a stream as the provider does, or into slices of equal length if asked."""
    writes = _event_writes(wire, surface, framing, ask, answer)
    size = answer.directive.slice
    return writes if size is None else _sliced(writes, size)


def _event_writes(
    wire: ProviderWire, surface: Surface, framing: Framing, ask: Ask, answer: Answer
) -> Iterator[Write]:
    directive = answer.directive
    frames = list(surface.frames(ask, answer))
    broken = (len(frames) - 1) // 2 if directive.broken_json else None
    before = framing.opening
    for index, frame in enumerate(frames):
        if directive.error_after_chunks == index:
            yield _fault_write(wire, framing, answer, before)
            return
        payload = msgspec.json.encode(frame.payload)
        if index == broken:
            payload = payload[: len(payload) * 2 // 3]
        data = before + framing.frame(frame.event, payload)
        before = framing.separator
        yield Write(data, frame.tokens * answer.token_seconds)
    if directive.error_after_chunks is not None:
        yield _fault_write(wire, framing, answer, before)
    elif framing.closing:
        yield Write(framing.closing if frames else before + framing.closing)


def _fault_write(wire: ProviderWire, framing: Framing, answer: Answer, before: bytes) -> Write:
    """Without a status or error to put in, the stream just ends there."""
    fault = asked_fault(answer.directive)
    return Write(before + wire.fault_in_stream(fault, framing, answer.ids) if fault else b"")


def _sliced(writes: Iterable[Write], size: int) -> Iterator[Write]:
    pending, delay = b"", 0.0
    for write in writes:
        pending += write.data
        delay += write.delay_seconds
        while len(pending) >= size:
            yield Write(pending[:size], delay)
            pending, delay = pending[size:], 0.0
    if pending:
        yield Write(pending, delay)
