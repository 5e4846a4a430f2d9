"""A ledger that cannot commit: what a budget could stop is refused, the rest as configured."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from ledger_file import query
from limited_disk import Disk, gateway_on_disk

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


@pytest.fixture(name="disk")
def gateway_on_a_disk(tmp_path: Path) -> Iterator[Disk]:
    with gateway_on_disk(tmp_path, TABLES + LIMITS) as disk:
        yield disk
    assert query(tmp_path / "ledger.db", "SELECT count(*) FROM budget_hold") == [(0,)]


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
