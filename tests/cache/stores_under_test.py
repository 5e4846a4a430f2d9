"""The stores that every case of the cache is tried on."""

from collections.abc import AsyncIterator

import pytest
from cache_cases import HandClock

from modelmeter.cache import CacheStore, MemoryStore

__all__ = ["clock", "store"]


@pytest.fixture
def clock() -> HandClock:
    """The test's own time."""
    return HandClock()


@pytest.fixture(params=["memory"])
async def store(request: pytest.FixtureRequest, clock: HandClock) -> AsyncIterator[CacheStore]:
    """Each kind of store in turn."""
    made: CacheStore = MemoryStore(bytes_max=1024 * 1024, clock=clock)
    yield made
    await made.close()
