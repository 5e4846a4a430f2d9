"""What the ledger knows of a running cache, and what is left when it ends or is turned off."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cache_cases import PARTS, answer_of, request_of
from ledger_file import query
from test_cache_turns import miss_and_keep

from modelmeter.cache import KeyParts, MemoryStore, ResponseCache
from modelmeter.cache.upkeep import CacheUpkeep
from modelmeter.ledger import Ledger
from modelmeter.ledger.cache_table import CacheStatus, order_clearing
from modelmeter.ledger.database import connect_writer
from modelmeter.record import SystemClock
from modelmeter.settings.cache import CacheSettings
from modelmeter.settings.model import Settings
from modelmeter.wiring import open_ledger, price_book, response_cache

SECONDS_MAX = 60
SIZE = answer_of("0").size
USAGE = "SELECT tenant_id, answers, bytes FROM cache_usage ORDER BY 1"
EVICTIONS = "SELECT whole FROM series WHERE kind = 'cache_evictions'"


async def until(condition: Callable[[], bool]) -> None:
    """Poll within a bound."""
    async with asyncio.timeout(SECONDS_MAX):
        while not condition():  # noqa: ASYNC110 - the ledger's thread
            await asyncio.sleep(0.05)


def settings_of(folder: Path, *, enabled: bool) -> Settings:
    """A configuration with or without a cache."""
    return Settings(ledger=folder / "ledger.db", cache=CacheSettings(enabled=enabled))


def parts_with(body: bytes) -> KeyParts:
    """The usual parts of a key with another body."""
    return msgspec.structs.replace(PARTS, body=body)


def order(path: Path, tenant_id: str) -> None:
    """Have a tenant's answers cleared."""
    connection = connect_writer(path)
    order_clearing(connection, tenant_id, SystemClock().time_ns())
    connection.close()


def opened(settings: Settings) -> Ledger:
    """Its ledger."""
    return open_ledger(settings, price_book(settings))


async def test_the_ledger_is_told_of_contents_and_evictions_and_of_the_end(
    tmp_path: Path,
) -> None:
    settings = settings_of(tmp_path, enabled=True)
    ledger = opened(settings)
    clock = SystemClock()
    cache = ResponseCache(settings.cache, MemoryStore(bytes_max=2 * SIZE, clock=clock), clock)
    async with CacheUpkeep(cache, ledger, settings.ledger):
        for number in range(3):
            body = b'{"n":%d}' % number
            await miss_and_keep(cache, request_of(parts_with(body)), str(number))
        await until(lambda: query(settings.ledger, USAGE) == [("acme", 2, 2 * SIZE)])
        assert query(settings.ledger, EVICTIONS) == [(1,)]

    assert query(settings.ledger, USAGE) == []
    assert query(settings.ledger, EVICTIONS) == [(1,)]
    ledger.writer.close()


async def test_evictions_count_once_though_the_end_comes_while_the_ledger_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path, enabled=True)
    ledger = opened(settings)
    clock = SystemClock()
    tell, told = ledger.cache_status, asyncio.Event()

    async def tell_and_hear_nothing(status: CacheStatus) -> None:
        await tell(status)
        if not told.is_set():
            told.set()
            await asyncio.Event().wait()

    monkeypatch.setattr(ledger, "cache_status", tell_and_hear_nothing)
    cache = ResponseCache(settings.cache, MemoryStore(bytes_max=SIZE, clock=clock), clock)
    async with CacheUpkeep(cache, ledger, settings.ledger), asyncio.timeout(SECONDS_MAX):
        for number in range(2):
            body = b'{"n":%d}' % number
            await miss_and_keep(cache, request_of(parts_with(body)), str(number))
        await told.wait()

    assert query(settings.ledger, EVICTIONS) == [(1,)]
    ledger.writer.close()


async def test_an_order_from_before_the_start_is_nothing_to_a_new_process(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, enabled=True)
    ledger = opened(settings)
    order(settings.ledger, "acme")
    async with response_cache(settings, ledger) as cache:
        assert cache is not None
        await miss_and_keep(cache, request_of(), "one")
        await until(lambda: query(settings.ledger, USAGE) != [])

        order(settings.ledger, "globex")
        order(settings.ledger, "acme")

        await until(lambda: query(settings.ledger, USAGE) == [])
    ledger.writer.close()


async def test_what_a_shared_store_held_is_forgotten_once_caching_is_turned_off(
    tmp_path: Path,
) -> None:
    settings = settings_of(tmp_path, enabled=False)
    ledger = opened(settings)
    await ledger.cache_status(CacheStatus(usage={"acme": (7, 7000)}, evictions={}, shared=True))

    async with response_cache(settings, ledger) as cache:
        assert cache is None
        assert query(settings.ledger, USAGE) == []
    ledger.writer.close()
