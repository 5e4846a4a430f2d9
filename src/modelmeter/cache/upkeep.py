"""What runs beside a cache: its state goes to the ledger, orders to clear it come from there."""

import asyncio
import logging
import sqlite3
from collections import Counter
from pathlib import Path

from modelmeter.cache.response_cache import ResponseCache
from modelmeter.errors import CacheUnavailableError, LedgerError, LedgerLateError
from modelmeter.ledger import Ledger
from modelmeter.ledger.cache_table import (
    CacheStatus,
    cache_usage,
    clearings_after,
    newest_clearing,
)
from modelmeter.ledger.read_only import connect_reader

__all__ = ["CacheUpkeep", "forget_usage"]

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 2.0
"""How often the ledger is told of this process' store, and asked for orders."""
SHARED_INTERVAL_SECONDS = 5.0
"""How often the ledger is told of a store that all processes use."""


async def forget_usage(ledger: Ledger, ledger_path: Path) -> None:
    """
    Take back what was said of caches while caching was configured; without it there is nothing.

    Raises:
        LedgerError: the ledger cannot be used.
    """
    connection = connect_reader(ledger_path)
    try:
        said = cache_usage(connection)
    finally:
        connection.close()
    if said:
        await ledger.cache_status(CacheStatus(usage={}, evictions={}, shared=False))


class CacheUpkeep:
    """Keeps the ledger and a cache in touch, as long as its context lasts."""

    def __init__(self, cache: ResponseCache, ledger: Ledger, ledger_path: Path) -> None:
        """
        Raises:
            LedgerError: the ledger cannot be read.
        """
        self._cache = cache
        self._ledger = ledger
        self._connection = connect_reader(ledger_path)
        self._cleared_upto = newest_clearing(self._connection)
        self._evictions: Counter[str] = Counter()
        self._told: CacheStatus | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "CacheUpkeep":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if not self._cache.shared:
            await self._cache.clear(None)
        await self._tell()
        self._connection.close()

    async def _run(self) -> None:
        shared = self._cache.shared
        while True:
            await asyncio.sleep(SHARED_INTERVAL_SECONDS if shared else INTERVAL_SECONDS)
            await self._obey()
            await self._tell()

    async def _obey(self) -> None:
        """A shared store is cleared by whoever orders it; a process' own only by the process."""
        if self._cache.shared:
            return
        try:
            orders = await asyncio.to_thread(clearings_after, self._connection, self._cleared_upto)
            for seq, tenant_id in orders:
                await self._cache.clear(tenant_id)
                self._cleared_upto = seq
        except (sqlite3.Error, CacheUnavailableError) as error:
            logger.warning("orders to clear the cache could not be carried out: %s", error)

    async def _tell(self) -> None:
        self._evictions.update(self._cache.take_evictions())
        usage = await self._cache.usage()
        status = CacheStatus(
            usage={tenant: (used.answers, used.bytes) for tenant, used in usage.items()},
            evictions=dict(self._evictions),
            shared=self._cache.shared,
        )
        if status == self._told:
            return
        # Cancelled while it waits, or late, it may be told all the same: they count once.
        told, self._evictions = self._evictions, Counter()
        try:
            await self._ledger.cache_status(status)
        except LedgerError as error:
            logger.warning("the ledger was not told of the cache: %s", error)
            if not isinstance(error, LedgerLateError):
                self._evictions.update(told)
        else:
            # Evictions are told once; were there none, the same status need not be told again.
            self._told = status if not status.evictions else None
