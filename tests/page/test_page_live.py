"""The page follows what happens, and says so when it cannot."""

import asyncio

import pytest
from page_fixtures import Opened
from page_in_browser import PageInBrowser
from playwright.async_api import Browser, Route, expect
from running import GatewayProcess, SimulatorProcess, gateway_config
from seen_gateway import SeenGateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIVE_SECONDS = 2.0
RECONNECT_SECONDS_MAX = 30.0


async def test_a_call_made_now_is_shown_within_two_seconds(
    look: Opened, gateway: SeenGateway
) -> None:
    calls = await look("/calls?agent=live.watcher")
    overview = await look("/?agent=live.watcher&range=15m")
    await expect(overview.panel("total_requests")).to_contain_text("0 in this range")

    call = await asyncio.to_thread(gateway.call, "live.watcher")
    shown = expect(overview.panel("total_requests")).to_contain_text(
        "1 in this range", timeout=LIVE_SECONDS * 1000
    )
    listed = expect(calls.page.locator(f'tr[data-id="{call}"]')).to_be_visible(
        timeout=LIVE_SECONDS * 1000
    )
    await asyncio.gather(shown, listed)


async def test_a_refresh_leaves_the_keyboards_place(look: Opened, gateway: SeenGateway) -> None:
    page = await look("/?range=15m&agent=live.focus")
    await asyncio.to_thread(gateway.call, "live.focus")
    name = page.panel("requests_per_agent").get_by_role("button", name="Filter by live.focus")
    await name.focus()
    refreshes = await page.page.locator("body").get_attribute("data-refreshes")

    await asyncio.to_thread(gateway.call, "live.focus")

    await expect(page.page.locator("body")).not_to_have_attribute("data-refreshes", refreshes or "")
    await expect(name).to_be_focused()


@pytest.mark.parametrize("path", ["/", "/breakdown", "/calls", "/budgets", "/advice"])
async def test_a_slow_server_leaves_nobody_before_an_empty_page(look: Opened, path: str) -> None:
    page = await look("/docs", waits_for="main")
    waiting = asyncio.Event()

    async def hold(route: Route) -> None:
        await waiting.wait()
        await route.continue_()

    await page.page.route("**/api/**", hold)
    await page.go(path, waits_for="main:empty")
    await expect(page.page.get_by_role("link", name="Breakdown")).to_be_visible()
    loading = "getComputedStyle(document.querySelector('main'), '::before').content"
    assert await page.page.evaluate(loading) == '"Loading…"'
    if path == "/":
        await expect(page.page.get_by_role("button", name="Team filter")).to_have_text("Team")
        await page.page.get_by_role("link", name="Budgets").click()
        await page.page.get_by_role("link", name="Overview").click()

    waiting.set()

    shown = page.panel("total_requests") if path == "/" else page.page.get_by_role("heading").first
    await expect(shown).to_be_visible()
    await expect(page.page.locator("[aria-busy]")).to_have_count(0)


async def test_a_lost_connection_is_said_and_comes_back(
    browser: Browser, simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("lost")
    config = gateway_config(folder, simulator.url)
    first = GatewayProcess(config)
    first.start()
    page = await PageInBrowser.open(browser, first.url, "/")
    await expect(page.page.locator(".live")).to_have_text("Live")

    first.kill()
    await expect(page.page.get_by_text("Connection lost")).to_be_visible()

    port = first.url.rsplit(":", 1)[1]
    config.write_text(config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
    second = GatewayProcess(config, name="second")
    second.start()
    try:
        back = page.page.get_by_text("Connected again")
        await expect(back).to_be_visible(timeout=RECONNECT_SECONDS_MAX * 1000)
        await expect(page.page.get_by_text("Connection lost")).to_be_hidden()
    finally:
        await page.close()
        second.stop()
