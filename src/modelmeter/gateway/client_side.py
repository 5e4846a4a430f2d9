"""The caller's end of one exchange: its request's body in, the answer out, and whether it left."""

import asyncio
from collections.abc import Callable

from modelmeter.errors import RefusedRequestError
from modelmeter.gateway.asgi import Headers, Receive, Scope, Send, header
from modelmeter.gateway.request_turn import RequestTurn

__all__ = ["TURN_EXTENSION", "ClientGoneError", "ClientSide"]

TURN_EXTENSION = "modelmeter.turn"
"""The key under which the server hands over the request's `RequestTurn`."""


class ClientGoneError(Exception):
    """The caller left before its request was complete; nobody is there to answer."""


class ClientSide:
    """Reads the request and writes the answer, within the bounds it is given."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.headers: Headers = scope["headers"]
        self.gone = False
        self.started = False
        self.complete = False
        self._receive = receive
        self._send = send
        # Taken away: a turn knows its request, and the two would wait for the garbage collector.
        self._turn: RequestTurn | None = scope.get("extensions", {}).pop(TURN_EXTENSION, None)
        self._connection = None if self._turn is None else self._turn.connection

    @property
    def peer(self) -> str:
        """The caller's address; empty if the socket has none."""
        client = self.scope.get("client")
        return client[0] if client else ""

    def require_there(self) -> None:
        """
        Check that somebody still waits for an answer.

        Raises:
            ClientGoneError: the connection is lost.
        """
        if self._connection is not None and self._connection.is_lost:
            raise ClientGoneError

    async def read_body(self, *, bytes_max: int, timeout_seconds: float) -> bytes:
        """
        Take the request's whole body.

        Raises:
            RefusedRequestError: it is too large (413), compressed (415) or too slow (408).
            ClientGoneError: the caller left.
        """
        if header(self.headers, b"content-encoding") not in (None, b"identity"):
            raise RefusedRequestError(
                "send the body without content-encoding",
                code="unsupported_encoding",
                http_status=415,
            )
        length = header(self.headers, b"content-length")
        if length is not None and int(length) > bytes_max:
            raise _too_large(bytes_max)
        turn = self._turn
        if turn is not None and turn.has_whole_request:
            if turn.connection.is_lost:
                raise ClientGoneError
            whole = turn.take_body()
            if len(whole) > bytes_max:
                raise _too_large(bytes_max)
            return whole
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._read_all(bytes_max)
        except TimeoutError as error:
            raise RefusedRequestError(
                f"the request's body did not arrive within {timeout_seconds:g} seconds",
                code="request_timeout",
                http_status=408,
            ) from error

    async def _read_all(self, bytes_max: int) -> bytes:
        parts = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                raise ClientGoneError
            parts.append(message["body"])
            size += len(message["body"])
            if size > bytes_max:
                raise _too_large(bytes_max)
            if not message["more_body"]:
                return b"".join(parts)

    def watch(self, on_gone: Callable[[], None]) -> None:
        """Have ``on_gone`` called if the caller leaves before the answer is complete."""

        def gone() -> None:
            self.gone = True
            on_gone()

        if self._connection is not None:
            self._connection.on_lost = gone
            if self._connection.is_lost:
                gone()

    def unwatch(self) -> None:
        """The exchange is over; the connection may go on with the next one."""
        if self._connection is not None:
            self._connection.on_lost = None

    def abort(self) -> None:
        """Give the caller up; what it has not read is lost."""
        if self._connection is not None:
            self._connection.abort()

    @property
    def is_cut(self) -> bool:
        """An answer has begun whose caller waits for the rest."""
        left = self._connection is not None and self._connection.is_lost
        return self.started and not (self.complete or left)

    def close_if_cut(self, seconds: float) -> None:
        """Close the connection of an answer that stays incomplete, read or not in ``seconds``."""
        if self.is_cut and self._turn is not None:
            self._turn.leave_cut(seconds)

    async def start(self, status: int, headers: Headers) -> None:
        """Send status and headers."""
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, chunk: bytes) -> None:
        """Send the next bytes of the answer; waits while the caller reads slowly."""
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def finish(self, chunk: bytes = b"") -> None:
        """Send the last bytes of the answer."""
        await self._send({"type": "http.response.body", "body": chunk, "more_body": False})
        self.complete = True

    def answer_at_once(self, status: int, headers: Headers, body: bytes) -> bool:
        """Send a whole answer without waiting; False: the caller is slow, or has left."""
        turn = self._turn
        if turn is None or not turn.connection.is_keeping_up:
            return False
        turn.answer_at_once(status, headers, body)
        self.started = self.complete = True
        return True

    def begin_at_once(self, status: int, headers: Headers, chunk: bytes) -> bool:
        """
        Send the head and the first piece of an answer of unknown length without waiting.

        False: the caller is slow, or has left.
        """
        turn = self._turn
        if turn is None or not turn.connection.is_keeping_up:
            return False
        turn.begin_at_once(status, headers, chunk)
        self.started = True
        return True

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole answer."""
        await self.start(status, [*headers, (b"content-length", str(len(body)).encode())])
        await self.finish(body)


def _too_large(bytes_max: int) -> RefusedRequestError:
    return RefusedRequestError(
        f"the request's body is larger than {bytes_max} bytes",
        code="request_too_large",
        http_status=413,
    )
