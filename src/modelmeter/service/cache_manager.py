"""A program's own cache of answers, by tenant, over any service that keeps values."""

import logging
import threading
from typing import Protocol

import msgspec

from modelmeter.cache import CachedAnswer, CacheKey, KeyParts, MemoryStore, Stored, cache_key
from modelmeter.providers import ResponseFacts
from modelmeter.record import SystemClock

__all__ = ["BYTES_MAX", "CacheManager", "CacheService"]

logger = logging.getLogger(__name__)

BYTES_MAX = 64 * 1024 * 1024
"""Of the memory store of one manager."""

Value = dict[str, object]


class CacheService(Protocol):
    """Where values are kept; several programs of the platform may share it."""

    async def get(self, key: str, tenant_id: str) -> object:
        """What was kept, or None."""
        ...

    async def set(self, key: str, value: Value, tenant_id: str, *, ttl: int) -> object:
        """Keep a value for ``ttl`` seconds."""
        ...

    async def delete(self, key: str, tenant_id: str) -> object:
        """Forget a value."""
        ...


class CacheManager:
    """
    Keeps answers for programs that make their calls themselves.

    A key holds all that the answer depends on and its tenant; and the service gets keys of which
    no two tenants share one, whatever the caller's key. A service that fails is a miss: calls go
    on.
    """

    def __init__(self, cache_service: CacheService | None = None, default_ttl: int = 3600) -> None:
        """``default_ttl`` in seconds; without a service values are kept in memory."""
        self._service: CacheService = _InMemory() if cache_service is None else cache_service
        self._default_ttl = default_ttl
        self._turn = threading.Lock()
        self._hits = 0
        self._misses = 0

    def generate_cache_key(
        self, prompt: str, model: str, temperature: float, max_tokens: int, tenant_id: str
    ) -> str:
        """The key of a request: equal for equal requests of one tenant, and for no others."""
        body = msgspec.json.encode(
            {
                "prompt": prompt,
                "temperature": float(temperature),
                "max_tokens": max_tokens,
            }
        )
        parts = KeyParts(
            tenant_id=tenant_id, credential=b"", provider=model, endpoint="prompt", body=body
        )
        return f"llm:{cache_key(parts).hex()}"

    async def get(self, cache_key: str, tenant_id: str) -> Value | None:
        """What a tenant has kept under a key, or None; counted as a hit or a miss."""
        try:
            found = await self._service.get(_place(cache_key, tenant_id), tenant_id)
        except Exception:
            # Whatever a foreign service raises, the call that asks goes on without it.
            logger.warning("the cache was not asked", exc_info=True)
            found = None
        value = _value(found)
        with self._turn:
            if value is None:
                self._misses += 1
            else:
                self._hits += 1
        return value

    async def set(
        self, cache_key: str, value: Value, tenant_id: str, ttl: int | None = None
    ) -> bool:
        """Keep a value for ``ttl`` seconds; whether it is kept."""
        seconds = self._default_ttl if ttl is None else ttl
        try:
            await self._service.set(_place(cache_key, tenant_id), value, tenant_id, ttl=seconds)
        except Exception:
            logger.warning("an answer was not kept", exc_info=True)
            return False
        return True

    async def invalidate(self, cache_key: str, tenant_id: str) -> bool:
        """Forget a value; whether the service did."""
        try:
            done = await self._service.delete(_place(cache_key, tenant_id), tenant_id)
        except Exception:
            logger.warning("an answer was not forgotten", exc_info=True)
            return False
        return done is not False

    def get_metrics(self) -> dict[str, float]:
        """Hits, misses, their sum, and the share of hits in percent."""
        with self._turn:
            hits, misses = self._hits, self._misses
        total = hits + misses
        return {
            "cache_hits": hits,
            "cache_misses": misses,
            "total_requests": total,
            "hit_rate_percent": 100.0 * hits / total if total else 0.0,
        }

    def reset_metrics(self) -> None:
        """Count anew."""
        with self._turn:
            self._hits = self._misses = 0


def _place(key: str, tenant_id: str) -> str:
    """The key in the service: one that forgets to part tenants must not mix them."""
    parts = KeyParts(
        tenant_id=tenant_id, credential=b"", provider="", endpoint="place", body=key.encode()
    )
    return f"llm:{cache_key(parts).hex()}"


def _value(found: object) -> Value | None:
    """What a service gave; some give back the JSON of what they were given."""
    if isinstance(found, str | bytes):
        try:
            found = msgspec.json.decode(found)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
    return found if isinstance(found, dict) else None


class _InMemory:
    """The memory store as a service; its methods never wait, so one lock is enough."""

    def __init__(self) -> None:
        self._store = MemoryStore(bytes_max=BYTES_MAX, clock=SystemClock())
        self._turn = threading.Lock()

    async def get(self, key: str, tenant_id: str) -> object:
        with self._turn:
            found = await self._store.get(tenant_id, _digest(key))
        return found.answer.body if isinstance(found, Stored) else None

    async def set(self, key: str, value: Value, tenant_id: str, *, ttl: int) -> object:
        answer = CachedAnswer(msgspec.json.encode(value), ResponseFacts())
        with self._turn:
            await self._store.put(tenant_id, _digest(key), answer, ttl_seconds=ttl)
        return True

    async def delete(self, key: str, tenant_id: str) -> object:
        with self._turn:
            return await self._store.delete(tenant_id, _digest(key))


def _digest(key: str) -> CacheKey:
    return bytes.fromhex(key.rpartition(":")[2])
