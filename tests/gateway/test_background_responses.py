"""A response that goes on behind its answer is charged the most it may use: it passes no budget."""

import json
from collections.abc import Iterator
from pathlib import Path
from socket import socket

import aiohttp
import pytest
from ledger_file import query
from odd_upstream import EVENTS, HEAD, Behaviour, OddUpstream
from running import GatewayProcess, gateway_config

LIMIT = 2000
BUDGET = """
[[budgets]]
name = "one"
team = "held"
window = "day"
limit_usd = "0.05"
"""
BEGUN = {
    "id": "resp_1", "object": "response", "model": "gpt-4o", "background": True, "error": None,
    "status": "queued", "output": [], "usage": None, "service_tier": "auto",
}  # fmt: skip
DONE = {
    **BEGUN,
    "status": "completed",
    "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
}


def says(sent: bytes) -> Behaviour:
    """These bytes; the connection ends with them."""

    def behave(connection: socket) -> bool:
        connection.sendall(sent)
        return False

    return behave


def whole(response: dict[str, object]) -> Behaviour:
    """One answer."""
    body = json.dumps(response).encode()
    return says(HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)


def event(kind: str, response: dict[str, object]) -> bytes:
    """One event of a stream."""
    return b"data: %s\n\n" % json.dumps({"type": kind, "response": response}).encode()


BEHAVIOURS = {
    "queued": whole(BEGUN),
    "running": whole({**BEGUN, "status": "in_progress"}),
    "done": whole(DONE),
    "cut": says(EVENTS + event("response.created", BEGUN)),
    "streamed": says(EVENTS + event("response.created", BEGUN) + event("response.completed", DONE)),
}


@pytest.fixture(scope="module", name="gateway")
def a_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """In front of an upstream that does what its request names; and its ledger."""
    folder = tmp_path_factory.mktemp("background")
    upstream = OddUpstream(BEHAVIOURS)
    process = GatewayProcess(gateway_config(folder, upstream.url, extra=BUDGET))
    try:
        process.start()
        yield process.url, folder / "ledger.db"
        assert process.stop() == 0
    finally:
        process.kill()
        upstream.close()


async def ask(url: str, name: str, agent_id: str) -> int:
    """The status of a call, whose answer may be cut."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{url}/openai/v1/responses",
            json={
                "model": "gpt-4o",
                "input": "hi",
                "background": True,
                "stream": name in ("cut", "streamed"),
                "max_output_tokens": LIMIT,
                "user": name,
            },
            headers={"authorization": "Bearer sk-test", "x-agent-id": agent_id},
        ) as answer,
    ):
        try:
            await answer.read()
        except aiohttp.ClientPayloadError:
            assert name == "cut"
        return answer.status


@pytest.mark.parametrize(
    ("name", "output", "state"),
    [
        ("queued", LIMIT, "estimated"),
        ("running", LIMIT, "estimated"),
        ("cut", LIMIT, "estimated"),
        ("done", 5, "priced"),
        ("streamed", 5, "priced"),
    ],
)
async def test_what_is_not_done_is_charged_all_the_output_it_may_write(
    gateway: tuple[str, Path], name: str, output: int, state: str
) -> None:
    url, ledger = gateway

    assert await ask(url, name, f"free.{name}") == 200

    row = "SELECT tokens_output, cost_state, overrun, cost_pico_usd >= ? FROM entry"
    least = output * 10_000_000
    found = query(ledger, f"{row.replace('?', str(least))} WHERE agent_id = 'free.{name}'")
    assert found == [(output, state, 0, 1)]


async def test_responses_in_the_background_cannot_pass_a_budget(
    gateway: tuple[str, Path],
) -> None:
    url, ledger = gateway

    statuses = [await ask(url, "queued", "held.agent") for _ in range(3)]

    assert statuses == [200, 429, 429]
    spent = "SELECT sum(cost_pico_usd) BETWEEN 20000000000 AND 30000000000 FROM entry"
    assert query(ledger, f"{spent} WHERE team = 'held'") == [(1,)]
