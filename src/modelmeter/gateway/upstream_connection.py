"""One HTTP/1.1 connection to a provider: one exchange at a time, read no faster than wanted."""

import asyncio
from collections.abc import Callable
from typing import cast

from modelmeter.errors import UpstreamError, WireError
from modelmeter.record import ErrorType
from modelmeter.wire.http_answer import HttpAnswer

__all__ = ["UpstreamConnection"]

UNREAD_BYTES_HIGH = 64 * 1024
"""With so much of a body unread, the provider is made to wait."""


class UpstreamConnection(asyncio.Protocol):
    """A connection, and the answer that is on its way over it."""

    def __init__(self, *, head_bytes_max: int, on_lost: Callable[["UpstreamConnection"], None]):
        self.idle_since = 0.0
        self._head_bytes_max = head_bytes_max
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._answer: HttpAnswer | None = None
        self._failure: UpstreamError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False

    @property
    def usable(self) -> bool:
        """A request can be written."""
        return self._transport is not None and not self._transport.is_closing()

    async def exchange(self, request: list[bytes], *, without_body: bool) -> HttpAnswer:
        """
        Write a request and wait for the head of its answer.

        Raises:
            UpstreamError: there is none.
        """
        if self._transport is None or self._transport.is_closing():
            raise UpstreamError(
                "the upstream closed the connection", error_type=ErrorType.CONNECTION, sent=False
            )
        answer = HttpAnswer(head_bytes_max=self._head_bytes_max, without_body=without_body)
        self._answer = answer
        self._transport.writelines(request)
        while not answer.head_complete:
            await self._wait()
        return answer

    async def read(self) -> bytes:
        """
        The bytes of the body that have come since the last call; empty at its end.

        Raises:
            UpstreamError: the connection broke off.
        """
        answer = self._answer
        if answer is None:
            raise UpstreamError("the exchange is over", error_type=ErrorType.CONNECTION)
        while True:
            chunk = answer.take()
            if chunk:
                self._read_on()
                return chunk
            if answer.ended:
                return b""
            await self._wait()

    def finish(self) -> bool:
        """End the exchange. False: the connection is closed, for it can carry no other one."""
        answer = self._answer
        if answer is None or not answer.ended or not answer.keeps_alive or not self.usable:
            self.abort()
            return False
        self._let_go()
        self._read_on()
        return True

    def abort(self) -> None:
        """Give the connection up at once."""
        self._let_go()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        # uvloop's transports have the methods of asyncio's, but not its class.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of an answer; those that belong to none end the connection."""
        answer = self._answer
        if answer is None:
            self.abort()
            return
        try:
            answer.feed(data)
        except WireError as error:
            self._fail(answer, f"the upstream sent {error}", ErrorType.BAD_RESPONSE)
            if self._transport is not None:
                self._transport.abort()
        if answer.unread_bytes > UNREAD_BYTES_HIGH and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        answer = self._answer
        if answer is not None:
            try:
                answer.close(broken=exc is not None)
            except WireError:
                self._fail(answer, "the upstream broke off its answer", ErrorType.CONNECTION)
        self._wake()
        self._on_lost(self)

    def _let_go(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.release()

    def _fail(self, answer: HttpAnswer, message: str, error_type: ErrorType) -> None:
        if not answer.ended and self._failure is None:
            self._failure = UpstreamError(message, error_type=error_type)

    async def _wait(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _read_on(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
