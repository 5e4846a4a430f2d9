"""A gateway with a response cache in front of a simulator, on each kind of store."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
from ledger_file import check_ledger, query
from redis_server import RedisServer
from running import GatewayProcess, SimulatorProcess, gateway_config

__all__ = [
    "CHAT",
    "CachedGateway",
    "cached",
    "cached_on_redis",
    "headers_of",
    "prompt_of",
    "run_cached",
]

CHAT = "/openai/v1/chat/completions"
RULES = """
answer_bytes_max = 20000

[[cache.rules]]
agent = "meetmind.warm"
temperature_max = 0.5

[[cache.rules]]
agent = "meetmind.off"
enabled = false
"""
_ids = itertools.count(1)


class CachedGateway(msgspec.Struct):
    """The processes, and the ledger between them."""

    gateway: str
    simulator: str
    ledger: Path
    redis: RedisServer | None = None

    def entries(self, request_id: str) -> list[tuple[object, ...]]:
        """Status, cached, why missed, of a request's calls."""
        return query(
            self.ledger,
            "SELECT status, cached, cache_miss FROM entry"
            f" WHERE request_id = '{request_id}' ORDER BY seq",
        )

    async def served(self) -> int:
        """How many calls the upstream has seen."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.simulator}/simulator/served") as response,
        ):
            return int((await response.json())["served"])

    async def call(
        self,
        body: dict[str, object],
        headers: dict[str, str] | None = None,
        path: str = CHAT,
    ) -> "Answer":
        """One call and all of its answer."""
        sent = headers_of() | (headers or {})
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.gateway + path, json=body, headers=sent) as response,
        ):
            return Answer(
                response.status,
                {name.lower(): value for name, value in response.headers.items()},
                await response.read(),
                sent["x-request-id"],
            )


class Answer(msgspec.Struct):
    """What a caller got."""

    status: int
    headers: dict[str, str]
    body: bytes
    request_id: str

    @property
    def cache(self) -> str | None:
        """What the gateway says of its cache."""
        return self.headers.get("x-modelmeter-cache")


def headers_of(request_id: str = "", agent: str = "meetmind.coordinator") -> dict[str, str]:
    """Who calls."""
    return {
        "authorization": "Bearer sk-test",
        "x-api-key": "sk-test",
        "x-goog-api-key": "test",
        "anthropic-version": "2023-06-01",
        "x-agent-id": agent,
        "x-request-id": request_id or f"cache-{next(_ids)}",
    }


def prompt_of(directive: str = "output=30 input=50", **more: object) -> dict[str, object]:
    """A chat request that no test made before."""
    prompt = f"Question {next(_ids)}. [[simulate {directive}]]"
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": prompt}], **more}


def run_cached(
    folder: Path, store: str, redis: RedisServer | None, *, more: str = ""
) -> Iterator[CachedGateway]:
    """A gateway on ``store``, with ``more`` in its configuration."""
    simulator = SimulatorProcess(folder)
    simulator.start()
    config = gateway_config(folder, simulator.url)
    table = f"\n[cache]\nenabled = true\nstore = {json.dumps(store)}\n"
    config.write_text(config.read_text() + table + RULES + more)
    gateway = GatewayProcess(config)
    try:
        gateway.start()
        yield CachedGateway(gateway.url, simulator.url, folder / "ledger.db", redis)
        assert gateway.stop() == 0
    finally:
        gateway.kill()
        simulator.kill()
    assert query(folder / "ledger.db", "SELECT count(*) FROM open_call") == [(0,)]
    check_ledger(folder / "ledger.db")
    assert b"Traceback" not in gateway.log.read_bytes()


@pytest.fixture(scope="module", name="cached", params=["memory", "redis"])
def cached(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CachedGateway]:
    """A gateway on each store."""
    folder = tmp_path_factory.mktemp("cached")
    if request.param == "memory":
        yield from run_cached(folder, "memory", None)
    else:
        yield from _run_on_redis(folder)


def _run_on_redis(folder: Path) -> Iterator[CachedGateway]:
    redis = RedisServer(folder)
    redis.start()
    try:
        yield from run_cached(folder, redis.url, redis)
    finally:
        redis.stop()


@pytest.fixture(scope="module", name="cached_on_redis")
def cached_on_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CachedGateway]:
    """A gateway with its cache in a Redis."""
    yield from _run_on_redis(tmp_path_factory.mktemp("cached"))
