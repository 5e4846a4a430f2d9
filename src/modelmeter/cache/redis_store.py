"""Answers in a Redis, shared by all processes and nodes; Valkey and ElastiCache speak the same."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import MovedError, RedisClusterException, RedisError

from modelmeter.cache import redis_scripts
from modelmeter.cache.answer import CachedAnswer, decode_answer, encode_answer
from modelmeter.cache.key import CacheKey
from modelmeter.cache.store import Claim, Stored, TenantUsage
from modelmeter.errors import CacheUnavailableError
from modelmeter.record import CacheMiss

if TYPE_CHECKING:
    from redis.commands.core import AsyncScript

__all__ = ["LEASE_SECONDS", "RedisStore"]

LEASE_SECONDS = 12.0
"""How long a claim stands that is not renewed: a node that died holds nobody up for longer."""
CONNECTIONS_MAX = 32
"""To each server; further requests wait for one."""
FORGOTTEN_AT_ONCE = 200

_ALONE_SECONDS = 2.0
_REMEMBERED_TIMES = 4
_REMEMBERED_SECONDS_MIN = 600.0
_REMEMBERED_SECONDS_MAX = 86_400.0
"""For so many times an answer's life, and within these bounds, it is known that there was one."""
_PREFIX = "modelmeter:cache"
_TENANTS = f"{_PREFIX}:tenants"
_SCHEMES = {
    "valkey": "redis",
    "valkeys": "rediss",
    "redis+cluster": "redis",
    "rediss+cluster": "rediss",
}
_LIFETIME_BYTES = 8
_FAULTS = (
    RedisError,
    RedisClusterException,
    OSError,
    TimeoutError,
    # When a cluster's client closes its connections, requests under way on them meet these.
    AttributeError,
    RuntimeError,
)


class _TenantKeys:
    """The names of a tenant's keys."""

    def __init__(self, tenant_id: str) -> None:
        self.digest = hashlib.sha256(tenant_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        self._front = f"{_PREFIX}:{{{self.digest}}}"
        self.index = f"{self._front}:index"
        self.sizes = f"{self._front}:sizes"

    def answer(self, name: str) -> str:
        return f"{self._front}:answer:{name}"

    def remark(self, name: str) -> str:
        return f"{self._front}:remark:{name}"

    def claim(self, name: str) -> str:
        return f"{self._front}:claim:{name}"

    def all_of(self, name: str) -> list[str]:
        """Answer, remark, index and sizes, as the scripts want them."""
        return [self.answer(name), self.remark(name), self.index, self.sizes]


class RedisStore:
    """
    A `CacheStore` on one server or a cluster.

    Its memory is bounded by the server's ``maxmemory``; with a policy such as ``allkeys-lru`` old
    answers make room there, which is counted when they are missed.
    """

    shared = True

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        self._redis = _client(url, timeout_seconds)
        self._timeout_seconds = timeout_seconds
        self._places = asyncio.Semaphore(CONNECTIONS_MAX)
        self._evicted: Counter[str] = Counter()
        register = self._redis.register_script
        self._get: AsyncScript = register(redis_scripts.GET)
        self._put: AsyncScript = register(redis_scripts.PUT)
        self._remark: AsyncScript = register(redis_scripts.REMARK)
        self._forget: AsyncScript = register(redis_scripts.FORGET)
        self._usage: AsyncScript = register(redis_scripts.USAGE)
        self._claim: AsyncScript = register(redis_scripts.CLAIM)
        self._release: AsyncScript = register(redis_scripts.RELEASE)

    async def get(self, tenant_id: str, key: CacheKey) -> Stored | CacheMiss:
        """See `CacheStore.get`."""
        name = key.hex()
        found = await self._run(self._get, _TenantKeys(tenant_id).all_of(name), [name])
        answer, *rest = cast("list[bytes | int | None]", found)
        if isinstance(answer, bytes):
            decoded = decode_answer(answer[_LIFETIME_BYTES:])
            if decoded is None:
                return CacheMiss.FIRST_SEEN
            lifetime_ms = int.from_bytes(answer[:_LIFETIME_BYTES], "big")
            age_ms = max(lifetime_ms - int(rest[0] or 0), 0)
            return Stored(decoded, age_ms / 1000)
        miss = CacheMiss(cast("bytes", rest[0]).decode())
        if miss is CacheMiss.EVICTED and len(rest) > 1:
            self._evicted[tenant_id] += 1
        return miss

    async def put(
        self, tenant_id: str, key: CacheKey, answer: CachedAnswer, *, ttl_seconds: float
    ) -> None:
        """See `CacheStore.put`."""
        name, keys = key.hex(), _TenantKeys(tenant_id)
        lifetime_ms = int(ttl_seconds * 1000)
        if lifetime_ms <= 0:
            await self.delete(tenant_id, key)
            return
        blob = lifetime_ms.to_bytes(_LIFETIME_BYTES, "big") + encode_answer(answer)
        await self._run(
            self._put,
            keys.all_of(name),
            [name, blob, lifetime_ms, answer.size, _remembered_ms(ttl_seconds)],
        )
        await self._ask(lambda: self._redis.hset(_TENANTS, keys.digest, tenant_id))

    async def remark(
        self, tenant_id: str, key: CacheKey, miss: CacheMiss, *, ttl_seconds: float
    ) -> None:
        """See `CacheStore.remark`."""
        name, keys = key.hex(), _TenantKeys(tenant_id)
        lifetime_ms = max(int(ttl_seconds * 1000), 1)
        await self._run(
            self._remark, [keys.answer(name), keys.remark(name)], [miss.value, lifetime_ms]
        )

    async def delete(self, tenant_id: str, key: CacheKey) -> bool:
        """See `CacheStore.delete`."""
        return bool(await self._forget_names(_TenantKeys(tenant_id), [key.hex()]))

    async def clear(self, tenant_id: str | None) -> int:
        """See `CacheStore.clear`."""
        tenants = [tenant_id] if tenant_id is not None else list(await self._tenants())
        gone = 0
        for tenant in tenants:
            keys = _TenantKeys(tenant)
            while names := await self._names(keys):
                gone += await self._forget_names(keys, names)
            await self._ask(partial(self._redis.hdel, _TENANTS, keys.digest))
        return gone

    async def usage(self) -> dict[str, TenantUsage]:
        """See `CacheStore.usage`."""
        used = {}
        for tenant in await self._tenants():
            keys = _TenantKeys(tenant)
            found = await self._run(self._usage, [keys.index, keys.sizes], [])
            answers, size = cast("list[int]", found)
            if answers:
                used[tenant] = TenantUsage(answers, max(size, 0))
        return used

    def take_evictions(self) -> dict[str, int]:
        """See `CacheStore.take_evictions`; those that this process met."""
        evicted = dict(self._evicted)
        self._evicted.clear()
        return evicted

    async def claim(self, tenant_id: str, key: CacheKey, holder: str) -> Claim:
        """See `CacheStore.claim`."""
        claim = _TenantKeys(tenant_id).claim(key.hex())
        answer = await self._run(self._claim, [claim], [holder, int(LEASE_SECONDS * 1000)])
        return Claim(cast("bytes", answer).decode())

    async def release(self, tenant_id: str, key: CacheKey, holder: str, *, alone: bool) -> None:
        """See `CacheStore.release`."""
        keys = _TenantKeys(tenant_id)
        word = "alone" if alone else ""
        await self._run(
            self._release, [keys.claim(key.hex())], [holder, word, int(_ALONE_SECONDS * 1000)]
        )

    async def close(self) -> None:
        """See `CacheStore.close`."""
        await self._redis.aclose()

    async def _tenants(self) -> Iterable[str]:
        """Those who ever had an answer here."""
        found = await self._ask(lambda: self._redis.hvals(_TENANTS))
        return [tenant.decode("utf-8", "surrogatepass") for tenant in cast("list[bytes]", found)]

    async def _names(self, keys: _TenantKeys) -> list[str]:
        found = await self._ask(lambda: self._redis.zrange(keys.index, 0, FORGOTTEN_AT_ONCE - 1))
        return [name.decode() for name in cast("list[bytes]", found)]

    async def _forget_names(self, keys: _TenantKeys, names: Sequence[str]) -> int:
        places = [keys.index, keys.sizes]
        for name in names:
            places += (keys.answer(name), keys.remark(name))
        return int(cast("int", await self._run(self._forget, places, list(names))))

    async def _run(
        self, script: "AsyncScript", keys: Sequence[str], arguments: Sequence[str | bytes | int]
    ) -> object:
        return await self._ask(lambda: script(keys=keys, args=arguments))

    async def _ask(self, request: Callable[[], object]) -> object:
        try:
            # The wait for a place counts too: while the server hangs, nobody waits for longer.
            async with asyncio.timeout(self._timeout_seconds), self._places:
                # A cluster's client that does not know the nodes yet would ask any of them.
                await self._redis.initialize()
                return await cast("Awaitable[object]", request())
        except MovedError as error:
            raise CacheUnavailableError(
                "the cache's Redis is one of a cluster: name that as redis+cluster:// or "
                "rediss+cluster://"
            ) from error
        except _FAULTS as error:
            # The error's own text may name the server and its user.
            raise CacheUnavailableError(
                f"the cache's Redis did not answer ({type(error).__name__})"
            ) from error


def _remembered_ms(ttl_seconds: float) -> int:
    wanted = max(ttl_seconds * _REMEMBERED_TIMES, _REMEMBERED_SECONDS_MIN)
    return int(max(min(wanted, _REMEMBERED_SECONDS_MAX), ttl_seconds) * 1000)


def _client(url: str, timeout_seconds: float) -> "Redis | RedisCluster":
    parts = urlsplit(url)
    plain = urlunsplit(parts._replace(scheme=_SCHEMES.get(parts.scheme, parts.scheme)))
    # A request that failed is not tried again: the call it is for goes on without the cache.
    retry = Retry(NoBackoff(), 0)
    if parts.scheme.endswith("+cluster"):
        return RedisCluster.from_url(
            plain,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            max_connections=CONNECTIONS_MAX,
            retry=retry,
            # One slot at a time is learnt anew; more would close connections that are in use.
            reinitialize_steps=0,
            # Tenants whose node is there are served, whatever became of the others.
            require_full_coverage=False,
        )
    pool = BlockingConnectionPool.from_url(
        plain,
        max_connections=CONNECTIONS_MAX,
        timeout=timeout_seconds,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=retry,
    )
    return Redis.from_pool(pool)
