"""The gateway's page in Debian's Chromium, as a person uses it."""

import asyncio
import csv
import io
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request

__all__ = ["CHROMIUM_OPTIONS", "PageInBrowser"]

CHROMIUM_OPTIONS: dict[str, Any] = {
    "executable_path": "/usr/bin/chromium",
    "args": [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ],
}
TIMEOUT_MS = 15_000
_REFUSED = "Failed to load resource: the server responded with a status of 4"
_OWN_SCHEMES = ("blob", "data")


class PageInBrowser:
    """One viewer's page; what it complains of and whom it asks is kept."""

    def __init__(
        self, url: str, context: BrowserContext, page: Page, *, may_be_refused: bool
    ) -> None:
        self._url = url
        self._may_be_refused = may_be_refused
        self._context = context
        self.page = page
        self.complaints: list[str] = []
        self.requests_elsewhere: list[str] = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._asked)

    @classmethod
    async def open(
        cls,
        browser: Browser,
        url: str,
        path: str,
        *,
        width: int = 1280,
        colours: str = "light",
        zone: str = "UTC",
        waits_for: str = "body[data-refreshes]",
        may_be_refused: bool = False,
    ) -> "PageInBrowser":
        """A new viewer, at a path; the browser itself tells of each 401 or 404 that may be."""
        context = await browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if colours == "dark" else "light",
            timezone_id=zone,
            accept_downloads=True,
        )
        context.set_default_timeout(TIMEOUT_MS)
        opened = cls(url, context, await context.new_page(), may_be_refused=may_be_refused)
        await opened.go(path, waits_for=waits_for)
        return opened

    async def go(self, path: str, *, waits_for: str = "body[data-refreshes]") -> None:
        """Open a path and wait until its figures are there."""
        await self.page.goto(self._url + path)
        await self.page.wait_for_selector(waits_for)

    async def close(self) -> None:
        """Leave."""
        await self._context.close()

    def panel(self, key: str) -> Locator:
        """A panel's card."""
        return self.page.locator(f'[data-panel="{key}"]')

    async def choose(self, key: str, entry: str) -> None:
        """Choose an entry of a panel's menu."""
        panel = self.panel(key)
        await panel.get_by_role("button", name="Menu of").click()
        await panel.get_by_text(entry, exact=True).click()

    async def table_of(self, key: str) -> list[dict[str, str]]:
        """A panel's CSV file, a row a dictionary."""
        async with self.page.expect_download() as download:
            await self.choose(key, "Download CSV")
        file = await download.value
        return await asyncio.to_thread(_rows_of, Path(await file.path()))

    def path(self) -> str:
        """The address now, without the host."""
        parts = urlsplit(self.page.url)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    def _said(self, message: ConsoleMessage) -> None:
        if self._may_be_refused and message.text.startswith(_REFUSED):
            return
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in _OWN_SCHEMES and not request.url.startswith(self._url):
            self.requests_elsewhere.append(request.url)


def _rows_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
