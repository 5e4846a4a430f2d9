"""Two gateway processes on one ledger: every call counted once, both show the same."""

import asyncio
import contextlib
import urllib.request
from pathlib import Path

import aiohttp
from ledger_file import check_ledger, query
from prometheus_client.parser import text_string_to_metric_families
from running import GatewayProcess, SimulatorProcess, gateway_config

CALLS = 400
CALLERS = 16
QUICK_INTERVAL = "scrape_interval_seconds = 0.1"
SHOWN_SECONDS_MAX = 20.0
"""New series are held at zero for two intervals and a second."""


async def load(session: aiohttp.ClientSession, urls: list[str], numbers: list[int]) -> None:
    """One caller that goes to both gateways in turn."""
    for number in numbers:
        async with session.post(
            f"{urls[number % 2]}/openai/v1/chat/completions",
            json={
                "model": "gpt-4o-mini",
                "stream": number % 3 == 0,
                "messages": [{"role": "user", "content": f"[[simulate output=10]] {number}"}],
            },
            headers={"authorization": "Bearer sk-test", "x-agent-id": f"team.agent{number % 5}"},
        ) as response:
            assert response.status == 200
            await response.read()


def totals(url: str) -> dict[str, float]:
    """Sums over all label sets, by sample name."""
    with urllib.request.urlopen(f"{url}/metrics") as response:
        text = response.read().decode()
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.startswith("llm_"):
                sums[sample.name] = sums.get(sample.name, 0) + sample.value
    return sums


async def totals_after_the_hold(urls: list[str]) -> list[dict[str, float]]:
    """Each one's sums as soon as all calls are shown alike; the last ones if they never are."""
    shown: list[dict[str, float]] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SHOWN_SECONDS_MAX):
            while not shown or shown[0] != shown[1] or shown[0]["llm_requests_total"] != CALLS:
                await asyncio.sleep(0.1)
                shown = [await asyncio.to_thread(totals, url) for url in urls]
    return shown


async def test_two_gateways_on_one_ledger_agree_with_it(tmp_path: Path) -> None:
    simulator = SimulatorProcess(tmp_path)
    simulator.start()
    names = ("first", "second")
    gateways = [
        GatewayProcess(
            gateway_config(tmp_path, simulator.url, extra=QUICK_INTERVAL, name=name), name=name
        )
        for name in names
    ]
    try:
        for gateway in gateways:
            gateway.start()
        urls = [gateway.url for gateway in gateways]
        async with aiohttp.ClientSession() as session:
            await asyncio.gather(
                *(load(session, urls, list(range(k, CALLS, CALLERS))) for k in range(CALLERS))
            )
        shown = await totals_after_the_hold(urls)
        assert [gateway.stop() for gateway in gateways] == [0, 0]
    finally:
        for gateway in gateways:
            gateway.kill()
        simulator.kill()

    ledger = tmp_path / "ledger.db"
    check_ledger(ledger)
    ((calls, pico),) = query(ledger, "SELECT count(*), sum(cost_pico_usd) FROM entry")
    assert calls == CALLS
    assert isinstance(pico, int)
    assert shown[0] == shown[1]
    assert shown[0]["llm_requests_total"] == CALLS
    assert shown[0]["llm_active_requests"] == 0
    assert abs(shown[0]["llm_cost_total"] - pico / 10**12) < 1e-12
