"""What is on screen, as a file."""

import asyncio
import csv
import io
import struct
from pathlib import Path

import pytest
from page_fixtures import Opened
from page_in_browser import PageInBrowser
from playwright.async_api import Locator
from seen_gateway import SeenGateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

PNG = b"\x89PNG\r\n\x1a\n"


async def saved(page: PageInBrowser, button: Locator) -> bytes:
    """The file that a button saves."""
    async with page.page.expect_download() as download:
        await button.click()
    file = await download.value
    path = Path(await file.path())
    return await asyncio.to_thread(path.read_bytes)


async def test_a_table_is_saved_as_csv_with_exact_costs(look: Opened) -> None:
    page = await look("/breakdown?range=7d&by=agent")

    text = (await saved(page, page.page.get_by_role("button", name="CSV"))).decode()

    rows = list(csv.DictReader(io.StringIO(text)))
    shown = await page.page.locator("tbody tr").count()
    assert len(rows) == shown
    assert all(len(row["cost_usd"].partition(".")[2]) <= 12 for row in rows)
    assert rows == sorted(rows, key=lambda row: -float(row["cost_usd"]))


async def test_calls_are_saved_as_csv(look: Opened) -> None:
    page = await look("/calls?range=7d&team=research")

    text = (await saved(page, page.page.get_by_role("button", name="CSV"))).decode()

    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 50
    assert {row["Agent"].partition(".")[0] for row in rows} == {"research"}


@pytest.mark.parametrize("panel", ["requests_per_agent", "cost_per_team", "total_cost"])
async def test_a_panel_is_saved_as_a_picture(look: Opened, panel: str) -> None:
    page = await look("/?range=7d")
    await page.panel(panel).get_by_role("button", name="Menu of").click()

    entry = page.panel(panel).get_by_text("Download PNG", exact=True)
    content = await saved(page, entry)

    assert content.startswith(PNG)
    width, height = struct.unpack(">II", content[16:24])
    assert width >= 960
    assert height >= 200
    assert len(content) > 5_000  # more than one colour


async def test_a_name_that_is_a_formula_is_none_in_the_file(
    look: Opened, gateway: SeenGateway
) -> None:
    gateway.call("=cmd()|x")
    page = await look("/breakdown?by=agent&range=15m")

    text = (await saved(page, page.page.get_by_role("button", name="CSV"))).decode()

    assert "'=cmd()|x" in text
    assert "\n=cmd" not in text
