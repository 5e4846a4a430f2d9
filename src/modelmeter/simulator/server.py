"""The simulator behind a socket: in the running event loop, or as a process."""

import argparse
import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

import uvicorn
import uvloop

from modelmeter.simulator.app import Simulator
from modelmeter.simulator.served import ServedLog
from modelmeter.simulator.settings import PROVIDERS, SimulatorSettings

__all__ = ["SimulatorServer", "main"]

SHUTDOWN_SECONDS_MAX = 2
"""How long running answers may go on when the server stops."""

_HOST = "127.0.0.1"
_BACKLOG = 1_024


class SimulatorServer:
    """
    Serves a `Simulator` on loopback while the ``async with`` block runs.

        async with SimulatorServer(SimulatorSettings(seed=7)) as simulator:
            ...  # simulator.url, simulator.served

    Raises, on entry:
        OSError: the port is taken.
    """

    def __init__(self, settings: SimulatorSettings | None = None, *, port: int = 0) -> None:
        self.app = Simulator(settings)
        self._port = port
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``, without a slash at its end."""
        return f"http://{_HOST}:{self._port}"

    @property
    def served(self) -> ServedLog:
        """What was served so far."""
        return self.app.served

    async def __aenter__(self) -> Self:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((_HOST, self._port))
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
        self._socket = listener
        self._port = listener.getsockname()[1]
        config = uvicorn.Config(
            self.app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS_MAX,
        )
        self._server = _QuietServer(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        while not self._server.started:
            if self._task.done():
                await self._task
                raise OSError("the simulator did not start")
            await asyncio.sleep(0.005)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task
        if self._socket is not None:
            self._socket.close()


class _QuietServer(uvicorn.Server):
    """Leaves signals to the program around it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a simulator until SIGINT or SIGTERM; prints ``simulator URL`` once it serves."""
    parser = argparse.ArgumentParser(
        prog="python -m modelmeter.simulator", description="Simulated providers on loopback."
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--speed", type=float, default=0.0, help="0 at once, 1 as the real ones")
    parser.add_argument(
        "--failure-rate", type=float, default=0.0, help="share of calls that fail, 0 to 1"
    )
    given = parser.parse_args(arguments)
    try:
        rates = dict.fromkeys(PROVIDERS, given.failure_rate)
        settings = SimulatorSettings(seed=given.seed, speed=given.speed, failure_rates=rates)
    except ValueError as error:
        parser.error(str(error))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve_until_signal(settings, given.port))
    except OSError as error:
        print(f"simulator: cannot listen on port {given.port}: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve_until_signal(settings: SimulatorSettings, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with SimulatorServer(settings, port=port) as server:
        print(f"simulator {server.url}", flush=True)
        await stop.wait()
