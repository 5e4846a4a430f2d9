"""The stores that every case of the cache is tried on: memory, a Redis, and a Redis cluster."""

import time
from collections.abc import AsyncIterator, Iterator

import pytest
from cache_cases import HandClock
from prometheus_server import free_port
from redis_server import RedisServer

from modelmeter.cache import CacheStore, MemoryStore
from modelmeter.cache.redis_store import RedisStore

__all__ = ["clock", "cluster", "redis", "store"]

STORE_SECONDS_MAX = 10.0
CLUSTER_SECONDS_MAX = 30.0
SLOTS = "16383"


@pytest.fixture
def clock() -> HandClock:
    """The test's own time."""
    return HandClock()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A cluster of one node, which insists on hash slots as one of many does."""
    server = RedisServer(
        tmp_path_factory.mktemp("cluster"),
        *("--cluster-enabled", "yes", "--cluster-port", str(free_port())),
    )
    server.start()
    server.command("cluster", "addslotsrange", "0", SLOTS)
    deadline = time.monotonic() + CLUSTER_SECONDS_MAX
    while "cluster_state:ok" not in server.command("cluster", "info"):
        assert time.monotonic() < deadline
    server.url = server.url.replace("redis://", "redis+cluster://").removesuffix("/0")
    yield server
    server.stop()


@pytest.fixture(params=["memory", "redis", "cluster"])
async def store(request: pytest.FixtureRequest, clock: HandClock) -> AsyncIterator[CacheStore]:
    """Each kind of store in turn, empty."""
    made: CacheStore
    if request.param == "memory":
        made = MemoryStore(bytes_max=1024 * 1024, clock=clock)
    else:
        server: RedisServer = request.getfixturevalue(request.param)
        server.command("flushall")
        made = RedisStore(server.url, timeout_seconds=STORE_SECONDS_MAX)
    yield made
    await made.close()
