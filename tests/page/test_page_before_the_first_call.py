"""What a new user sees, and where keys are configured, a stranger."""

import re

import pytest
from page_fixtures import Opened
from playwright.async_api import expect
from seen_gateway import SeenGateway

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_empty_ledger_says_how_to_send_the_first_call(
    look: Opened, empty_gateway: SeenGateway
) -> None:
    page = await look("/", at=empty_gateway)

    await expect(page.page.get_by_role("heading", name="No calls yet")).to_be_visible()
    await expect(page.page.get_by_text(f"OPENAI_BASE_URL={empty_gateway.url}")).to_be_visible()

    empty_gateway.call("meetmind.coordinator")

    await expect(page.page.get_by_role("heading", name="No calls yet")).to_be_hidden()
    await expect(page.panel("total_requests")).to_contain_text("1 in this range")


async def test_a_range_without_calls_leads_to_one_with_some(look: Opened) -> None:
    page = await look("/?from=1704067200&to=1704153600")

    await expect(page.page.get_by_role("heading", name="No calls in this range")).to_be_visible()
    await expect(page.panel("token_usage")).to_contain_text("No calls in this range.")
    await page.page.get_by_role("button", name="Show the last 30 days").click()

    await expect(page.page).to_have_url(re.compile("range=30d"))
    await expect(page.page.get_by_role("heading", name="No calls in this range")).to_be_hidden()
