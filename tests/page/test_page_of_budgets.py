"""Budgets where they are shown: on their own view, and beside the cost that they are for."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from page_fixtures import Opened
from playwright.async_api import expect
from running import GatewayProcess, SimulatorProcess, gateway_config
from seen_gateway import SeenGateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

BUDGETS = """
[[budgets]]
name = "all-day"
window = "day"
limit_usd = "1000"

[[budgets]]
name = "one-call"
agent = "once.only"
window = "month"
limit_calls = 1
"""


@pytest.fixture
def budgeted_gateway(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[SeenGateway]:
    """A gateway with a budget for everybody, and one that a call fills."""
    process = GatewayProcess(gateway_config(tmp_path, simulator.url, extra=BUDGETS))
    process.start()
    yield SeenGateway(process, tmp_path / "ledger.db")
    process.stop()


async def test_a_cost_is_judged_by_a_budget_for_just_its_calls(
    budgeted_gateway: SeenGateway, look: Opened
) -> None:
    budgeted_gateway.call("once.only")
    page = await look("/", at=budgeted_gateway)

    cost = page.panel("total_cost")
    await expect(cost).to_contain_text(
        re.compile(r"all-day: \$0\.0+\d+ of \$1,000\.00 today, 0\.0 %")
    )
    await expect(cost).to_have_attribute("data-level", "good")
    await page.go("/?agent=once.only")
    await expect(cost).to_contain_text("no day's budget for these calls")
    await expect(cost).to_have_attribute("data-level", "none")


async def test_what_a_budget_refused_lately_leads_to_the_call(
    budgeted_gateway: SeenGateway, look: Opened
) -> None:
    budgeted_gateway.call("once.only")
    budgeted_gateway.call("once.only", "Another")
    ((refused,),) = budgeted_gateway.rows("SELECT id FROM entry WHERE status = 'blocked'")
    page = await look("/budgets", at=budgeted_gateway)

    card = page.page.locator('[data-budget="one-call"]')
    await expect(card).to_contain_text("100.0 %")
    await expect(card).to_have_attribute("data-level", "critical")
    assert (await Axe().run(page.page)).response["violations"] == []
    lately = card.locator("li", has_text="refused")
    await lately.get_by_role("link", name="once.only").click()

    await expect(page.page).to_have_url(re.compile(f"/calls/{refused}"))
    await expect(page.page.locator(".figures .status")).to_contain_text("blocked")
