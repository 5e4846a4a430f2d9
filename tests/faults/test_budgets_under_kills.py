"""The gateway is killed at random moments with budgets on: nothing stays held, nothing is lost."""

import asyncio
import os
import random
from pathlib import Path

import aiohttp
import pytest
from budget_cases import check_windows, standings
from ledger_file import check_ledger, query
from running import GatewayProcess, SimulatorProcess, gateway_config

from modelmeter.budgets.drift import DriftCheck
from modelmeter.record import PICO_PER_USD, SystemClock

CALLERS = 12
KILL_AFTER_SECONDS_MAX = 0.3
BUDGETS = """
[[budgets]]
name = "tight"
team = "meetmind"
window = "month"
limit_usd = "0.05"

[[budgets]]
name = "calls"
agent = "meetmind.kill"
window = "month"
limit_calls = 100000

[[budgets]]
name = "rolling"
window = "rolling"
seconds = 5
limit_usd = "1"

[[throttles]]
name = "wide"
tokens_per_minute = 1000000000
concurrent_calls = 12
"""


async def load(session: aiohttp.ClientSession, url: str, numbers: "list[int]") -> None:
    """One caller, until its connection breaks."""
    try:
        while True:
            numbers.append(len(numbers))
            async with session.post(
                f"{url}/openai/v1/chat/completions",
                json={
                    "model": "gpt-4o-mini",
                    "stream": len(numbers) % 2 == 0,
                    "max_tokens": 60,
                    "messages": [{"role": "user", "content": "[[simulate output=20]] hi"}],
                },
                headers={"authorization": "Bearer sk-test", "x-agent-id": "meetmind.kill"},
            ) as answer:
                assert answer.status in (200, 429)
                await answer.read()
    except aiohttp.ClientError:
        return


async def check_rounds(tmp_path: Path, rounds: int) -> None:
    """Kill the gateway ``rounds`` times and look at its budgets after each start."""
    seed = int(os.environ.get("KILL_SEED", "0")) or random.SystemRandom().getrandbits(32)
    print(f"replay with KILL_SEED={seed}")
    source = random.Random(seed)
    ledger = tmp_path / "ledger.db"
    simulator = SimulatorProcess(tmp_path)
    simulator.start()
    gateway = GatewayProcess(gateway_config(tmp_path, simulator.url, extra=BUDGETS))
    numbers: list[int] = []
    try:
        for _ in range(rounds):
            await asyncio.to_thread(gateway.start)
            # What was under way is entered as unknown by now, and no hold outlives it.
            assert query(ledger, "SELECT count(*) FROM budget_hold") == [(0,)]
            assert query(ledger, "SELECT count(*) FROM throttle_hold") == [(0,)]
            async with aiohttp.ClientSession() as session:
                callers = [
                    asyncio.create_task(load(session, gateway.url, numbers)) for _ in range(CALLERS)
                ]
                await asyncio.sleep(source.uniform(0.02, KILL_AFTER_SECONDS_MAX))
                gateway.kill()
                await asyncio.gather(*callers)
            check_windows(ledger)
            settled, held = standings(ledger).get("tight", (0, 0))
            assert settled + held <= PICO_PER_USD // 20
        await asyncio.to_thread(gateway.start)
        assert gateway.stop() == 0
    finally:
        gateway.kill()
        simulator.kill()

    assert query(ledger, "SELECT count(*) FROM open_call") == [(0,)]
    assert query(ledger, "SELECT count(*) FROM budget_hold") == [(0,)]
    throttled = "SELECT count(*) FROM entry WHERE error_type = 'throttled'"
    # As many callers as places: a place that a killed gateway kept would be missed.
    assert query(ledger, throttled) == [(0,)]
    assert all(held == 0 for _, held in standings(ledger).values())
    drift = DriftCheck(ledger, SystemClock())
    assert set(drift.check().values()) == {0}
    drift.close()
    check_ledger(ledger)
    ((calls,),) = query(ledger, "SELECT count(*) FROM entry WHERE status <> 'blocked'")
    assert standings(ledger)["calls"][0] == int(str(calls)) * PICO_PER_USD
    assert int(str(calls)) > rounds


@pytest.mark.timeout(240)
async def test_no_hold_outlives_a_killed_gateway(tmp_path: Path) -> None:
    """No budget is falsely full afterwards, and none is overspent."""
    await check_rounds(tmp_path, 12)


@pytest.mark.soak
async def test_no_hold_outlives_two_hundred_kills(tmp_path: Path) -> None:
    """The same, long enough to meet rare moments."""
    await check_rounds(tmp_path, 200)
