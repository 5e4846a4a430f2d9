"""`backend.core.llm.cache_manager`: no tenant ever reads another's answer."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from backend.core.llm import CacheManager

Request = tuple[str, str, float, int, str]


class Careless:
    """A cache service that knows no tenants, and gives back JSON as some do."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, object]] = {}
        self.ttls: list[int] = []

    async def get(self, key: str, tenant_id: str) -> object:
        return self.kept.get(key)

    async def set(self, key: str, value: dict[str, object], tenant_id: str, *, ttl: int) -> object:
        self.kept[key] = value
        self.ttls.append(ttl)
        return True

    async def delete(self, key: str, tenant_id: str) -> object:
        return self.kept.pop(key, None) is not None


class Broken:
    """A cache service that is down."""

    async def get(self, key: str, tenant_id: str) -> object:
        raise ConnectionError("down")

    async def set(self, key: str, value: dict[str, object], tenant_id: str, *, ttl: int) -> object:
        raise ConnectionError("down")

    async def delete(self, key: str, tenant_id: str) -> object:
        raise ConnectionError("down")


async def test_an_answer_is_kept_given_and_forgotten() -> None:
    """In memory, without any service."""
    cache = CacheManager()
    key = cache.generate_cache_key("Hello.", "gpt-4", 0.3, 500, "acme")

    assert await cache.get(key, "acme") is None
    assert await cache.set(key, {"content": "Hi.", "tokens": 3}, "acme") is True
    assert await cache.get(key, "acme") == {"content": "Hi.", "tokens": 3}
    assert await cache.invalidate(key, "acme") is True
    assert await cache.get(key, "acme") is None
    assert await cache.invalidate(key, "acme") is False


async def test_another_tenant_reads_nothing_even_with_the_key() -> None:
    """Whatever the service does about tenants."""
    for cache in (CacheManager(), CacheManager(Careless())):
        await cache.set("same", {"content": "acme's"}, "acme")
        await cache.set("same", {"content": "globex'"}, "globex")

        assert await cache.get("same", "acme") == {"content": "acme's"}
        assert await cache.get("same", "globex") == {"content": "globex'"}
        assert await cache.get("same", "initech") is None


@given(
    st.tuples(st.text(), st.text(), st.floats(0, 2), st.integers(0, 4096), st.text()),
    st.tuples(st.text(), st.text(), st.floats(0, 2), st.integers(0, 4096), st.text()),
)
def test_two_requests_share_a_key_only_if_they_are_equal(one: Request, other: Request) -> None:
    """Parts are never just joined."""
    key = CacheManager().generate_cache_key

    assert (key(*one) == key(*other)) == (one == other)


def test_parts_that_meet_at_their_ends_are_told_apart() -> None:
    """The classic: what one part ends with, the next begins with."""
    key = CacheManager().generate_cache_key

    assert key("a:b", "c", 0.3, 5, "t") != key("a", "b:c", 0.3, 5, "t")
    assert key("a", "m", 0.3, 50, "0t") != key("a", "m", 0.3, 500, "t")


async def test_a_time_to_live_is_given_on() -> None:
    """The manager's own unless a call has another."""
    service = Careless()
    cache = CacheManager(service, default_ttl=60)

    await cache.set("k", {"a": 1}, "acme")
    await cache.set("k", {"a": 1}, "acme", ttl=5)

    assert service.ttls == [60, 5]


async def test_hits_and_misses_are_counted() -> None:
    """And counted anew after a reset."""
    cache = CacheManager()
    assert cache.get_metrics()["hit_rate_percent"] == 0.0

    await cache.get("k", "acme")
    await cache.set("k", {"a": 1}, "acme")
    for _ in range(3):
        await cache.get("k", "acme")

    assert cache.get_metrics() == {
        "cache_hits": 3,
        "cache_misses": 1,
        "total_requests": 4,
        "hit_rate_percent": 75.0,
    }
    cache.reset_metrics()
    assert cache.get_metrics()["total_requests"] == 0


async def test_a_service_that_is_down_is_a_miss() -> None:
    """The calls that ask it go on."""
    cache = CacheManager(Broken())

    assert await cache.set("k", {"a": 1}, "acme") is False
    assert await cache.get("k", "acme") is None
    assert await cache.invalidate("k", "acme") is False
    assert cache.get_metrics()["cache_misses"] == 1


def test_threads_share_one_manager() -> None:
    """Each with an event loop of its own."""
    cache = CacheManager()

    async def work(number: int) -> bool:
        await cache.set(f"k{number % 4}", {"n": number % 4}, "acme")
        return await cache.get(f"k{number % 4}", "acme") == {"n": number % 4}

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda number: asyncio.run(work(number)), range(200)))
    assert cache.get_metrics()["cache_hits"] == 200
