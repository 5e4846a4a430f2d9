"""A gateway with three days of past calls behind it, and a browser to look at its page."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from page_in_browser import CHROMIUM_OPTIONS, PageInBrowser
from playwright.async_api import Browser, async_playwright
from rich.console import Console
from running import GatewayProcess, SimulatorProcess, gateway_config
from seen_gateway import SeenGateway

from modelmeter.cli.past import write_past
from modelmeter.settings.load import load_settings
from modelmeter.wiring import open_ledger, price_book

PAST_DAYS = 3.0
SEED = 11

__all__ = ["Opened", "browser", "empty_gateway", "gateway", "look", "simulator"]

Opened = Callable[..., Awaitable[PageInBrowser]]


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    process = SimulatorProcess(tmp_path_factory.mktemp("simulator"))
    process.start()
    yield process
    process.stop()


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def gateway(
    tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess
) -> AsyncIterator[SeenGateway]:
    """A gateway whose ledger has a past; tests add calls, none takes any away."""
    folder = tmp_path_factory.mktemp("seen")
    config = gateway_config(folder, simulator.url)
    await _write_past(config)
    process = GatewayProcess(config)
    process.start()
    yield SeenGateway(process, folder / "ledger.db")
    process.stop()


@pytest.fixture
def empty_gateway(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[SeenGateway]:
    """A gateway that nobody has called yet."""
    process = GatewayProcess(gateway_config(tmp_path, simulator.url))
    process.start()
    yield SeenGateway(process, tmp_path / "ledger.db")
    process.stop()


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**CHROMIUM_OPTIONS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def look(browser: Browser, gateway: SeenGateway) -> AsyncIterator[Opened]:
    """
    Opens the page at a path; several at once are several viewers.

    At the end none of them may have said anything on the console or asked another host.
    """
    pages: list[PageInBrowser] = []

    async def opened(
        path: str = "/", *, at: SeenGateway = gateway, **options: Any
    ) -> PageInBrowser:
        page = await PageInBrowser.open(browser, at.url, path, **options)
        pages.append(page)
        return page

    yield opened
    for page in pages:
        await page.close()
    for page in pages:
        assert page.complaints == [], page.complaints
        assert page.requests_elsewhere == [], page.requests_elsewhere


async def _write_past(config: Path) -> None:
    settings = load_settings(config, {})
    pricer = price_book(settings)
    ledger = await asyncio.to_thread(open_ledger, settings, pricer)
    try:
        await write_past(
            ledger,
            pricer,
            days=PAST_DAYS,
            seed=SEED,
            stop=asyncio.Event(),
            console=Console(quiet=True),
        )
    finally:
        await asyncio.to_thread(ledger.writer.close)
