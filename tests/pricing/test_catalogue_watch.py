"""A newer catalogue's file is taken up by whoever prices calls, and a broken one is not."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelmeter.in_process import InProcess
from modelmeter.pricing import PriceBook, catalogue_watch
from modelmeter.pricing.catalogue_file import (
    bundled_catalogue,
    load_catalogue,
    mark_of,
    write_catalogue,
)
from modelmeter.pricing.catalogue_watch import CatalogueWatch
from modelmeter.record import CostState, TokenCounts

NOW = datetime(2026, 11, 20, tzinfo=UTC)
AT_NS = int(NOW.timestamp()) * 10**9
TOKENS = TokenCounts(input=1000)
WAIT_SECONDS = 30.0


def write_prices(path: Path, usd: str, *, context_window: int = 128_000) -> None:
    """A catalogue in which the input of gpt-4o costs ``usd`` a million tokens."""
    write_catalogue(path, bundled_catalogue(), NOW)
    content = json.loads(path.read_bytes())
    for provider in content["providers"]:
        for model in provider["models"]:
            if (provider["id"], model["id"]) == ("openai", "gpt-4o"):
                model["prices"]["input_mtok"] = usd
                model["context_window"] = context_window
    whole = path.with_name("whole.json")
    whole.write_text(json.dumps(content))
    whole.replace(path)


def cost(book: PriceBook) -> int:
    return book.price("openai", "gpt-4o", TOKENS, AT_NS).cost


def fault(book: PriceBook) -> str | None:
    return book.catalogue.fallback


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "prices.json"
    write_prices(found, "2.5")
    return found


def test_prices_that_were_asked_for_before_are_those_of_the_newer_catalogue(path: Path) -> None:
    book = PriceBook(catalogue=load_catalogue(path))
    watch = CatalogueWatch(book, path)
    before = cost(book), book.context_window("openai", "gpt-4o"), book.catalogue

    watch.check(path)
    assert book.catalogue is before[2]

    write_prices(path, "7", context_window=9000)
    watch.check(path)
    taken = book.catalogue
    watch.check(path)

    assert before[:2] == (2_500_000_000, 128_000)
    assert (cost(book), book.context_window("openai", "gpt-4o")) == (7_000_000_000, 9000)
    assert book.catalogue is taken


@pytest.mark.parametrize("content", [None, "", "[]", '{"providers": 7}', "a negative price"])
def test_a_file_that_is_broken_changes_no_price_and_is_told_until_it_is_good_again(
    path: Path, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    book = PriceBook(catalogue=load_catalogue(path))
    watch = CatalogueWatch(book, path)
    if content is None:
        path.unlink()
    elif content == "a negative price":
        write_prices(path, "-1")
    else:
        path.write_text(content)

    with caplog.at_level(logging.WARNING):
        watch.check(path)
        watch.check(path)

    assert (cost(book), len(caplog.records)) == (2_500_000_000, 1)
    assert str(path) in str(fault(book))

    write_prices(path, "3")
    watch.check(path)
    assert (cost(book), fault(book)) == (3_000_000_000, None)


def test_a_file_that_was_missing_at_the_start_is_taken_up_when_it_is_there(
    tmp_path: Path,
) -> None:
    path = tmp_path / "later.json"
    book = PriceBook(catalogue=load_catalogue(path))
    watch = CatalogueWatch(book, path)
    watch.check(path)
    before = fault(book)

    write_prices(path, "7")
    watch.check(path)

    assert "later.json" in str(before)
    assert (cost(book), fault(book)) == (7_000_000_000, None)


def test_a_model_that_only_the_newer_catalogue_knows_is_priced_at_once(path: Path) -> None:
    book = PriceBook(catalogue=load_catalogue(path))
    watch = CatalogueWatch(book, path)
    unknown = book.price("openai", "gpt-99", TOKENS, AT_NS)

    content = json.loads(path.read_bytes())
    (openai,) = (one for one in content["providers"] if one["id"] == "openai")
    openai["models"].append(
        {"id": "gpt-99", "match": {"equals": "gpt-99"}, "prices": {"input_mtok": "4"}}
    )
    path.write_text(json.dumps(content))
    watch.check(path)

    known = book.price("openai", "gpt-99", TOKENS, AT_NS)
    assert (unknown.state, known.state) == (CostState.UNPRICED, CostState.PRICED)
    assert known.cost == 4_000_000_000


def test_threads_that_price_meanwhile_never_see_a_mixture(tmp_path: Path) -> None:
    cheap, dear = tmp_path / "cheap.json", tmp_path / "dear.json"
    write_prices(cheap, "2.5")
    write_prices(dear, "7")
    catalogues = load_catalogue(cheap), load_catalogue(dear)
    book = PriceBook(catalogue=catalogues[0])
    seen: set[int] = set()
    over = threading.Event()
    faults: list[BaseException] = []

    def price() -> None:
        try:
            while not over.is_set():
                seen.add(cost(book))
        except BaseException as error:  # noqa: BLE001 - told by the test, not by a thread
            faults.append(error)

    threads = [threading.Thread(target=price) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(60):
        book.take(catalogues[turn % 2])
        # What another thread began to look up before must not be remembered as today's.
        assert cost(book) == (2_500_000_000, 7_000_000_000)[turn % 2]
    over.set()
    for thread in threads:
        thread.join()

    assert (seen, faults) == ({2_500_000_000, 7_000_000_000}, [])


def test_a_catalogue_s_file_is_there_and_whole_at_every_moment_of_an_update(path: Path) -> None:
    gone = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            if mark_of(path) is None:
                gone.append(True)

    looking = threading.Thread(target=look)
    looking.start()
    for _ in range(20):
        write_catalogue(path, bundled_catalogue(), NOW)
    over.set()
    looking.join()

    assert not gone


async def test_the_watch_looks_by_itself_and_survives_a_fault(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(catalogue_watch, "CATALOGUE_CHECK_SECONDS", 0.01)
    book = PriceBook(catalogue=load_catalogue(path))
    watch = CatalogueWatch(book, path)
    checks = iter([ZeroDivisionError("a fault")])
    check = watch.check

    def faulty(path: Path) -> None:
        for fault in checks:
            raise fault
        check(path)

    monkeypatch.setattr(watch, "check", faulty)
    loop, kept, taken = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    for name, event in (("keep", kept), ("take", taken)):
        monkeypatch.setattr(book, name, _and_then(getattr(book, name), loop, event))
    async with watch, asyncio.timeout(WAIT_SECONDS):
        await kept.wait()
        assert fault(book) is not None
        write_prices(path, "7")
        await taken.wait()

    assert (cost(book), fault(book)) == (7_000_000_000, None)
    assert "could not be read" in caplog.text


def _and_then(
    method: Callable[[object], None], loop: asyncio.AbstractEventLoop, event: asyncio.Event
) -> Callable[[object], None]:
    """``method``, which sets ``event`` when it has run, in whatever thread."""

    def run(argument: object) -> None:
        method(argument)
        loop.call_soon_threadsafe(event.set)

    return run


async def test_without_a_file_of_its_own_nothing_is_watched() -> None:
    book = PriceBook()
    async with CatalogueWatch(book, None):
        tasks = asyncio.all_tasks()

    assert tasks == {asyncio.current_task()}


def test_a_program_that_uses_the_library_takes_it_up_as_well(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue_watch, "CATALOGUE_CHECK_SECONDS", 0.01)
    config = tmp_path / "modelmeter.toml"
    config.write_text(f'ledger = "{tmp_path / "ledger.db"}"\n[prices]\ncatalogue = "{path}"\n')
    here = InProcess({"MODELMETER_CONFIG": str(config)})
    try:
        assert cost(here.pricer) == 2_500_000_000
        write_prices(path, "7")
        deadline = time.monotonic() + WAIT_SECONDS
        while cost(here.pricer) != 7_000_000_000:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        here.close()


async def test_at_the_end_of_a_program_the_watch_ends_and_prices_stay(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its other threads may call on for long, but no thread can be begun any more."""
    monkeypatch.setattr(catalogue_watch, "CATALOGUE_CHECK_SECONDS", 0.01)
    over = ThreadPoolExecutor()
    over.shutdown()
    asyncio.get_running_loop().set_default_executor(over)
    book = PriceBook(catalogue=load_catalogue(path))
    before = asyncio.all_tasks()

    async with CatalogueWatch(book, path):
        _, unended = await asyncio.wait(asyncio.all_tasks() - before, timeout=5)

    assert not unended
    assert fault(book) is None
    assert caplog.text == ""


def test_a_file_that_was_broken_at_the_start_is_told_once_and_taken_up_when_it_is_good(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_text("[]")
    book = PriceBook(catalogue=load_catalogue(path))
    watch = CatalogueWatch(book, path)

    watch.check(path)
    watch.check(path)
    assert caplog.text.count("lacks openai") == 1
    assert fault(book) is not None

    write_prices(path, "7")
    watch.check(path)
    assert fault(book) is None
    assert cost(book) == 7_000_000_000
