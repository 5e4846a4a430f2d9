"""How a caller's connection ends: idle, cut, or after an answer that came before its request."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from modelmeter.settings.limits import Limits

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

__all__ = ["EndingProtocol"]


class EndingProtocol(HttpToolsProtocol):
    """
    uvicorn's protocol, but every connection ends within a bound and no answer is lost by its end.

    Closing a socket with bytes that nobody has read resets it, and the caller may lose the answer
    that is on its way. So where a caller still sends, its half stays open for a while, unheard.
    """

    limits: Limits

    def __init__(
        self,
        config: "Config",
        server_state: "ServerState",
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.is_lost = False
        self.on_lost: Callable[[], None] | None = None
        self.is_in_head = True
        """The next head is awaited on a new connection, or has begun."""
        self.is_deaf = False
        """What the caller still sends is dropped."""
        self.unread: RequestResponseCycle | None = None
        """The last request, while its body has not come whole."""
        self._may_stay = True
        """Whether the connection may go on after the request that is not read yet."""
        self._last_words: bytes | None = None
        self._close_timer: asyncio.TimerHandle | None = None
        self._stuck_timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn's, and tell the running exchange at once."""
        if self._close_timer is not None:
            self._close_timer.cancel()
        self._stop_stuck_timer()
        super().connection_lost(exc)
        self.is_lost = True
        if self.on_lost is not None:
            self.on_lost()

    @property
    def is_keeping_up(self) -> bool:
        """The caller is there, and nothing written before waits for it."""
        return not (self.is_lost or self.flow.write_paused or self.transport.is_closing())

    def abort(self) -> None:
        """Close at once; what was not read yet is lost."""
        self.transport.abort()

    def close_within(self, seconds: float) -> None:
        """Close when the caller has read what was written, or when the time is over."""
        self.transport.close()
        self._close_timer = self.loop.call_later(seconds, self.abort)

    def close_unheard(self) -> None:
        """End the answers; what still comes is dropped until the caller closes or time is over."""
        if self._close_timer is not None or self.transport.is_closing():
            return
        self.is_deaf = True
        self.flow.resume_reading()
        self.transport.write_eof()
        self._close_timer = self.loop.call_later(self.limits.close_timeout_seconds, self.abort)

    def end_with(self, answer: bytes) -> None:
        """Close after ``answer`` to what came last, once what came before it is answered."""
        self.is_deaf = True
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self._say(answer)
        elif self.is_in_head or self.pipeline:
            if not self.is_in_head:
                # The request at fault is the newest of those that wait for their turn.
                self.pipeline.popleft()
            self._last_words = answer
        elif cycle.response_started:
            self.close_within(self.limits.close_timeout_seconds)
        else:
            cycle.disconnected = True
            cycle.message_event.set()
            self._say(answer)

    def pause_writing(self) -> None:
        """As uvicorn's; who reads nothing is given up, after the exchange's own time is over."""
        super().pause_writing()
        limits = self.limits
        seconds = limits.upstream_idle_timeout_seconds + limits.close_timeout_seconds
        self._stuck_timer = self.loop.call_later(seconds, self.abort)

    def resume_writing(self) -> None:
        self._stop_stuck_timer()
        super().resume_writing()

    def _stop_stuck_timer(self) -> None:
        if self._stuck_timer is not None:
            self._stuck_timer.cancel()
            self._stuck_timer = None

    def shutdown(self) -> None:
        """As uvicorn's: the connection ends with the request that is served now."""
        self._may_stay = False
        super().shutdown()

    def on_message_begin(self) -> None:
        # Only a request ends the idle time, not whatever is sent between two of them.
        self._unset_keepalive_if_required()
        super().on_message_begin()
        self.is_in_head = True

    def on_response_complete(self) -> None:
        had_next = bool(self.pipeline)
        super().on_response_complete()
        if had_next or self.transport.is_closing():
            return
        if self._last_words is not None:
            self._say(self._last_words)
        if self.is_deaf or self.is_in_head:
            self._unset_keepalive_if_required()

    def timeout_keep_alive_handler(self) -> None:
        """As uvicorn's, but an answer that its caller does not fetch is given up with it."""
        if self.transport.get_write_buffer_size():
            self.abort()
        super().timeout_keep_alive_handler()

    def watch_body(self) -> None:
        """Have an answer that begins before its request has come whole end the connection."""
        unread = self.unread
        if unread is not None and not unread.more_body:
            self.unread = None
            if not unread.response_started:
                unread.keep_alive = self._may_stay
                unread.transport = self.transport
        cycle = self.cycle
        if cycle.more_body and self.unread is None:
            self.unread = cycle
            self._may_stay = self._may_stay and cycle.keep_alive
            cycle.keep_alive = False
            cycle.transport = _ClosesUnheard(self)

    def _say(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.close_unheard()


class _ClosesUnheard(asyncio.Transport):
    """The transport of a request that may be answered before it was read: it closes late."""

    def __init__(self, connection: EndingProtocol) -> None:
        super().__init__()
        self._connection = connection

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._connection.transport.write(data)

    def is_closing(self) -> bool:
        return self._connection.transport.is_closing()

    def close(self) -> None:
        self._connection.close_unheard()
