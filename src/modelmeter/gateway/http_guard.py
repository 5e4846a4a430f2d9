"""uvicorn's HTTP protocol with bounds: on connections, on the request's head, and on its time."""

import asyncio
from typing import TYPE_CHECKING, Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from modelmeter.gateway.asgi import header
from modelmeter.gateway.client_side import TURN_EXTENSION
from modelmeter.gateway.http_ending import EndingProtocol
from modelmeter.gateway.http_upgrade import asks_for_a_tunnel, head_without_upgrade
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
    501: b"Not Implemented",
    503: b"Service Unavailable",
}
_SINGLE_HEADERS = frozenset({
    b"host", b"content-length", b"content-type", b"authorization", b"transfer-encoding",
})  # fmt: skip
PIPELINED_MAX = 64
"""Requests of one connection that wait for the answers before theirs; then 503."""


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


class _GuardedProtocol(EndingProtocol):
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
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._framing_bytes = 0
        self._offers_upgrade = False
        self._refusal: _RefusedHeadError | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn's, which narrows the argument's type too; with a bound on their number."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections_max:
            self._close_with(_RefusedHeadError(503, "too_many_connections", "too many connections"))
            # No place beyond the bound is kept for a caller who still sends.
            self.transport.close()
        else:
            self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """
        As uvicorn's, but offers to upgrade are ignored, and what is never read has a bound.

        A head that is not complete yet is on the clock, too.
        """
        if self.is_deaf:
            return
        unread, was_in_head = self.unread, self.is_in_head
        had_body = -1 if unread is None else len(unread.body)
        try:
            try:
                self.parser.feed_data(data)
            except HttpParserUpgrade as upgrade:
                self._read_on(memoryview(data)[upgrade.args[0] :])
        except HttpParserError:
            invalid = _RefusedHeadError(400, "http_invalid", "this is no valid HTTP/1.1 request")
            self._close_with(self._refusal or invalid)
            return
        cycle = self.cycle
        if unread is not None or (cycle is not None and cycle.more_body):
            stands_still = unread is cycle and cycle.more_body and len(cycle.body) == had_body
            self._follow_body(len(data) if stands_still else 0)
        if self.is_in_head:
            # What ended the request before is no part of this head.
            self._follow_head(len(data) if was_in_head else 0)

    def _read_on(self, rest: memoryview) -> None:
        """Read what stands behind a head that offers to upgrade; more of them may follow."""
        while True:
            self._read_head_again()
            try:
                self.parser.feed_data(rest)
            except HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]
            else:
                return

    def _read_head_again(self) -> None:
        """A parser that has met an upgrade reads no body; a new one does, without the offer."""
        head = head_without_upgrade(
            self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers
        )
        self._offers_upgrade = False
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(head)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self.limits.target_bytes_max:
            self._refuse(414, "target_too_long", "the request's target is too long")

    def on_headers_complete(self) -> None:
        self._check_headers()
        if self.parser.should_upgrade():
            if asks_for_a_tunnel(self.parser.get_method(), self.headers):
                self._refuse(501, "upgrade_unsupported", "only HTTP/1.1 is spoken here")
            self._offers_upgrade = True
            return
        super().on_headers_complete()
        # Trailers would be added to the list that the request is already judged by.
        self.headers = []
        self.is_in_head = False
        self._head_bytes = 0
        self._stop_head_timer()
        if len(self.pipeline) > PIPELINED_MAX:
            self._refuse(503, "too_many_pipelined", "too many requests wait on this connection")
        turn = RequestTurn(self, self.cycle)
        self.scope["extensions"] = {TURN_EXTENSION: turn}  # type: ignore[dict-item]

    def on_message_complete(self) -> None:
        if not self._offers_upgrade:
            super().on_message_complete()

    def _follow_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.limits.header_bytes_max + self.limits.target_bytes_max:
            self._close_with(_RefusedHeadError(431, "headers_too_large", "the head is too large"))
        elif self._head_timer is None:
            self._start_head_timer()

    def _follow_body(self, size_of_no_body: int) -> None:
        """Extensions of chunks and trailers have a bound of their own."""
        self._framing_bytes = self._framing_bytes + size_of_no_body if size_of_no_body else 0
        if self._framing_bytes > self.limits.header_bytes_max:
            self._close_with(
                _RefusedHeadError(431, "headers_too_large", "the body's trailers are too large")
            )
        else:
            self.watch_body()

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
        if b"transfer-encoding" in seen:
            self._check_transfer_encoding()
        if b"host" not in seen:
            self._refuse(400, "host_missing", "the request has no Host header")

    def _check_transfer_encoding(self) -> None:
        """Of all codings, the parser undoes chunks alone; it passes any before them."""
        coding = header(self.headers, b"transfer-encoding") or b""
        if coding.strip().lower() != b"chunked":
            self._refuse(
                400, "transfer_encoding_unsupported", "send the body as it is or in chunks"
            )

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
        self.end_with(
            b"HTTP/1.1 %d %b\r\n%bcontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (status, _REASONS[status], lines, len(body), body)
        )
