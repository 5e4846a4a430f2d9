"""uvicorn's HTTP protocol with bounds: on connections, on the request's head, and on its time."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from modelmeter.gateway.client_side import TURN_EXTENSION
from modelmeter.gateway.refusals import EarlyRefusals
from modelmeter.gateway.request_turn import RequestTurn
from modelmeter.settings.limits import Limits

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

__all__ = ["guarded_protocol"]

_REASONS = {
    400: b"Bad Request",
    408: b"Request Timeout",
    414: b"URI Too Long",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}
_SINGLE_HEADERS = frozenset({b"host", b"content-length", b"content-type", b"authorization"})


class _RefusedHeadError(Exception):
    """The request's head exceeds a bound; the connection is closed."""

    def __init__(self, http_status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.code = code
        self.message = message


def guarded_protocol(limits: Limits, refusals: EarlyRefusals) -> type[asyncio.Protocol]:
    """The protocol class to give to uvicorn."""
    own = {"limits": limits, "refusals": refusals}
    return type("GuardedProtocol", (_GuardedProtocol,), own)


class _GuardedProtocol(HttpToolsProtocol):
    limits: Limits
    refusals: EarlyRefusals

    def __init__(
        self,
        config: "Config",
        server_state: "ServerState",
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.url = b""
        self.is_lost = False
        self.on_lost: Callable[[], None] | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._in_head = True
        self._head_bytes = 0
        self._refusal: _RefusedHeadError | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn's, which narrows the argument's type too; with a bound on their number."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections_max:
            self._close_with(_RefusedHeadError(503, "too_many_connections", "too many connections"))
        else:
            self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn's, and tell the running exchange at once."""
        self._stop_head_timer()
        super().connection_lost(exc)
        self.is_lost = True
        if self.on_lost is not None:
            self.on_lost()

    def data_received(self, data: bytes) -> None:
        """As uvicorn's; a head that is not complete yet is on the clock and has a bound."""
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > self.limits.header_bytes_max + self.limits.target_bytes_max:
            self._close_with(_RefusedHeadError(431, "headers_too_large", "the head is too large"))
        elif self._head_timer is None:
            self._start_head_timer()

    def timeout_keep_alive_handler(self) -> None:
        """As uvicorn's, but an answer that its caller does not fetch is given up with it."""
        if self.transport.get_write_buffer_size():
            self.abort()
        super().timeout_keep_alive_handler()

    def close_within(self, seconds: float) -> None:
        """Close when the caller has read what was written, or when the time is over."""
        self.transport.close()
        self.loop.call_later(seconds, self.abort)

    @property
    def is_keeping_up(self) -> bool:
        """The caller is there, and nothing written before waits for it."""
        return not (self.is_lost or self.flow.write_paused or self.transport.is_closing())

    def abort(self) -> None:
        """Close at once; what was not read yet is lost."""
        self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self.limits.target_bytes_max:
            self._refuse(414, "target_too_long", "the request's target is too long")

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        self._stop_head_timer()
        self._check_headers()
        super().on_headers_complete()
        turn = RequestTurn(self, self.cycle)
        self.scope["extensions"] = {TURN_EXTENSION: turn}  # type: ignore[dict-item]

    def send_400_response(self, msg: str) -> None:
        """uvicorn's answer to what its parser refuses, in JSON and with the status that fits."""
        self._close_with(self._refusal or _RefusedHeadError(400, "http_invalid", msg))

    def _check_headers(self) -> None:
        if len(self.headers) > self.limits.header_count_max:
            self._refuse(431, "headers_too_many", "the request has too many headers")
        size = 0
        seen = set()
        for name, value in self.headers:
            size += len(name) + len(value)
            if name in _SINGLE_HEADERS:
                if name in seen:
                    self._refuse(
                        400, "header_repeated", "a header that may stand once stands twice"
                    )
                seen.add(name)
            elif b"_" in name:
                self._refuse(400, "header_name_invalid", "a header's name holds an underscore")
        if size > self.limits.header_bytes_max:
            self._refuse(431, "headers_too_large", "the request's headers are too large")
        if b"host" not in seen:
            self._refuse(400, "host_missing", "the request has no Host header")

    def _refuse(self, http_status: int, code: str, message: str) -> None:
        self._refusal = _RefusedHeadError(http_status, code, message)
        raise self._refusal

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(
            self.limits.header_timeout_seconds, self._head_too_slow
        )

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_too_slow(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self._close_with(
                _RefusedHeadError(408, "request_timeout", "the request's head came too slowly")
            )

    def _close_with(self, refusal: _RefusedHeadError) -> None:
        self._stop_head_timer()
        status = refusal.http_status
        headers, body = self.refusals.written(
            self.url, refusal.message, code=refusal.code, http_status=status
        )
        lines = b"".join(b"%b: %b\r\n" % line for line in headers)
        self.transport.write(
            b"HTTP/1.1 %d %b\r\n%bcontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (status, _REASONS[status], lines, len(body), body)
        )
        self.transport.close()
