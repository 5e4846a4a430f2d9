"""The gateway's HTTP client: kept-open connections to the configured providers, and no more."""

import asyncio
import ssl

from modelmeter.errors import UpstreamError
from modelmeter.gateway.upstream import Origin, UpstreamRequest
from modelmeter.gateway.upstream_connection import UpstreamConnection
from modelmeter.record import ErrorType
from modelmeter.settings.limits import Limits
from modelmeter.wire.http_answer import HttpAnswer

__all__ = ["UpstreamClient"]

_KEEP_ALIVE_SECONDS = 15.0
"""Idle connections are given up before the provider does it, so that few requests meet a close."""


class _Answer:
    def __init__(
        self,
        client: "UpstreamClient",
        origin: Origin,
        connection: UpstreamConnection,
        head: HttpAnswer,
    ) -> None:
        self.status = head.status
        self.headers = head.headers
        self.read = connection.read
        self._client = client
        self._origin = origin
        self._connection: UpstreamConnection | None = connection

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._client.give_back(self._origin, connection)


class UpstreamClient:
    """
    Requests over kept connections, to configured addresses only.

    No redirect is followed, no proxy or credential is taken from the environment, no cookie is
    kept, and a body passes as it came. Nothing is ever sent twice: whether a request whose
    connection broke was billed is for its caller to judge.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._places = asyncio.Semaphore(limits.upstream_connections_max)
        self._idle: dict[Origin, list[UpstreamConnection]] = {}
        self._open: set[UpstreamConnection] = set()
        self._tls: ssl.SSLContext | None = None
        self._sweep: asyncio.TimerHandle | None = None

    async def send(self, request: UpstreamRequest) -> _Answer:
        """Send a request; see `Upstream`."""
        origin = request.origin
        await self._places.acquire()
        connection: UpstreamConnection | None = None
        try:
            connection = self._kept(origin) or await self._connect(origin)
            head = await connection.exchange(request.parts, without_body=request.method == "HEAD")
        except BaseException:
            self._places.release()
            if connection is not None:
                connection.abort()
            raise
        return _Answer(self, origin, connection, head)

    def give_back(self, origin: Origin, connection: UpstreamConnection) -> None:
        """An exchange is over; its connection is kept if its answer was complete."""
        self._places.release()
        if not connection.finish():
            return
        connection.idle_since = self._loop.time()
        self._idle.setdefault(origin, []).append(connection)
        if self._sweep is None:
            self._sweep = self._loop.call_later(_KEEP_ALIVE_SECONDS, self._close_idle)

    async def close(self) -> None:
        """Close all connections."""
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in list(self._open):
            connection.abort()
        # Closing takes the event loop's next turns.
        await asyncio.sleep(0)

    def _kept(self, origin: Origin) -> UpstreamConnection | None:
        """The connection that rested the shortest, so that the others can be given up."""
        kept = self._idle.get(origin)
        oldest = self._loop.time() - _KEEP_ALIVE_SECONDS
        while kept:
            connection = kept.pop()
            if connection.usable and connection.idle_since > oldest:
                return connection
            connection.abort()
        return None

    async def _connect(self, origin: Origin) -> UpstreamConnection:
        if len(self._open) >= self._limits.upstream_connections_max:
            self._close_one_idle()
        try:
            async with asyncio.timeout(self._limits.upstream_connect_timeout_seconds):
                _, connection = await self._loop.create_connection(
                    self._new_connection,
                    origin.host,
                    origin.port,
                    ssl=self._tls_context() if origin.tls else None,
                )
        except (OSError, UnicodeError) as error:
            raise UpstreamError(
                f"the upstream cannot be reached ({type(error).__name__})",
                error_type=ErrorType.CONNECTION,
                sent=False,
            ) from error
        self._open.add(connection)
        return connection

    def _new_connection(self) -> UpstreamConnection:
        return UpstreamConnection(
            head_bytes_max=self._limits.header_bytes_max, on_lost=self._open.discard
        )

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def _close_one_idle(self) -> None:
        for kept in self._idle.values():
            if kept:
                kept.pop(0).abort()
                return

    def _close_idle(self) -> None:
        self._sweep = None
        oldest = self._loop.time() - _KEEP_ALIVE_SECONDS
        for origin, kept in list(self._idle.items()):
            young = [one for one in kept if one.usable and one.idle_since > oldest]
            for connection in kept:
                if connection not in young:
                    connection.abort()
            self._idle[origin] = young
            if not young:
                del self._idle[origin]
        if self._idle:
            self._sweep = self._loop.call_later(_KEEP_ALIVE_SECONDS, self._close_idle)
