"""The gateway is killed at random moments under load; nothing that happened is lost."""

import asyncio
import os
import random
from pathlib import Path

import aiohttp
import pytest
from ledger_file import check_ledger, query
from running import GatewayProcess, SimulatorProcess, gateway_config

CALLERS = 12
KILL_AFTER_SECONDS_MAX = 0.3


class Driver:
    """Calls through the gateway until it dies, and remembers what it saw complete."""

    def __init__(self, random_source: random.Random) -> None:
        self.complete: set[str] = set()
        self._random = random_source
        self._number = 0

    async def load(self, session: aiohttp.ClientSession, url: str) -> None:
        """One caller, until its connection breaks."""
        try:
            while True:
                self._number += 1
                await self._call(session, url, f"call-{self._number}", self._random.random() < 0.5)
        except aiohttp.ClientError:
            return

    async def _call(
        self, session: aiohttp.ClientSession, url: str, call_id: str, streamed: bool
    ) -> None:
        async with session.post(
            f"{url}/openai/v1/chat/completions",
            json={
                "model": "gpt-4o-mini",
                "stream": streamed,
                "messages": [{"role": "user", "content": f"[[simulate output=20]] {call_id}"}],
            },
            headers={
                "authorization": "Bearer sk-test",
                "x-agent-id": "meetmind.kill",
                "x-request-id": call_id,
                "x-client-request-id": call_id,
            },
        ) as response:
            body = await response.read()
            whole = b"data: [DONE]" in body if streamed else body.endswith(b"}")
            if response.status == 200 and whole:
                self.complete.add(call_id)


async def kill_rounds(gateway: GatewayProcess, served: "Served", rounds: int, seed: int) -> Driver:
    """Load, kill, restart, again and again."""
    source = random.Random(seed)
    driver = Driver(source)
    for _ in range(rounds):
        await asyncio.to_thread(gateway.start)
        async with aiohttp.ClientSession() as session:
            callers = [
                asyncio.create_task(driver.load(session, gateway.url)) for _ in range(CALLERS)
            ]
            await asyncio.sleep(source.uniform(0.02, KILL_AFTER_SECONDS_MAX))
            gateway.kill()
            await asyncio.gather(*callers)
        await served.look()
    return driver


class Served:
    """Every call that reached the upstream, which tells the ids of its latest calls only."""

    def __init__(self, simulator: SimulatorProcess) -> None:
        self.ids: set[str] = set()
        self.total = 0
        self._simulator = simulator

    async def look(self) -> None:
        """Take up what has come since the last look."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self._simulator.url}/simulator/served") as response,
        ):
            told = await response.json()
        self.total = told["served"]
        # Of an old call the request is kept no longer, and its id with it.
        self.ids.update(call["id"] for call in told["calls"] if call["id"] is not None)


async def check_rounds(tmp_path: Path, rounds: int) -> None:
    """Kill the gateway ``rounds`` times and hold what was seen against the ledger."""
    seed = int(os.environ.get("KILL_SEED", "0")) or random.SystemRandom().getrandbits(32)
    print(f"replay with KILL_SEED={seed}")
    simulator = SimulatorProcess(tmp_path)
    simulator.start()
    gateway = GatewayProcess(gateway_config(tmp_path, simulator.url))
    try:
        served = Served(simulator)
        driver = await kill_rounds(gateway, served, rounds, seed)
        gateway.start()
        await served.look()
        assert gateway.stop() == 0
    finally:
        gateway.kill()
        simulator.kill()

    ledger = tmp_path / "ledger.db"
    entries = query(ledger, "SELECT request_id, status FROM entry")
    by_id = {str(request_id): status for request_id, status in entries}
    assert len(driver.complete) > rounds
    assert len(by_id) == len(entries)
    assert {call_id for call_id in driver.complete if by_id.get(call_id) != "success"} == set()
    assert len(served.ids) == served.total, "the simulator's list was too short between two looks"
    assert served.ids - by_id.keys() == set()
    assert query(ledger, "SELECT count(*) FROM open_call") == [(0,)]
    check_ledger(ledger)


@pytest.mark.timeout(240)
async def test_no_call_is_lost_when_the_gateway_is_killed(tmp_path: Path) -> None:
    """What a caller saw complete is an entry; what the upstream served is at least unknown."""
    await check_rounds(tmp_path, 20)


@pytest.mark.soak
async def test_no_call_is_lost_in_two_hundred_kills(tmp_path: Path) -> None:
    """The same, long enough to meet rare moments."""
    await check_rounds(tmp_path, 200)
