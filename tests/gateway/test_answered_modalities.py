"""What Gemini counts by modality is charged at that modality's price, and held for before."""

import json
from collections.abc import Iterator
from pathlib import Path
from socket import socket

import aiohttp
import pytest
from ledger_file import query
from odd_upstream import HEAD, Behaviour, OddUpstream
from running import GatewayProcess, gateway_config

BUDGET = """
[[budgets]]
name = "all"
window = "day"
limit_usd = "100"
"""
USAGES: dict[str, tuple[str, dict[str, object]]] = {
    "embedded-video": (
        "gemini-embedding-2:embedContent",
        {
            "promptTokenCount": 1100,
            "totalTokenCount": 1100,
            "promptTokensDetails": [
                {"modality": "VIDEO", "tokenCount": 1000},
                {"modality": "TEXT", "tokenCount": 100},
            ],
        },
    ),
    "made-video": (
        "gemini-omni-flash-preview:generateContent",
        {
            "promptTokenCount": 100,
            "candidatesTokenCount": 5100,
            "totalTokenCount": 5200,
            "candidatesTokensDetails": [
                {"modality": "VIDEO", "tokenCount": 5000},
                {"modality": "TEXT", "tokenCount": 100},
            ],
        },
    ),
    "seen-video": (
        "gemini-2.5-flash:generateContent",
        {
            "promptTokenCount": 1000,
            "cachedContentTokenCount": 600,
            "candidatesTokenCount": 100,
            "totalTokenCount": 1100,
            "promptTokensDetails": [{"modality": "VIDEO", "tokenCount": 1000}],
            "cacheTokensDetails": [{"modality": "VIDEO", "tokenCount": 600}],
        },
    ),
}
COSTS = {
    # 1,000 at 12 and 100 at 0.20 USD a million; a fiftieth of that if it were text.
    "embedded-video": 12_020_000_000,
    # 100 at 1.50, 5,000 at 17.50 and 100 at 9.
    "made-video": 88_550_000_000,
    # Video has no price of its own here: 400 at 0.30, 600 at 0.03 and 100 at 2.50.
    "seen-video": 388_000_000,
}


def answering(usage: dict[str, object]) -> Behaviour:
    """An answer with that usage."""
    parts = [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}]
    body = json.dumps({"candidates": parts, "usageMetadata": usage}).encode()

    def behave(connection: socket) -> bool:
        connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
        return True

    return behave


@pytest.fixture(scope="module", name="gateway")
def a_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """In front of an upstream that answers with the usage its request names; and its ledger."""
    folder = tmp_path_factory.mktemp("modalities")
    upstream = OddUpstream({name: answering(usage) for name, (_, usage) in USAGES.items()})
    process = GatewayProcess(gateway_config(folder, upstream.url, extra=BUDGET))
    try:
        process.start()
        yield process.url, folder / "ledger.db"
        assert process.stop() == 0
    finally:
        process.kill()
        upstream.close()


@pytest.mark.parametrize("name", USAGES)
async def test_tokens_of_video_cost_what_the_catalogue_says_and_no_more_than_was_held(
    gateway: tuple[str, Path], name: str
) -> None:
    url, ledger = gateway
    clip = {"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}}
    content = {"role": "user", "parts": [clip, {"text": "what is it"}]}
    asked = {"content": content} if "embed" in name else {"contents": [content]}
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{url}/genai/v1beta/models/{USAGES[name][0]}",
            json={**asked, "user": name},
            headers={"x-goog-api-key": "test", "x-request-id": name},
        ) as answer,
    ):
        assert answer.status == 200, await answer.text()

    row = "SELECT cost_pico_usd, cost_state, overrun FROM entry WHERE request_id = "
    assert query(ledger, f"{row} '{name}'") == [(COSTS[name], "priced", 0)]
