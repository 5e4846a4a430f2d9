"""Thresholds crossed by many calls at once, through a gateway of two workers that is killed."""

import asyncio
import time
from pathlib import Path

import aiohttp
from ledger_file import check_ledger, query
from receiver import Receiver, receiver
from running import GatewayProcess, SimulatorProcess, gateway_config

CALLS = 500
SECRET = "s3cr3t-c4n4ry-h00k"
SECONDS_MAX = 60.0
TABLES = """
[[budgets]]
name = "meetmind-monthly"
team = "meetmind"
window = "month"
limit_usd = "0.30"
at_limit = "alert"

[notifications]
urls = ["env:HOOK"]
"""
"""Each call costs 0.00075 USD: together they spend 0.375."""
TRIED = "SELECT count(*) FROM notification WHERE attempts > 0 AND leased_until_ns = 0"
STATES = "SELECT state, count(*) FROM notification GROUP BY 1"


async def call_all(url: str) -> list[int]:
    """The statuses of all calls, made at once."""
    body = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "[[simulate input=1000 output=1000]]"}],
        "max_completion_tokens": 1000,
    }
    headers = {"x-agent-id": "meetmind.notes", "authorization": "Bearer sk"}
    connector = aiohttp.TCPConnector(limit=CALLS)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def one() -> int:
            async with session.post(f"{url}/openai/v1/chat/completions", json=body) as answer:
                await answer.read()
                return answer.status

        return await asyncio.gather(*(one() for _ in range(CALLS)))


def wait_until(ledger: Path, sql: str, rows: list[tuple[object, ...]]) -> None:
    """Until a query gives these rows."""
    deadline = time.monotonic() + SECONDS_MAX
    while (found := query(ledger, sql)) != rows:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def told(service: Receiver, count: int) -> list[str]:
    """The titles of so many notifications."""
    return [str(service.next()[2]["title"]) for _ in range(count)]


def test_each_threshold_is_told_once_though_the_receiver_was_down_and_the_gateway_killed(
    tmp_path: Path,
) -> None:
    ledger = tmp_path / "ledger.db"
    simulator = SimulatorProcess(tmp_path)
    simulator.start()
    config = gateway_config(tmp_path, simulator.url, extra="workers = 2")
    config.write_text(config.read_text() + TABLES)
    with receiver() as service:
        hook = {"HOOK": f"json://127.0.0.1:{service.port}/{SECRET}"}
        service.up = False
        first = GatewayProcess(config, hook, name="first")
        second = GatewayProcess(config, hook, name="second")
        try:
            first.start()
            statuses = asyncio.run(call_all(first.url))
            assert statuses == [200] * CALLS
            wait_until(ledger, TRIED, [(3,)])
            assert first.stop() == 0

            service.up = True
            second.start()
            titles = told(service, 3)
            wait_until(ledger, STATES, [("delivered", 3)])
            metrics = query(ledger, "SELECT whole FROM series WHERE labels = '[\"delivered\"]'")
            assert second.stop() == 0
        finally:
            first.stop()
            second.stop()
            simulator.kill()

        assert service.received.empty()
    assert sorted(titles) == [
        f"Budget meetmind-monthly: {threshold} % of 0.3 USD spent" for threshold in (100, 50, 80)
    ]
    assert metrics == [(3,)]
    check_ledger(ledger)
    for log in (first.log, second.log):
        assert SECRET.encode() not in log.read_bytes()
        assert b"Traceback" not in log.read_bytes()
