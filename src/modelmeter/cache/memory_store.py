"""Answers in this process' memory: the least recently used one makes room."""

from collections import OrderedDict, defaultdict

import msgspec

from modelmeter.cache.answer import CachedAnswer
from modelmeter.cache.key import CacheKey
from modelmeter.cache.store import Claim, Stored, TenantUsage
from modelmeter.record import CacheMiss, Clock

__all__ = ["MemoryStore"]

REMARKS_MAX = 20_000
"""Keys without an answer of which it is remembered why; the oldest makes room."""

_NS = 1_000_000_000
Place = tuple[str, CacheKey]


class _Kept(msgspec.Struct, frozen=True):
    answer: CachedAnswer
    size: int
    stored_ns: int
    ends_ns: int


class MemoryStore:
    """
    A store for one event loop, bounded by bytes.

    Ages are of the monotonic clock: no jump of the wall clock makes an answer younger.
    """

    shared = False

    def __init__(self, *, bytes_max: int, clock: Clock) -> None:
        self._bytes_max = bytes_max
        self._clock = clock
        self._kept: OrderedDict[Place, _Kept] = OrderedDict()
        self._remarks: OrderedDict[Place, CacheMiss] = OrderedDict()
        self._usage: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
        self._bytes = 0
        self._evicted: defaultdict[str, int] = defaultdict(int)

    async def get(self, tenant_id: str, key: CacheKey) -> Stored | CacheMiss:
        """See `CacheStore.get`."""
        place = (tenant_id, key)
        kept = self._kept.get(place)
        if kept is None:
            return self._remarks.get(place, CacheMiss.FIRST_SEEN)
        now_ns = self._clock.monotonic_ns()
        if now_ns >= kept.ends_ns:
            self._drop(place)
            self._remark(place, CacheMiss.EXPIRED)
            return CacheMiss.EXPIRED
        self._kept.move_to_end(place)
        return Stored(kept.answer, (now_ns - kept.stored_ns) / _NS)

    async def put(
        self, tenant_id: str, key: CacheKey, answer: CachedAnswer, *, ttl_seconds: float
    ) -> None:
        """See `CacheStore.put`."""
        place = (tenant_id, key)
        self._drop(place)
        size = answer.size
        if ttl_seconds <= 0:
            return
        if size > self._bytes_max:
            self._remark(place, CacheMiss.NOT_STORED)
            return
        now_ns = self._clock.monotonic_ns()
        self._make_room(size, now_ns)
        self._kept[place] = _Kept(answer, size, now_ns, now_ns + int(ttl_seconds * _NS))
        self._remarks.pop(place, None)
        self._bytes += size
        usage = self._usage[tenant_id]
        usage[0] += 1
        usage[1] += size

    async def remark(
        self, tenant_id: str, key: CacheKey, miss: CacheMiss, *, ttl_seconds: float
    ) -> None:
        """See `CacheStore.remark`; here a remark stays until newer ones fill its place."""
        self._remark((tenant_id, key), miss)

    async def delete(self, tenant_id: str, key: CacheKey) -> bool:
        """See `CacheStore.delete`."""
        place = (tenant_id, key)
        self._remarks.pop(place, None)
        kept = self._drop(place)
        return kept is not None and self._clock.monotonic_ns() < kept.ends_ns

    async def clear(self, tenant_id: str | None) -> int:
        """See `CacheStore.clear`."""
        places = [place for place in self._kept if tenant_id in (None, place[0])]
        for place in places:
            self._drop(place)
        for place in [place for place in self._remarks if tenant_id in (None, place[0])]:
            del self._remarks[place]
        return len(places)

    async def usage(self) -> dict[str, TenantUsage]:
        """See `CacheStore.usage`; answers that expired are dropped first."""
        now_ns = self._clock.monotonic_ns()
        for place in [place for place, kept in self._kept.items() if now_ns >= kept.ends_ns]:
            self._drop(place)
            self._remark(place, CacheMiss.EXPIRED)
        return {tenant: TenantUsage(*used) for tenant, used in self._usage.items()}

    def take_evictions(self) -> dict[str, int]:
        """See `CacheStore.take_evictions`."""
        evicted = dict(self._evicted)
        self._evicted.clear()
        return evicted

    async def claim(self, tenant_id: str, key: CacheKey, holder: str) -> Claim:
        """Nobody else uses this memory."""
        return Claim.LEAD

    async def release(self, tenant_id: str, key: CacheKey, holder: str, *, alone: bool) -> None:
        """Nobody else waits."""

    async def close(self) -> None:
        """Memory needs no closing."""

    def _make_room(self, size: int, now_ns: int) -> None:
        while self._bytes + size > self._bytes_max:
            place, kept = next(iter(self._kept.items()))
            self._drop(place)
            if now_ns < kept.ends_ns:
                self._remark(place, CacheMiss.EVICTED)
                self._evicted[place[0]] += 1
            else:
                self._remark(place, CacheMiss.EXPIRED)

    def _drop(self, place: Place) -> _Kept | None:
        kept = self._kept.pop(place, None)
        if kept is not None:
            self._bytes -= kept.size
            usage = self._usage[place[0]]
            usage[0] -= 1
            usage[1] -= kept.size
            if not usage[0]:
                del self._usage[place[0]]
        return kept

    def _remark(self, place: Place, miss: CacheMiss) -> None:
        self._remarks[place] = miss
        self._remarks.move_to_end(place)
        if len(self._remarks) > REMARKS_MAX:
            self._remarks.popitem(last=False)
