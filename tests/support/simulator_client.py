"""A simulator in a thread of its own, and a plain HTTP client that sees what is on the wire."""

import asyncio
import contextlib
import http.client
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec
import pytest
from ledger_file import check_ledger
from running import GatewayProcess, gateway_config

from modelmeter.simulator.server import SimulatorServer
from modelmeter.simulator.settings import SimulatorSettings

__all__ = [
    "Client",
    "Place",
    "Reply",
    "client_fixture",
    "place_fixture",
    "run_simulator",
    "simulator_fixture",
]

START_SECONDS_MAX = 10.0


class Reply(msgspec.Struct):
    """What came back; ``complete`` is False if the connection broke off."""

    status: int
    headers: dict[str, str]
    body: bytes
    complete: bool = True

    def json(self) -> dict[str, object]:
        decoded = msgspec.json.decode(self.body)
        assert isinstance(decoded, dict)
        return decoded


class Place(msgspec.Struct):
    """Where an SDK is pointed at: the simulator itself, or a gateway in front of it."""

    url: str
    compatible_url: str
    """An upstream that is OpenAI-compatible by name."""


class Client:
    """Talks plain HTTP to one simulator."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._place = urlsplit(url).netloc

    def post(
        self,
        path: str,
        body: object,
        headers: dict[str, str] | None = None,
        timeout: float = 10.0,
    ) -> Reply:
        encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return self.send("POST", path, encoded, headers, timeout)

    def get(self, path: str) -> Reply:
        return self.send("GET", path, b"", None, 10.0)

    def send(
        self, method: str, path: str, body: bytes, headers: dict[str, str] | None, timeout: float
    ) -> Reply:
        connection = http.client.HTTPConnection(self._place, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            try:
                return Reply(response.status, found, response.read())
            except http.client.IncompleteRead as error:
                return Reply(response.status, found, error.partial, complete=False)
        finally:
            connection.close()

    def chat(self, directive: str, headers: dict[str, str] | None = None, **more: object) -> Reply:
        """Ask OpenAI's chat for something, with a directive in the prompt."""
        prompt = f"Tell me something. [[simulate {directive}]]" if directive else "Tell me."
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": prompt}], **more}
        return self.post("/openai/v1/chat/completions", body, headers)


@contextlib.contextmanager
def run_simulator(settings: SimulatorSettings) -> Iterator[SimulatorServer]:
    """Run a simulator in a thread of its own, so that blocking SDKs can call it."""
    started = threading.Event()
    stop = asyncio.Event()
    running: list[tuple[SimulatorServer, asyncio.AbstractEventLoop]] = []

    async def serve() -> None:
        async with SimulatorServer(settings) as server:
            running.append((server, asyncio.get_running_loop()))
            started.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(START_SECONDS_MAX)
    server, loop = running[0]
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@pytest.fixture(scope="module", name="simulator")
def simulator_fixture() -> Iterator[SimulatorServer]:
    """A simulator of seed 7 that answers at once."""
    with run_simulator(SimulatorSettings(seed=7)) as server:
        yield server


@pytest.fixture(scope="module", name="simulator", params=["direct", "gateway"])
def place_fixture(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """The simulator as its callers see it, with and without a gateway between."""
    with run_simulator(SimulatorSettings(seed=7)) as server:
        if request.param == "direct":
            yield Place(server.url, f"{server.url}/up/v1")
            return
        folder = tmp_path_factory.mktemp("gateway")
        gateway = GatewayProcess(gateway_config(folder, server.url))
        gateway.start()
        yield Place(gateway.url, f"{gateway.url}/up/local/v1")
        assert gateway.stop() == 0
        check_ledger(folder / "ledger.db")


@pytest.fixture(name="client")
def client_fixture(simulator: SimulatorServer) -> Client:
    """Plain HTTP to the simulator."""
    return Client(simulator.url)
