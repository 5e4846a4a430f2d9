"""The response cache of a process, for all its threads and event loops."""

from modelmeter.cache import CachedAnswer, CacheRequest, CacheTurn, ResponseCache, Stored
from modelmeter.cache.upkeep import CacheUpkeep
from modelmeter.record import CacheMiss
from modelmeter.service.process_ledger import ProcessLedger

__all__ = ["ProcessCache"]


class ProcessCache:
    """A cache that lives in the process' own event loop; see `modelmeter.service.caching`."""

    def __init__(self, cache: ResponseCache, ledger: ProcessLedger) -> None:
        self._cache = cache
        self._ledger = ledger
        self._upkeep: CacheUpkeep | None = None
        ledger.run(self._open())

    async def begin(self, request: CacheRequest) -> "_Turn | None":
        """See `ResponseCache.begin`."""
        turn = await self._ledger.there(self._cache.begin(request))
        return None if turn is None else _Turn(turn, self._ledger)

    def close(self) -> None:
        """Release the store."""
        self._ledger.run(self._close())

    async def _open(self) -> None:
        ledger = self._ledger.of_running_loop()
        self._upkeep = CacheUpkeep(self._cache, ledger, self._ledger.path)
        await self._upkeep.__aenter__()

    async def _close(self) -> None:
        if self._upkeep is not None:
            await self._upkeep.__aexit__()
        await self._cache.close()


class _Turn:
    """A turn whose end is told in the cache's own loop."""

    def __init__(self, turn: CacheTurn, ledger: ProcessLedger) -> None:
        self.stored: Stored | None = turn.stored
        self.miss: CacheMiss | None = turn.miss
        self.bytes_max = turn.bytes_max
        self._turn = turn
        self._ledger = ledger

    async def keep(self, answer: CachedAnswer) -> None:
        await self._ledger.there(self._turn.keep(answer))

    async def keep_nothing(self) -> None:
        await self._ledger.there(self._turn.keep_nothing())

    async def end(self) -> None:
        await self._ledger.there(self._turn.end())
