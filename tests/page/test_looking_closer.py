"""Ranges, filters, links, and the way from a number to the calls behind it."""

import re

import pytest
from page_fixtures import Opened
from page_in_browser import PageInBrowser
from playwright.async_api import Route, expect
from seen_gateway import SeenGateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

IN_RANGE = re.compile(r"([\d,]+|[\d.]+ k) in this range")

ASKED = (
    "performance.getEntriesByType('resource').filter((one) => one.name.includes('/api/')).length"
)


async def calls_shown(page: PageInBrowser) -> str:
    """How many calls the overview says there are."""
    text = await page.panel("total_requests").inner_text()
    found = IN_RANGE.search(text)
    assert found, text
    return found[1]


async def test_a_range_is_chosen_and_stands_in_the_address(look: Opened) -> None:
    page = await look("/")
    day = await calls_shown(page)

    await page.page.get_by_role("button", name="Time range: Last 24 hours").click()
    await page.page.get_by_role("button", name="Last 7 days", exact=True).click()

    await expect(page.page).to_have_url(re.compile(r"\?range=7d$"))
    await expect(page.panel("total_requests")).not_to_contain_text(f"{day} in this range")


async def test_a_range_of_ones_own_is_in_the_zone_that_is_shown(
    look: Opened, gateway: SeenGateway
) -> None:
    page = await look("/", zone="Asia/Kolkata")

    await page.page.get_by_role("button", name="Time range").click()
    await page.page.get_by_role("textbox", name="From").fill("2026-01-02T00:00")
    await page.page.get_by_role("textbox", name="To").fill("2026-01-03T00:00")
    await page.page.get_by_role("button", name="Apply").click()

    # 2026-01-02 00:00 in India is 2026-01-01 18:30 in UTC.
    await expect(page.page).to_have_url(re.compile(r"from=1767292200&to=1767378600"))
    await expect(page.page.get_by_text("No calls in this range").first).to_be_visible()

    await page.page.get_by_role("button", name="Time range").click()
    await page.page.get_by_role("radio", name="Company's time zone (UTC)").check()

    await expect(page.page).to_have_url(re.compile(r"zone=company"))
    await expect(page.page.get_by_role("button", name="Time range")).to_contain_text("18:30")


@pytest.mark.parametrize("view", ["/", "/breakdown", "/calls"])
@pytest.mark.parametrize("to", ["2", "99999999999999"])
async def test_a_range_that_is_refused_is_said_so_and_not_asked_for_again(
    look: Opened, view: str, to: str
) -> None:
    page = await look("/budgets", may_be_refused=True)
    await page.page.clock.install()
    await page.go(f"{view}?from=1&to={to}")
    await expect(page.page.get_by_role("alert")).to_contain_text("from: ")
    asked = await page.page.evaluate(ASKED)

    await page.page.clock.run_for(60_000)

    assert await page.page.evaluate(ASKED) == asked
    await expect(page.page.get_by_text("Connection lost")).to_be_hidden()
    await page.page.get_by_role("button", name="Time range").click()
    await page.page.get_by_role("button", name="Last 7 days", exact=True).click()
    await expect(page.page.get_by_role("alert")).to_be_hidden()
    await expect(page.page.locator(".live")).to_have_text("Live")
    await expect(page.page.get_by_text("meetmind").first).to_be_visible()


async def test_several_names_are_chosen_at_once_and_dropped_one_by_one(
    look: Opened, gateway: SeenGateway
) -> None:
    page = await look("/?range=7d")

    await page.page.get_by_role("button", name="Team filter").click()
    await page.page.get_by_role("checkbox", name="meetmind").check()
    await page.page.get_by_role("checkbox", name="research").check()
    await page.page.get_by_role("button", name="Apply").click()

    await expect(page.page).to_have_url(re.compile("team=meetmind&team=research"))
    slices = page.panel("cost_per_team").locator(".slice")
    await expect(slices).to_have_count(2)

    await page.page.get_by_role("button", name="Remove the filter Team research").click()

    await expect(slices).to_have_count(1)
    await expect(page.page).to_have_url(re.compile(r"team=meetmind$"))
    await expect(page.panel("requests_per_agent").locator(".legend-item")).to_have_count(3)


async def test_a_link_shows_another_viewer_the_same(look: Opened, gateway: SeenGateway) -> None:
    first = await look("/?range=7d&team=finpilot&model=gemini-2.5-flash")
    second = await look(first.path())

    agents = second.panel("requests_per_agent").locator(".legend-name")
    await expect(agents).to_have_text(["finpilot.invoices"])
    assert second.path() == first.path()


async def test_a_slice_a_bar_and_a_legend_filter(look: Opened, gateway: SeenGateway) -> None:
    ((models_asked,),) = gateway.rows(
        "SELECT count(DISTINCT model) FROM entry WHERE team = 'meetmind'"
    )
    page = await look("/?range=7d")

    await page.panel("cost_per_team").locator(".slice").first.press("Enter")
    await expect(page.page).to_have_url(re.compile("team=meetmind"))
    models = page.panel("cost_by_model").locator(".bar-row")
    await expect(models).to_have_count(int(models_asked))

    await models.first.click()
    await expect(models).to_have_count(1)

    await page.panel("requests_per_agent").get_by_role("button", name="Filter by").first.click()
    await expect(page.page).to_have_url(re.compile("agent=meetmind"))


async def test_back_undoes_a_choice(look: Opened) -> None:
    page = await look("/?range=7d")
    await page.panel("cost_per_team").locator(".slice").first.press("Enter")
    await expect(page.page.locator(".chip")).to_have_count(1)

    await page.page.go_back()

    await expect(page.page.locator(".chip")).to_have_count(0)
    assert page.path() == "/?range=7d"


async def test_dragging_over_a_chart_shows_that_time(look: Opened) -> None:
    page = await look("/?range=7d")
    probe = page.panel("requests_per_agent").locator(".probe")
    box = await probe.bounding_box()
    assert box is not None

    await page.page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 80)
    await page.page.mouse.down()
    await page.page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 80, steps=4)
    await page.page.mouse.up()

    await expect(page.page).to_have_url(re.compile(r"from=\d+&to=\d+"))


async def test_a_table_of_teams_leads_to_their_calls(look: Opened, gateway: SeenGateway) -> None:
    page = await look("/breakdown?range=7d")
    row = page.page.locator('tr[data-id="meetmind"]')
    (cost,) = await row.locator("td").nth(0).all_inner_texts()
    assert re.fullmatch(r"\$[\d,]+\.\d\d", cost)

    await page.page.get_by_role("button", name="Models").click()
    await expect(page.page.locator('tr[data-id="gpt-4o"]')).to_be_visible()
    await page.page.go_back()
    await row.get_by_role("link", name="Calls of meetmind").click()

    await expect(page.page).to_have_url(re.compile("/calls.*team=meetmind"))
    await expect(page.page.locator("tbody tr").first).to_contain_text("meetmind.")
    assert await page.page.locator("tbody tr").count() == 50


async def test_where_nobody_asked_the_cache_there_is_no_rate_of_hits(
    look: Opened, gateway: SeenGateway
) -> None:
    gateway.call("live.cacheless")
    page = await look("/breakdown?range=1h&by=agent&agent=live.cacheless", width=1440)

    head = await page.page.locator("thead th").all_inner_texts()
    place = [text.strip() for text in head].index("Cache hits")
    for row in ('tr[data-id="live.cacheless"]', "tfoot tr"):
        await expect(page.page.locator(row).locator("th, td").nth(place)).to_have_text("–")


async def test_a_table_is_sorted_by_any_column(look: Opened) -> None:
    page = await look("/breakdown?range=7d&by=agent")

    await page.page.get_by_role("button", name="Tokens").click()

    await expect(page.page).to_have_url(re.compile("sort=-tokens"))
    heading = page.page.get_by_role("columnheader", name="Tokens")
    await expect(heading).to_have_attribute("aria-sort", "descending")


async def test_older_calls_are_a_page_away(look: Opened) -> None:
    page = await look("/calls?range=7d&team=research")
    first = page.page.locator("tbody tr").first
    newest = await first.get_attribute("data-id")

    await page.page.get_by_role("link", name="Older").click()

    await expect(first).not_to_have_attribute("data-id", newest or "")
    await page.page.get_by_role("link", name="Newest").click()
    await expect(first).to_have_attribute("data-id", newest or "")


async def test_one_call_is_shown_with_its_price_line_by_line(
    look: Opened, gateway: SeenGateway
) -> None:
    call = gateway.call("meetmind.coordinator", model="gpt-4o")
    page = await look("/calls?status=success")
    await page.page.locator(f'tr[data-id="{call}"] a').click()

    await expect(page.page).to_have_url(re.compile(f"/calls/{call}"))
    lines = page.page.get_by_role("region", name="Price line by line")
    ((tokens, cost),) = gateway.rows(
        "SELECT tokens_input, cost_pico_usd FROM entry WHERE id = ?", call
    )
    await expect(lines.locator("tbody tr").first).to_contain_text(f"input{int(tokens):,}$2.50")
    shown = await lines.locator("tfoot td").last.inner_text()
    assert round(float(shown.removeprefix("$")) * 10**12) == cost
    await expect(page.page.get_by_text("genai-prices")).to_be_visible()
    await expect(page.page.get_by_text("No other price before it is known.")).to_be_visible()
    await expect(page.page.get_by_text("One attempt")).to_be_visible()


async def test_a_call_that_the_cache_answered_is_told_from_one_that_cost_nothing(
    look: Opened, gateway: SeenGateway
) -> None:
    ((call, at),) = gateway.rows(
        "SELECT id, started_at_ns / 1000000000 FROM entry WHERE cached ORDER BY seq DESC LIMIT 1"
    )
    page = await look(f"/calls?from={at}&to={int(at) + 1}")

    await expect(page.page.locator(f'tr[data-id="{call}"]')).to_contain_text("success · cached")


async def test_a_price_says_from_when_it_holds(look: Opened, gateway: SeenGateway) -> None:
    page = await look(f"/calls/{gateway.call('meetmind.coordinator', model='o3')}")

    await expect(page.page.get_by_text("It holds from 2025-06-10.")).to_be_visible()


@pytest.mark.parametrize("call", ["no-such-call", "%E0%A4%A", "%00"])
async def test_a_call_that_is_not_there_is_said_so(look: Opened, call: str) -> None:
    page = await look(f"/calls/{call}", may_be_refused=True)

    await expect(page.page.get_by_role("heading", name="No such call")).to_be_visible()


async def test_what_stands_for_many_names_is_no_filter(look: Opened, gateway: SeenGateway) -> None:
    agents = [f"live.rest{number:02d}" for number in range(14)]
    for agent in agents:
        gateway.call(agent)
    page = await look(f"/?range=15m&{'&'.join(f'agent={agent}' for agent in agents)}")
    rest = page.panel("requests_per_agent").locator(".legend-item", has_text="other")

    await expect(rest).to_be_visible()
    assert await rest.evaluate("(element) => element.tagName") == "SPAN"


async def test_all_groups_beyond_the_table_are_one_row_that_leads_nowhere(look: Opened) -> None:
    page = await look("/budgets")

    async def shorten(route: Route) -> None:
        answer = await route.fetch()
        whole = await answer.json()
        *rows, last = whole["rows"]
        await route.fulfill(json={**whole, "rows": rows, "other": {**last, "name": "other"}})

    await page.page.route("**/api/v1/breakdown?*", shorten)
    await page.go("/breakdown?range=7d")

    row = page.page.locator("tbody tr").last
    await expect(row).to_contain_text("all others")
    assert await row.locator("a, button").count() == 0


async def test_errors_lead_to_the_calls_that_failed(look: Opened, gateway: SeenGateway) -> None:
    failed = gateway.call("research.coder", "[[simulate status=429 retry_after=1]]")
    page = await look("/?agent=research.coder&range=15m")

    name = "Filter by openai rate_limit"
    await page.panel("errors_by_provider").get_by_role("button", name=name).click()

    await expect(page.page).to_have_url(re.compile("/calls.*error_type=rate_limit"))
    await expect(page.page.locator(f'tr[data-id="{failed}"]')).to_contain_text("rate_limit")
