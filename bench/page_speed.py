"""
``python -m bench.page_speed``: how soon the page is drawn over ten million calls.

A gateway on the ledger and Debian's Chromium with an empty cache: the time from asking for the
address until every panel is drawn. Without ``--ledger`` it makes the ledger first.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from bench.large_ledger import CALLS, DAYS, make_large_ledger
from bench.processes import debian_command, free_port, running, wait_until_ready

__all__ = ["main"]

GOAL_SECONDS = 1.5
RANGES = ("24h", "30d", "90d")
_ROUNDS = 5
_DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.page_speed", description=__doc__)
    parser.add_argument("--ledger", type=Path, help="one that was made before; it is written to")
    arguments = parser.parse_args()
    chromium = debian_command("chromium", "chromium")
    with tempfile.TemporaryDirectory() as folder:
        path: Path = arguments.ledger or Path(folder) / "ledger.db"
        if arguments.ledger is None:
            make_large_ledger(path)
        port = free_port()
        config = Path(folder) / "gateway.toml"
        config.write_text(f'listen = "127.0.0.1:{port}"\nledger = "{path.resolve()}"\n')
        log = Path(folder) / "gateway.log"
        command = [sys.executable, "-m", "modelmeter", "serve", "--config", str(config)]
        with running(command, log) as gateway:
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(gateway, f"{url}/healthz", log)
            print(f"{CALLS:,} calls over {DAYS} days; seconds until drawn, goal {GOAL_SECONDS}")
            for name, seconds in asyncio.run(_measure(chromium, url)):
                shown = ", ".join(f"{one:.2f}" for one in seconds)
                print(f"{name:>4}  median {statistics.median(seconds):.2f}  ({shown})")
    return 0


async def _measure(chromium: str, url: str) -> list[tuple[str, list[float]]]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        # The web side is loaded at the first look; that is the start's, not the page's.
        await _drawn_seconds(browser, url)
        return [
            (name, [await _drawn_seconds(browser, f"{url}/?range={name}") for _ in range(_ROUNDS)])
            for name in RANGES
        ]


async def _drawn_seconds(browser: Browser, address: str) -> float:
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    page = await context.new_page()
    began = time.perf_counter()
    await page.goto(address)
    await page.wait_for_selector("body[data-refreshes]")
    await page.evaluate(_DRAWN)
    seconds = time.perf_counter() - began
    await context.close()
    return seconds


if __name__ == "__main__":
    raise SystemExit(main())
