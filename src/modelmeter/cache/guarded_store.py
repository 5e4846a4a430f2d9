"""A store behind a short circuit: while it is down, nobody waits for its timeouts."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from modelmeter.cache.answer import CachedAnswer
from modelmeter.cache.key import CacheKey
from modelmeter.cache.store import CacheStore, Claim, Stored, TenantUsage
from modelmeter.errors import CacheUnavailableError
from modelmeter.record import CacheMiss, Clock

__all__ = ["PAUSE_SECONDS", "GuardedStore"]

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 2.0
"""How long a store is left alone after it failed; then one request tries it."""

_NS = 1_000_000_000
_T = TypeVar("_T")


class GuardedStore:
    """The `CacheStore` inside, asked only while it answers."""

    def __init__(self, inner: CacheStore, clock: Clock) -> None:
        self.shared = inner.shared
        self.failures = 0
        """Requests that the store did not answer."""
        self._inner = inner
        self._clock = clock
        self._open_until_ns: int | None = None
        self._trying = False

    @property
    def is_down(self) -> bool:
        """The last request failed."""
        return self._open_until_ns is not None

    async def get(self, tenant_id: str, key: CacheKey) -> Stored | CacheMiss:
        """See `CacheStore.get`."""
        return await self._ask(lambda: self._inner.get(tenant_id, key))

    async def put(
        self, tenant_id: str, key: CacheKey, answer: CachedAnswer, *, ttl_seconds: float
    ) -> None:
        """See `CacheStore.put`."""
        await self._ask(lambda: self._inner.put(tenant_id, key, answer, ttl_seconds=ttl_seconds))

    async def remark(
        self, tenant_id: str, key: CacheKey, miss: CacheMiss, *, ttl_seconds: float
    ) -> None:
        """See `CacheStore.remark`."""
        await self._ask(lambda: self._inner.remark(tenant_id, key, miss, ttl_seconds=ttl_seconds))

    async def delete(self, tenant_id: str, key: CacheKey) -> bool:
        """See `CacheStore.delete`."""
        return await self._ask(lambda: self._inner.delete(tenant_id, key))

    async def clear(self, tenant_id: str | None) -> int:
        """See `CacheStore.clear`."""
        return await self._ask(lambda: self._inner.clear(tenant_id))

    async def usage(self) -> dict[str, TenantUsage]:
        """See `CacheStore.usage`."""
        return await self._ask(self._inner.usage)

    def take_evictions(self) -> dict[str, int]:
        """See `CacheStore.take_evictions`."""
        return self._inner.take_evictions()

    async def claim(self, tenant_id: str, key: CacheKey, holder: str) -> Claim:
        """See `CacheStore.claim`."""
        return await self._ask(lambda: self._inner.claim(tenant_id, key, holder))

    async def release(self, tenant_id: str, key: CacheKey, holder: str, *, alone: bool) -> None:
        """See `CacheStore.release`."""
        await self._ask(lambda: self._inner.release(tenant_id, key, holder, alone=alone))

    async def close(self) -> None:
        """See `CacheStore.close`."""
        await self._inner.close()

    async def _ask(self, request: Callable[[], Awaitable[_T]]) -> _T:
        if self._open_until_ns is not None:
            if self._trying or self._clock.monotonic_ns() < self._open_until_ns:
                raise CacheUnavailableError("the cache's store is down")
            self._trying = True
        try:
            answer = await request()
        except CacheUnavailableError as error:
            if not self.is_down:
                logger.warning("calls go on without the cache: %s", error)
            self.failures += 1
            self._open_until_ns = self._clock.monotonic_ns() + int(PAUSE_SECONDS * _NS)
            raise
        else:
            if self.is_down:
                logger.warning("the cache is in use again")
            self._open_until_ns = None
            return answer
        finally:
            self._trying = False
