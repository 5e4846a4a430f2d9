"""A scrape reads, and what it would write beside must not hold it up."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from modelmeter.gateway import scrape as scraping
from modelmeter.gateway.budget_samples import BudgetWatch
from modelmeter.gateway.process_samples import ProcessCounts
from modelmeter.gateway.scrape import Scrape
from modelmeter.ledger import Ledger, LedgerWriter
from modelmeter.ledger.transaction import Relayed
from modelmeter.meter import lost_call
from modelmeter.metrics import ProcessSample
from modelmeter.pricing import PriceBook

SECOND_NS = 1_000_000_000


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_ns = 1_790_000_000 * SECOND_NS

    def time_ns(self) -> int:
        return self.now_ns

    def monotonic_ns(self) -> int:
        return self.now_ns


class StuckLedger(Ledger):
    """Its disk does not answer."""

    async def show_series(self, born_until_ns: int) -> None:
        await asyncio.get_running_loop().create_future()


class NoCounts:
    """A process that counts nothing for itself."""

    def samples(self) -> list[ProcessSample]:
        return []


@pytest.fixture(name="clock")
def hand_clock() -> HandClock:
    return HandClock()


@pytest.fixture(name="writer")
def writer_of_a_ledger(tmp_path: Path, clock: HandClock) -> Iterator[LedgerWriter]:
    writer = LedgerWriter(
        tmp_path / "ledger.db", clock=clock, lost_call=lambda one: lost_call(one, PriceBook({}))
    )
    yield writer
    writer.close()


async def test_a_scrape_does_not_wait_for_a_ledger_that_is_stuck(
    tmp_path: Path, clock: HandClock, writer: LedgerWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prometheus would give it up, and lose all metrics when they are needed most."""
    monkeypatch.setattr(scraping, "SHOWN_WAIT_SECONDS", 0.01)
    stuck = StuckLedger(writer, wait_seconds=30)
    async with BudgetWatch(tmp_path / "ledger.db", clock) as budgets:
        scrape = Scrape(
            stuck,
            tmp_path / "ledger.db",
            cast("ProcessCounts", NoCounts()),
            budgets,
            clock,
            scrape_interval_seconds=15,
        )
        try:
            writer.submit(Relayed("openai", "2xx"))
            await stuck.probe()
            clock.now_ns += 60 * SECOND_NS

            async with asyncio.timeout(30):
                text, _ = await scrape.render("text/plain")
        finally:
            scrape.close()

    name = "modelmeter_relayed_requests_total"
    (sample,) = [line for line in text.decode().splitlines() if line.startswith(name + "{")]
    assert sample.endswith(" 0")
