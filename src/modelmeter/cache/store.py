"""The seam to where answers are kept."""

from enum import StrEnum
from typing import Protocol

import msgspec

from modelmeter.cache.answer import CachedAnswer
from modelmeter.cache.key import CacheKey
from modelmeter.record import CacheMiss

__all__ = ["CacheStore", "Claim", "Stored", "TenantUsage"]


class Stored(msgspec.Struct, frozen=True):
    """An answer that is still good."""

    answer: CachedAnswer
    age_seconds: float


class TenantUsage(msgspec.Struct, frozen=True):
    """What a tenant has in a store."""

    answers: int = 0
    bytes: int = 0


class Claim(StrEnum):
    """What a node is to do about a call that others on other nodes may make at this moment."""

    LEAD = "lead"
    """Make it, and tell the others by `CacheStore.put` or `CacheStore.release`."""
    WAIT = "wait"
    """Another node makes it; ask again in a moment."""
    ALONE = "alone"
    """It was made, and its answer could not be kept; make it without a claim."""


class CacheStore(Protocol):
    """
    Keeps answers by tenant and key, each for its time to live.

    Every awaitable method raises CacheUnavailableError if the store does not answer in time.
    """

    shared: bool
    """Other processes use it too, so that calls are claimed there."""

    async def get(self, tenant_id: str, key: CacheKey) -> Stored | CacheMiss:
        """The answer, or why there is none."""
        ...

    async def put(
        self, tenant_id: str, key: CacheKey, answer: CachedAnswer, *, ttl_seconds: float
    ) -> None:
        """Keep an answer; with no time to live it is not kept."""
        ...

    async def remark(
        self, tenant_id: str, key: CacheKey, miss: CacheMiss, *, ttl_seconds: float
    ) -> None:
        """Have `get` answer ``miss`` for a key without an answer."""
        ...

    async def delete(self, tenant_id: str, key: CacheKey) -> bool:
        """Forget an answer; whether there was one."""
        ...

    async def clear(self, tenant_id: str | None) -> int:
        """Forget all answers of a tenant (None: of all); how many there were."""
        ...

    async def usage(self) -> dict[str, TenantUsage]:
        """What each tenant has in the store."""
        ...

    def take_evictions(self) -> dict[str, int]:
        """How many answers of each tenant made room since this was last asked."""
        ...

    async def claim(self, tenant_id: str, key: CacheKey, holder: str) -> Claim:
        """Ask to be the one node that makes a call; a holder that asks again keeps its claim."""
        ...

    async def release(self, tenant_id: str, key: CacheKey, holder: str, *, alone: bool) -> None:
        """
        Give a claim up.

        ``alone``: the call was made, but its answer is not to be shared, so that those who wait
        need not make it one after the other.
        """
        ...

    async def close(self) -> None:
        """Release what the store holds on to."""
        ...
