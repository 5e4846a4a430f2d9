"""One request on a server connection: its body taken, its answer given or begun in one piece."""

from collections.abc import Callable
from typing import Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from modelmeter.gateway.asgi import Headers

__all__ = ["Connection", "RequestTurn"]


class Connection(Protocol):
    """What a turn tells of the connection it came over."""

    is_lost: bool
    on_lost: Callable[[], None] | None

    @property
    def is_keeping_up(self) -> bool:
        """The caller is there, and nothing written before waits for it."""
        ...

    def abort(self) -> None:
        """Close at once; what was not read yet is lost."""
        ...

    def close_within(self, seconds: float) -> None:
        """Close when the caller has read what was written, or when the time is over."""
        ...


class RequestTurn:
    """
    A way past ASGI's messages for the usual case: a whole request, and a caller who keeps up.

    A request that came behind another one on the connection has a turn of its own, so that
    neither meets the other's body or answer.
    """

    __slots__ = ("_cycle", "connection")

    def __init__(self, connection: Connection, cycle: RequestResponseCycle) -> None:
        self.connection = connection
        self._cycle = cycle

    @property
    def has_whole_request(self) -> bool:
        """The request's body has come whole."""
        return not self._cycle.more_body

    def take_body(self) -> bytes:
        """What has come of the request's body; it is not kept."""
        cycle = self._cycle
        body, cycle.body = bytes(cycle.body), bytearray()
        return body

    def answer_at_once(self, status: int, headers: Headers, body: bytes) -> None:
        """
        Write the whole answer and end the turn.

        ``headers`` are those of an answer that was parsed before: none holds a line break.
        """
        cycle = self._cycle
        cycle.response_started = cycle.response_complete = True
        length = b"content-length: %d\r\n\r\n" % len(body)
        self._write_head(status, headers, length, body)
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()

    def begin_at_once(self, status: int, headers: Headers, chunk: bytes) -> None:
        """
        Write the head of an answer of unknown length and its first piece; the cycle goes on.

        ``headers`` as for a whole answer, and none of them says how long the body is.
        """
        cycle = self._cycle
        cycle.response_started = cycle.chunked_encoding = True
        cycle.waiting_for_100_continue = False
        start = b"transfer-encoding: chunked\r\n\r\n%x\r\n" % len(chunk)
        self._write_head(status, headers, start, chunk, b"\r\n")

    def leave_cut(self, close_within_seconds: float) -> None:
        """End the turn of an answer that stays incomplete; its connection closes."""
        # The server takes an unfinished answer for a fault of the application, but for this.
        self._cycle.disconnected = True
        self.connection.close_within(close_within_seconds)

    def _write_head(self, status: int, headers: Headers, *rest: bytes) -> None:
        cycle = self._cycle
        lines = [b"%b: %b\r\n" % line for line in (*cycle.default_headers, *headers)]
        if not cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        cycle.transport.write(b"".join((STATUS_LINE[status], *lines, *rest)))
