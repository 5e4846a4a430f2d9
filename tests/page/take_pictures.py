"""Takes the README's pictures of the page from a demo: `make screenshots`."""

import asyncio
import base64
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from page_in_browser import CHROMIUM_OPTIONS
from playwright.async_api import Browser, Page, async_playwright

__all__ = ["COLOURS", "PICTURES", "SIZES", "TWO_FRAMES", "VIEWS", "picture_name"]

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
VIEWS = {
    "overview": "/?range=30d",
    "breakdown": "/breakdown?range=7d&by=agent&team=meetmind&team=research&team=supportbot",
    "budgets": "/budgets",
}
SIZES = {"wide": (1440, 900), "narrow": (390, 844)}
COLOURS = ("light", "dark")
QUALITY = 82
TWO_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""Charts are drawn in the frame after their data."""

_URL = re.compile(rb"Gateway +(http://\S+)")


def picture_name(view: str, size: str, colours: str) -> str:
    """The file's name."""
    return f"{view}-{size}-{colours}.webp"


async def main() -> None:
    """Run a demo, look at it, save what is seen."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        demo = _start_demo(Path(folder))
        try:
            url = await asyncio.to_thread(_url_of, demo)
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(**CHROMIUM_OPTIONS)
                for size in SIZES:
                    for colours in COLOURS:
                        await _take_all(browser, url, size, colours)
                await browser.close()
        finally:
            demo.terminate()
            demo.wait()


def _start_demo(folder: Path) -> subprocess.Popen[bytes]:
    options = ["--port", "0", "--history", "30d", "--no-open", "--ledger", str(folder / "demo.db")]
    return subprocess.Popen(
        [sys.executable, "-m", "modelmeter", "demo", *options], stdout=subprocess.PIPE
    )


def _url_of(demo: subprocess.Popen[bytes]) -> str:
    if demo.stdout is None:
        raise RuntimeError("the demo has no output to read")
    for line in demo.stdout:
        if found := _URL.search(line):
            return found[1].decode()
    raise RuntimeError("the demo ended before it said its address")


async def _take_all(browser: Browser, url: str, size: str, colours: str) -> None:
    width, height = SIZES[size]
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if colours == "dark" else "light",
        timezone_id="UTC",
    )
    page = await context.new_page()
    for view, path in VIEWS.items():
        await page.goto(url + path)
        await page.wait_for_selector("body[data-refreshes]")
        await page.wait_for_selector('.live[data-state="live"]')
        await page.evaluate(
            "new Promise((f) => requestAnimationFrame(() => requestAnimationFrame(f)))"
        )
        content = await _picture(page, full=size == "wide")
        name = picture_name(view, size, colours)
        await asyncio.to_thread((PICTURES / name).write_bytes, content)
        print(f"{name}: {len(content) / 1000:.0f} kB")
    await context.close()


async def _picture(page: Page, *, full: bool) -> bytes:
    session = await page.context.new_cdp_session(page)
    how = {"format": "webp", "quality": QUALITY, "captureBeyondViewport": full}
    answer = await session.send("Page.captureScreenshot", how | await _clip(page, full=full))
    return base64.b64decode(answer["data"])


async def _clip(page: Page, *, full: bool) -> dict[str, object]:
    if not full:
        return {}
    width, height = await page.evaluate(
        "[document.documentElement.clientWidth, document.body.scrollHeight]"
    )
    return {"clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}}


if __name__ == "__main__":
    asyncio.run(main())
