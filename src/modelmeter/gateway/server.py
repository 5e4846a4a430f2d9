"""Runs the gateway's application on a socket until it is told to stop."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Generator
from math import ceil

import uvicorn

from modelmeter.errors import SettingsError
from modelmeter.gateway.asgi import Application
from modelmeter.gateway.http_guard import guarded_protocol
from modelmeter.gateway.refusals import EarlyRefusals
from modelmeter.settings.limits import Limits

__all__ = ["bind", "run_server"]

logger = logging.getLogger(__name__)

EndStreams = Callable[[], Awaitable[None]]

_BACKLOG = 2048
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class _Server(uvicorn.Server):
    """uvicorn's server, stopped by us: its own handlers would end the process by the signal."""

    def __init__(
        self,
        config: uvicorn.Config,
        on_ready: Callable[[], None] | None,
        end_streams: EndStreams | None,
        *,
        takes_signals: bool,
    ) -> None:
        super().__init__(config)
        self._end_streams = end_streams
        self._on_ready = on_ready
        self._signals = _STOP_SIGNALS if takes_signals else ()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._on_ready is not None:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._end_streams is not None:
            await self._end_streams()
        await super().shutdown(sockets)

    async def stop_when(self, stop: asyncio.Event) -> None:
        """Begin the end as soon as ``stop`` is set."""
        await stop.wait()
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        loop = asyncio.get_running_loop()
        for number in self._signals:
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in self._signals:
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        """First signal: let running calls end. Second: cut them, settled as they stand."""
        if self.should_exit:
            self.force_exit = True
            for task in self.server_state.tasks:
                task.cancel()
        self.should_exit = True


def bind(host: str, port: int, *, advice: str) -> socket.socket:
    """
    Take the address to listen on; ``advice`` says what else to choose if it cannot be had.

    Raises:
        SettingsError: it is taken or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"cannot listen on {host}:{port}: {error.strerror}; {advice}"
        ) from error
    listener.setblocking(False)
    return listener


async def run_server(
    app: Application,
    listener: socket.socket,
    limits: Limits,
    refusals: EarlyRefusals,
    *,
    on_ready: Callable[[], None] | None = None,
    stop: asyncio.Event | None = None,
    end_streams: EndStreams | None = None,
) -> None:
    """
    Serve until ``stop`` is set, without it until a signal; then let running calls end.

    ``refusals`` answers what does not reach ``app``; ``end_streams`` has answers end that would
    go on for ever.
    """
    config = uvicorn.Config(
        app,
        http=guarded_protocol(limits, refusals),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=ceil(limits.keep_alive_seconds),
        timeout_graceful_shutdown=ceil(limits.shutdown_drain_seconds),
    )
    server = _Server(config, on_ready, end_streams, takes_signals=stop is None)
    stopping = asyncio.create_task(server.stop_when(stop)) if stop is not None else None
    try:
        await server.serve(sockets=[listener])
    finally:
        if stopping is not None:
            stopping.cancel()
    # Calls cut at the end of the drain still settle; their tasks end within the ledger's bound.
    if server.server_state.tasks:
        await asyncio.wait(server.server_state.tasks, timeout=limits.ledger_wait_seconds)
