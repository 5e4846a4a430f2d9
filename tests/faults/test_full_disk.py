"""A disk without space: no call is made whose record could not be kept, and none is lost."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from ledger_file import query
from limited_disk import Disk, gateway_on_disk

LIMITS = "[limits]\nledger_wait_seconds = 2\n"
WAIT_SECONDS_MAX = 20.0
DOORS = {
    "openai": "/openai/v1/chat/completions",
    "anthropic": "/anthropic/v1/messages",
    "bedrock": "/bedrock/model/amazon.nova-lite-v1%3A0/converse",
    "genai": "/genai/v1beta/models/gemini-2.5-flash:generateContent",
}
HEADERS = {
    "authorization": "Bearer sk-test",
    "x-api-key": "sk-test",
    "x-goog-api-key": "sk-test",
    "anthropic-version": "2023-06-01",
}


@pytest.fixture(name="disk")
def gateway_on_a_disk(tmp_path: Path) -> Iterator[Disk]:
    with gateway_on_disk(tmp_path, LIMITS) as disk:
        yield disk
    assert query(tmp_path / "ledger.db", "SELECT count(*) FROM open_call") == [(0,)]


def body_of(name: str, prompt: str = "hi") -> dict[str, object]:
    """A request in each dialect."""
    if name == "genai":
        return {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}
    if name == "bedrock":
        return {"messages": [{"role": "user", "content": [{"text": prompt}]}]}
    model = "gpt-4o-mini" if name == "openai" else "claude-haiku-4-5"
    message = {"role": "user", "content": prompt}
    return {"model": model, "max_tokens": 500, "messages": [message]}


async def post(disk: Disk, name: str, prompt: str = "hi") -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a call."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(disk.url + DOORS[name], json=body_of(name, prompt), headers=HEADERS) as answer,
    ):
        headers = {key.lower(): value for key, value in answer.headers.items()}
        return answer.status, headers, await answer.read()


async def served(disk: Disk) -> int:
    """How many calls reached a provider."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{disk.simulator}/simulator/served") as answer,
    ):
        count: int = (await answer.json())["served"]
        return count


async def status_of(url: str) -> int:
    """The status of a GET."""
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status


async def eventually_called(disk: Disk) -> None:
    """Call until a call succeeds."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            if (await post(disk, "openai"))[0] == 200:
                return
            await asyncio.sleep(0.1)


async def test_no_call_is_made_while_it_could_not_be_recorded(disk: Disk) -> None:
    for name in DOORS:
        assert (name, (await post(disk, name))[0]) == (name, 200)
    before = await served(disk)
    disk.fill()

    answers = {name: await post(disk, name) for name in DOORS}

    assert {name: answer[0] for name, answer in answers.items()} == dict.fromkeys(DOORS, 503)
    assert all(answer[1]["retry-after"] == "1" for answer in answers.values())
    assert json.loads(answers["openai"][2])["error"]["code"] == "ledger_unavailable"
    assert json.loads(answers["anthropic"][2])["error"]["type"] == "api_error"
    assert "message" in json.loads(answers["bedrock"][2])
    assert json.loads(answers["genai"][2])["error"]["status"] == "UNAVAILABLE"
    assert await served(disk) == before
    assert await status_of(f"{disk.url}/readyz") == 503
    assert await status_of(f"{disk.url}/healthz") == 200
    assert await status_of(f"{disk.url}/metrics") == 200

    disk.clear()
    await eventually_called(disk)
    assert await status_of(f"{disk.url}/readyz") == 200
    ((entries,),) = query(disk.ledger, "SELECT count(*) FROM entry")
    assert entries == await served(disk)


async def test_calls_that_were_under_way_are_entered_when_there_is_space(disk: Disk) -> None:
    prompt = "[[simulate output=40 input=50 first_token_ms=500]]"
    calls = [asyncio.create_task(post(disk, "openai", prompt)) for _ in range(5)]
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            (under_way,) = query(disk.ledger, "SELECT count(*) FROM open_call")
            if under_way == (5,):
                break
            await asyncio.sleep(0.02)
    disk.fill()

    answers = await asyncio.gather(*calls)

    # Nobody saw an answer complete whose outcome was not on the disk.
    assert [status for status, _, _ in answers] == [503] * 5
    assert query(disk.ledger, "SELECT count(*) FROM entry") == [(0,)]
    disk.clear()
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            entered = query(
                disk.ledger,
                "SELECT status, cost_state, tokens_input, tokens_output, count(*) FROM entry"
                " GROUP BY 1, 2, 3, 4",
            )
            if entered:
                break
            await asyncio.sleep(0.05)
    assert entered == [("success", "priced", 50, 40, 5)]
