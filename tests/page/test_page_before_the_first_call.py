"""What a new user sees, and where keys are configured, a stranger."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from page_fixtures import Opened
from playwright.async_api import expect
from running import GatewayProcess, SimulatorProcess, gateway_config
from seen_gateway import SeenGateway

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_empty_ledger_says_how_to_send_the_first_call(
    empty_gateway: SeenGateway, look: Opened
) -> None:
    page = await look("/", at=empty_gateway)

    await expect(page.page.get_by_role("heading", name="No calls yet")).to_be_visible()
    await expect(page.page.get_by_text(f"OPENAI_BASE_URL={empty_gateway.url}")).to_be_visible()
    await expect(page.page.get_by_text("OPENAI_API_KEY=")).to_have_count(0)

    empty_gateway.call("meetmind.coordinator")

    await expect(page.page.get_by_role("heading", name="No calls yet")).to_be_hidden()
    await expect(page.panel("total_requests")).to_contain_text("1 in this range")


@pytest.mark.parametrize("path", ["/calls", "/calls?status=failed&range=90d", "/breakdown"])
async def test_a_table_of_an_empty_ledger_says_how_to_send_the_first_call(
    empty_gateway: SeenGateway, look: Opened, path: str
) -> None:
    page = await look(path, at=empty_gateway)

    await expect(page.page.get_by_role("heading", name="No calls yet")).to_be_visible()
    await expect(page.page.get_by_text(f"OPENAI_BASE_URL={empty_gateway.url}")).to_be_visible()


@pytest.mark.parametrize("view", ["/calls", "/breakdown"])
async def test_a_table_without_rows_leads_to_a_longer_time_and_to_fewer_filters(
    look: Opened, view: str
) -> None:
    page = await look(f"{view}?range=15m&agent=nobody")

    await expect(page.page.get_by_role("heading", name="No calls fit")).to_be_visible()
    await page.page.get_by_role("button", name="Show the last 30 days").click()
    await expect(page.page).to_have_url(re.compile("range=30d.*agent=nobody"))
    await page.page.get_by_role("button", name="Show the last 90 days").click()
    await expect(page.page).to_have_url(re.compile("range=90d.*agent=nobody"))
    await expect(page.page.get_by_role("button", name="Show the last")).to_have_count(0)
    await page.page.get_by_role("button", name="Clear the filters").click()

    await expect(page.page.locator("tbody tr").first).to_be_visible()
    assert page.path() == f"{view}?range=90d"


async def test_an_outcome_that_no_call_had_is_a_filter_to_clear(look: Opened) -> None:
    page = await look("/calls?range=7d&status=unknown&error_type=circuit_open")

    await page.page.get_by_role("button", name="Clear the filters").click()

    await expect(page.page.locator("tbody tr").first).to_be_visible()
    assert page.path() == "/calls?range=7d"


async def test_a_range_without_calls_leads_to_one_with_some(look: Opened) -> None:
    page = await look("/?from=1704067200&to=1704153600")

    await expect(page.page.get_by_role("heading", name="No calls in this range")).to_be_visible()
    await expect(page.panel("token_usage")).to_contain_text("No calls in this range.")
    await page.page.get_by_role("button", name="Show the last 30 days").click()

    await expect(page.page).to_have_url(re.compile("range=30d"))
    await expect(page.page.get_by_role("heading", name="No calls in this range")).to_be_hidden()


READER = "mm-reader00-secret-of-a-reader"
KEYS = f"""
[[keys]]
id = "reader00"
sha256 = "{hashlib.sha256(READER.encode()).hexdigest()}"
tenant_id = "acme"
scopes = ["call", "read"]
"""


@pytest.fixture
def locked_gateway(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[SeenGateway]:
    """A gateway that asks for a key."""
    config = gateway_config(tmp_path, simulator.url)
    config.write_text(config.read_text() + KEYS)
    process = GatewayProcess(config)
    process.start()
    yield SeenGateway(process, tmp_path / "ledger.db")
    process.stop()


async def test_a_key_opens_the_page_and_its_owner_leaves_again(
    locked_gateway: SeenGateway, look: Opened
) -> None:
    asked = "/breakdown?range=7d&by=agent&team=a%20b"
    page = await look(asked, at=locked_gateway, waits_for="form.login", may_be_refused=True)
    await expect(page.page).to_have_url(re.compile(r"/login\?next=/breakdown"))
    key, sign_in = page.page.get_by_label("Gateway key"), page.page.get_by_text("Sign in").last

    await key.fill("mm-reader00-guessed")
    await sign_in.click()
    await expect(page.page.get_by_role("alert").first).to_contain_text("gateway key")

    await key.fill(READER)
    await sign_in.click()
    await expect(page.page.get_by_role("heading", name="Breakdown")).to_be_visible()
    assert page.path() == asked
    await expect(page.page.get_by_text("acme")).to_be_visible()
    await expect(page.page.get_by_text("OPENAI_API_KEY=mm-")).to_be_visible()
    await expect(page.page.get_by_text("key new --scope call")).to_be_visible()

    await page.page.get_by_role("button", name="Sign out").click()
    await expect(page.page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_a_link_on_another_site_asks_nobody_to_sign_in_again(
    locked_gateway: SeenGateway, look: Opened
) -> None:
    page = await look("/", at=locked_gateway, waits_for="form.login", may_be_refused=True)
    await page.page.get_by_label("Gateway key").fill(READER)
    await page.page.get_by_text("Sign in").last.click()
    await expect(page.page.get_by_role("link", name="Breakdown")).to_be_visible()
    asked = f"{locked_gateway.url}/breakdown?range=7d&team=meetmind"

    await page.page.goto(f"data:text/html,<a href='{asked}'>There</a>")
    await page.page.get_by_text("There").click()

    await expect(page.page.get_by_role("heading", name="Breakdown")).to_be_visible()
    await expect(page.page).to_have_url(asked)


async def test_without_keys_nobody_is_asked_to_sign_in(look: Opened) -> None:
    page = await look("/login?next=/breakdown%3Frange%3D7d")

    await expect(page.page.get_by_role("heading", name="Breakdown")).to_be_visible()
    assert page.path() == "/breakdown?range=7d"


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ("/calls?range=7d", "/calls?range=7d"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("/\t/evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/.//evil.example/", "//evil.example/"),
    ],
)
async def test_signing_in_leads_to_no_other_host(
    locked_gateway: SeenGateway, look: Opened, wanted: str, shown: str
) -> None:
    page = await look(
        f"/login?next={quote(wanted, safe='')}",
        at=locked_gateway,
        waits_for="form.login",
        may_be_refused=True,
    )
    await page.page.get_by_label("Gateway key").fill(READER)

    await page.page.get_by_text("Sign in").last.click()

    await expect(page.page).to_have_url(f"{locked_gateway.url}{shown}")
