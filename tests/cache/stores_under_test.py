"""The stores that every case of the cache is tried on: memory, a Redis, and a Redis cluster."""

from collections.abc import AsyncIterator, Iterator

import pytest
from cache_cases import HandClock
from redis_server import RedisCluster, RedisServer

from modelmeter.cache import CacheStore, MemoryStore
from modelmeter.cache.redis_store import RedisStore

__all__ = ["clock", "cluster", "redis", "store"]

STORE_SECONDS_MAX = 10.0


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
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """A cluster of three masters."""
    servers = RedisCluster(tmp_path_factory.mktemp("cluster"))
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


@pytest.fixture(params=["memory", "redis", "cluster"])
async def store(request: pytest.FixtureRequest, clock: HandClock) -> AsyncIterator[CacheStore]:
    """Each kind of store in turn, empty."""
    made: CacheStore
    if request.param == "memory":
        made = MemoryStore(bytes_max=1024 * 1024, clock=clock)
    else:
        server: RedisServer | RedisCluster = request.getfixturevalue(request.param)
        server.command("flushall")
        made = RedisStore(server.url, timeout_seconds=STORE_SECONDS_MAX)
    yield made
    await made.close()
