"""One of two gateways is killed amid hostile load: budgets hold, and nothing stays held by it."""

import asyncio
import os
import random
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest
from budget_cases import check_windows, standings
from ledger_file import check_ledger, query
from polling import wait_until
from running import GatewayProcess, SimulatorProcess, gateway_config

from modelmeter.budgets.drift import DriftCheck
from modelmeter.record import PICO_PER_USD, SystemClock

CONNECTIONS = 64
KILLS = 4
LOAD_SECONDS = 0.8
ROLLING_SECONDS = 2
WAIT_SECONDS_MAX = 60.0
NEEDED = re.compile(r"this call at most ([0-9.]+)")
LIMITS = {"tight": "0.04", "rolling": "0.004", "tokens": "60000"}
BUDGETS = f"""
[[budgets]]
name = "tight"
team = "load"
window = "month"
limit_usd = "{LIMITS["tight"]}"

[[budgets]]
name = "rolling"
agent = "load.*"
window = "rolling"
seconds = {ROLLING_SECONDS}
limit_usd = "{LIMITS["rolling"]}"

[[budgets]]
name = "tokens"
window = "month"
limit_tokens = {LIMITS["tokens"]}
"""
ASKED = (
    "output=20",
    "output=20 token_ms=3",
    "output=40 token_ms=2",
    "status=429",
    "status=500",
    "output=20 cut_after_chunks=3",
    "no_usage output=20",
    "empty",
    "html",
    "usage_invalid=negative",
)


@pytest.fixture(name="gateways")
def two_gateways(tmp_path: Path) -> Iterator[list[GatewayProcess]]:
    """On one ledger, in front of one simulator."""
    simulator = SimulatorProcess(tmp_path)
    simulator.start()
    gateways = [
        GatewayProcess(gateway_config(tmp_path, simulator.url, extra=BUDGETS, name=name), name=name)
        for name in ("first", "second")
    ]
    try:
        for gateway in gateways:
            gateway.start()
        yield gateways
    finally:
        for gateway in gateways:
            gateway.kill()
        simulator.kill()


def body_of(source: random.Random, path: str) -> dict[str, object]:
    """A request that may end in any way."""
    asked = source.choice(ASKED)
    return {
        "max_tokens": source.choice((30, 60)),
        "messages": [{"role": "user", "content": f"[[simulate {asked}]]"}],
        "stream": source.random() < 0.5,
        "model": "claude-haiku-4-5" if path.startswith("/anthropic") else "gpt-4o-mini",
    }


async def caller(urls: list[str], source: random.Random, ends: asyncio.Event) -> None:
    """One connection's calls to either gateway, some of which it leaves half-way."""
    async with aiohttp.ClientSession() as session:
        while not ends.is_set():
            path = source.choice(
                ("/openai/v1/chat/completions", "/anthropic/v1/messages", "/v1/chat/completions")
            )
            try:
                async with session.post(
                    source.choice(urls) + path,
                    json=body_of(source, path),
                    headers={
                        "authorization": "Bearer sk-test",
                        "x-api-key": "sk-test",
                        "x-agent-id": f"load.agent{source.randrange(4)}",
                    },
                ) as answer:
                    if source.random() < 0.1:
                        await answer.content.readany()
                    else:
                        await answer.read()
            except aiohttp.ClientError:
                await asyncio.sleep(0.01)


async def watch(ledger: Path, ends: asyncio.Event) -> int:
    """No commit that another process can see is above a limit; how many looks there were."""
    seen = 0
    while not ends.is_set():
        stands = await asyncio.to_thread(standings, ledger)
        for name in ("tight", "tokens"):
            settled, held = stands.get(name, (0, 0))
            assert settled + held <= Decimal(LIMITS[name]) * PICO_PER_USD
        seen += 1
    return seen


def dearest_span(ledger: Path) -> int:
    """The most that calls cost which began within the length of the rolling window."""
    rows = query(ledger, "SELECT started_at_ns, cost_pico_usd FROM entry ORDER BY 1")
    calls = [(int(str(at)), int(str(cost))) for at, cost in rows]
    dearest = spent = first = 0
    for at_ns, cost in calls:
        spent += cost
        while calls[first][0] < at_ns - ROLLING_SECONDS * 10**9:
            spent -= calls[first][1]
            first += 1
        dearest = max(dearest, spent)
    return dearest


@pytest.mark.timeout(240)
async def test_a_killed_gateway_s_holds_end_while_the_other_goes_on(
    tmp_path: Path, gateways: list[GatewayProcess]
) -> None:
    seed = int(os.environ.get("KILL_SEED", "0")) or random.SystemRandom().getrandbits(32)
    print(f"replay with KILL_SEED={seed}")
    source = random.Random(seed)
    ledger = tmp_path / "ledger.db"
    ends = asyncio.Event()
    urls = [gateway.url for gateway in gateways]
    callers = [
        asyncio.create_task(caller(urls, random.Random(source.random()), ends))
        for _ in range(CONNECTIONS)
    ]
    watching = asyncio.create_task(watch(ledger, ends))
    for _ in range(KILLS):
        await asyncio.sleep(source.uniform(0.2, LOAD_SECONDS))
        gateways[0].kill()
        await asyncio.sleep(source.uniform(0, LOAD_SECONDS))
        await asyncio.to_thread(gateways[0].start)
        urls[0] = gateways[0].url
    gateways[0].kill()
    ends.set()
    await asyncio.gather(*callers)
    assert await watching > KILLS

    # The one that is left ends what the dead one held, with nobody starting anything.
    await asyncio.to_thread(
        wait_until, lambda: not any(held for _, held in standings(ledger).values())
    )
    check_windows(ledger)
    drift = DriftCheck(ledger, SystemClock())
    assert set(drift.check().values()) == {0}
    drift.close()
    assert dearest_span(ledger) <= Decimal(LIMITS["rolling"]) * PICO_PER_USD
    await check_that_what_is_left_can_be_spent(gateways[1].url)
    assert gateways[1].stop() == 0
    check_ledger(ledger)
    assert b"Traceback" not in gateways[1].log.read_bytes()


async def check_that_what_is_left_can_be_spent(url: str) -> None:
    """The first call that is refused asks for more than is left, and nothing is held for others."""
    async with asyncio.timeout(WAIT_SECONDS_MAX), aiohttp.ClientSession() as session:
        while True:
            async with session.post(
                f"{url}/openai/v1/chat/completions",
                json={
                    "model": "gpt-4o-mini",
                    "max_tokens": 60,
                    "messages": [{"role": "user", "content": "[[simulate output=20]]"}],
                },
                headers={"authorization": "Bearer sk-test", "x-agent-id": "load.last"},
            ) as answer:
                text = await answer.text()
            if answer.status == 200:
                continue
            assert answer.status == 429, text
            fields = answer.headers["x-modelmeter-budget-stands"].split(";")
            stands = dict(field.split("=") for field in fields)
            needed = NEEDED.search(text)
            assert needed is not None
            assert stands["reserved"] == "0"
            left = Decimal(stands["limit"]) - Decimal(stands["spent"])
            assert 0 <= left < Decimal(needed.group(1))
            return
