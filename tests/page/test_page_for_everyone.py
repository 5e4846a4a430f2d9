"""Keyboard, screen reader, colours and sizes."""

from urllib.parse import quote

import pytest
from axe_playwright_python.async_playwright import Axe
from page_fixtures import Opened
from playwright.async_api import expect
from seen_gateway import PICO, SeenGateway
from take_pictures import TWO_FRAMES

from modelmeter.record import money_text

pytestmark = pytest.mark.asyncio(loop_scope="session")

VIEWS = (
    "/?range=7d",
    "/breakdown?range=7d",
    "/calls?range=6h&status=failed",
    "/budgets",
    "/advice",
)
MARKUP = "<img src=x onerror=alert(1)>"
WIDTHS = (360, 768, 1280, 2560)
WIDER = """() => [...document.querySelectorAll("body *")]
    .filter((element) => !element.closest(".table-scroll, .filters, nav, svg, .visually-hidden"))
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
    .map((element) => element.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("view", [*VIEWS, "call", "menus"])
async def test_axe_finds_nothing(
    look: Opened, gateway: SeenGateway, view: str, colours: str
) -> None:
    path = {
        "call": f"/calls/{gateway.call('meetmind.coordinator')}",
        "menus": "/?range=7d&team=meetmind&team=research",
    }.get(view, view)
    page = await look(path, colours=colours)
    if view == "menus":
        await page.choose("cost_by_model", "Show as table")
        await page.page.get_by_role("button", name="Time range").click()

    found = await Axe().run(page.page)

    assert found.response["violations"] == []


@pytest.mark.parametrize("view", VIEWS)
async def test_nothing_is_wider_than_the_window(look: Opened, view: str) -> None:
    page = await look(view)

    for width in WIDTHS:
        await page.page.set_viewport_size({"width": width, "height": 900})
        await page.page.evaluate(TWO_FRAMES)
        assert await page.page.evaluate("document.documentElement.scrollWidth") <= width
        assert await page.page.evaluate(WIDER) == []


@pytest.mark.parametrize("agent", [MARKUP, "a" * 120], ids=["markup", "long"])
async def test_any_name_is_shown_as_text_and_finds_room(
    look: Opened, gateway: SeenGateway, agent: str
) -> None:
    call = gateway.call(agent)
    of_agent = f"range=15m&agent={quote(agent)}"
    page = await look(f"/?{of_agent}", width=360)
    legend = page.panel("requests_per_agent").locator(".legend-name")
    await expect(legend.get_by_text(agent, exact=True)).to_be_visible()

    for path in (f"/?{of_agent}", f"/breakdown?by=agent&{of_agent}", "/calls", f"/calls/{call}"):
        await page.go(path)
        assert await page.page.locator("img").count() == 0
        assert await page.page.evaluate("document.documentElement.scrollWidth") <= 360
        assert await page.page.evaluate(WIDER) == []


async def test_every_view_can_be_reached_on_a_phone(look: Opened) -> None:
    page = await look("/breakdown?by=model&range=7d", width=360)
    within = "(element) => element.getBoundingClientRect().right <= innerWidth"

    places = page.page.get_by_role("navigation").get_by_role("link")
    assert await places.count() == 5
    for place in await places.all():
        assert await place.evaluate(within)
    costs = page.page.locator("tbody tr td:nth-child(2)")
    assert await costs.count() > 5
    for cost in await costs.all():
        assert await cost.evaluate(within)


async def test_what_a_call_cost_is_in_sight_on_a_small_screen(look: Opened) -> None:
    page = await look("/calls?range=7d&provider=bedrock", width=1000)

    costs = page.page.locator("tbody tr td:last-child")
    assert await costs.count() == 50
    for cost in await costs.all():
        assert await cost.evaluate("(element) => element.getBoundingClientRect().right <= 980")


async def test_menus_can_be_used_on_a_phone(look: Opened) -> None:
    page = await look("/?range=7d", width=360)

    await page.page.get_by_role("button", name="Time range").click()
    await page.page.get_by_role("button", name="This month", exact=True).click()
    await page.page.get_by_role("button", name="Tenant filter").click()
    await page.page.get_by_role("checkbox", name="globex").check()
    await page.page.get_by_role("button", name="Apply").click()

    await expect(page.page.get_by_role("button", name="Remove the filter Tenant")).to_be_visible()
    assert page.path() == "/?range=month&tenant=globex"


async def test_a_chart_is_read_with_the_arrow_keys(look: Opened) -> None:
    page = await look("/?range=7d")
    probe = page.panel("request_latency").get_by_role("slider")

    await probe.press("End")
    await probe.press("ArrowLeft")

    text = await probe.get_attribute("aria-valuetext")
    assert text is not None
    assert all(name in text for name in ("p50", "p90", "p99"))
    await expect(page.panel("request_latency").locator(".tooltip")).to_be_visible()


async def test_every_chart_has_a_table(look: Opened) -> None:
    page = await look("/?range=7d")
    panels = page.page.locator(".panel:not(.panel-stat)")

    for place in range(await panels.count()):
        key = await panels.nth(place).get_attribute("data-panel")
        assert key is not None
        await page.choose(key, "Show as table")
        await expect(page.panel(key).locator("tbody tr").first).to_be_visible()


async def test_a_menu_closes_with_escape_and_gives_the_focus_back(look: Opened) -> None:
    page = await look("/?range=7d")
    button = page.page.get_by_role("button", name="Team filter")
    await button.focus()

    await page.page.keyboard.press("Enter")
    await expect(page.page.locator(".filter-panel input").first).to_be_focused()
    await page.page.keyboard.press("Escape")

    await expect(button).to_be_focused()
    await expect(page.page.get_by_role("checkbox", name="meetmind")).to_be_hidden()


async def test_a_link_followed_by_keyboard_leads_into_its_view(look: Opened) -> None:
    page = await look("/breakdown?range=7d")

    await page.page.get_by_role("link", name="Calls of meetmind").press("Enter")
    await expect(page.page.get_by_role("heading", name="Calls")).to_be_visible()
    await expect(page.page.get_by_role("main")).to_be_focused()
    await page.page.get_by_role("link", name="Budgets").press("Enter")

    await expect(page.page.get_by_role("heading", name="Budgets", exact=True)).to_be_visible()
    await expect(page.page.get_by_role("link", name="Budgets")).to_be_focused()


async def test_the_colours_are_chosen_and_kept(look: Opened) -> None:
    page = await look("/", colours="light")
    background = "getComputedStyle(document.documentElement).backgroundColor"
    light = await page.page.evaluate(background)

    await page.page.get_by_role("button", name="Colours: as the system").click()
    await page.page.get_by_role("button", name="Colours: light").click()
    await page.go("/breakdown")

    assert await page.page.evaluate(background) != light
    await expect(page.page.get_by_role("button", name="Colours: dark")).to_be_visible()


async def test_the_page_writes_money_as_the_commands_do(look: Opened) -> None:
    page = await look("/budgets")
    amounts = [0, 1, 3_310_000_000, 3_319_900_000, 34_560_000_000, 50_000_000_000, 99_960_000_000]
    amounts += [100_000_000_000, 1_204_374_000_000_000]

    written = await page.page.evaluate(
        "async (all) => all.map((await import('/assets/js/format.js')).money)",
        [amount / PICO for amount in amounts],
    )

    assert written == [money_text(amount) for amount in amounts]
