"""A ledger that cannot commit: what a budget could stop is refused, the rest as configured."""

import asyncio
import resource
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from ledger_file import check_ledger, query
from running import GatewayProcess, SimulatorProcess, gateway_config

WAIT_SECONDS_MAX = 20.0
TABLES = """
[budgeting]
without_ledger = "allow"

[[budgets]]
name = "strict"
team = "strict"
window = "day"
limit_usd = "5"

[[budgets]]
name = "told"
team = "told"
window = "day"
limit_usd = "5"
at_limit = "alert"
"""
LIMITS = "[limits]\nledger_wait_seconds = 2\n"


class Disk:
    """A gateway whose files can be kept from growing, as a full disk does."""

    def __init__(self, gateway: GatewayProcess, ledger: Path) -> None:
        self.url = gateway.url
        self.ledger = ledger
        self._gateway = gateway

    def fill(self) -> None:
        """From now on no file of the gateway grows."""
        self._limit(self.ledger.with_name("ledger.db-wal").stat().st_size)

    def clear(self) -> None:
        """There is space again."""
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        assert self._gateway.process is not None
        limits = (size, resource.RLIM_INFINITY)
        resource.prlimit(self._gateway.process.pid, resource.RLIMIT_FSIZE, limits)


@pytest.fixture(name="disk")
def gateway_on_a_disk(tmp_path: Path) -> Iterator[Disk]:
    simulator = SimulatorProcess(tmp_path)
    simulator.start()
    config = gateway_config(tmp_path, simulator.url)
    config.write_text(config.read_text() + TABLES + LIMITS)
    gateway = GatewayProcess(config)
    try:
        gateway.start()
        yield Disk(gateway, tmp_path / "ledger.db")
        assert gateway.stop() == 0
    finally:
        gateway.kill()
        simulator.kill()
    assert query(tmp_path / "ledger.db", "SELECT count(*) FROM budget_hold") == [(0,)]
    check_ledger(tmp_path / "ledger.db")
    assert b"Traceback" not in gateway.log.read_bytes()


async def status_of_call(disk: Disk, team: str) -> tuple[int, str | None]:
    """The status of a call, and when to try again."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{disk.url}/openai/v1/chat/completions",
            json={
                "model": "gpt-4o-mini",
                "max_tokens": 50,
                "messages": [{"role": "user", "content": "hi"}],
            },
            headers={"authorization": "Bearer sk-test", "x-agent-id": f"{team}.agent"},
        ) as answer,
    ):
        await answer.read()
        return answer.status, answer.headers.get("retry-after")


async def test_what_a_budget_could_stop_fails_closed_and_the_rest_passes_counted(
    disk: Disk,
) -> None:
    assert [await status_of_call(disk, team) for team in ("strict", "told", "free")] == [
        (200, None)
    ] * 3
    disk.fill()

    answers = {team: await status_of_call(disk, team) for team in ("strict", "told", "free")}

    assert answers == {"strict": (503, "1"), "told": (200, None), "free": (200, None)}
    async with aiohttp.ClientSession() as session, session.get(f"{disk.url}/metrics") as shown:
        lines = (await shown.text()).splitlines()
    passed = [line for line in lines if line.startswith("modelmeter_unmetered_calls_total")]
    refused = [
        line
        for line in lines
        if line.startswith("modelmeter_refused_requests_total") and "ledger_unavailable" in line
    ]
    assert [line.rpartition(" ")[2] for line in passed] == ["2"]
    assert [line.rpartition(" ")[2] for line in refused] == ["1"]
    disk.clear()
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            await asyncio.sleep(0.1)
            if (await status_of_call(disk, "strict"))[0] == 200:
                break
