"""The same answer, whole or streamed in pieces of any size, costs the same to the pico-dollar."""

import itertools

import aiohttp
import pytest
from gateway_under_test import UnderTest, under_test
from ledger_file import query

_FIXTURES = under_test
_ids = itertools.count(1)

USAGE = "input=1234 cached=2048 output=77 reasoning=23"
PATHS: dict[str, tuple[str, str | None, dict[str, object], str]] = {
    "chat": ("/openai/v1/chat/completions", None, {"model": "gpt-5-mini"}, USAGE),
    "responses": ("/openai/v1/responses", None, {"model": "gpt-5-mini"}, USAGE),
    "anthropic": (
        "/anthropic/v1/messages",
        None,
        {"model": "claude-haiku-4-5", "max_tokens": 500},
        "input=1234 cached=2048 cache_write=512 cache_write_1h=256 output=77",
    ),
    "bedrock": (
        "/bedrock/model/us.amazon.nova-lite-v1%3A0/converse",
        "/bedrock/model/us.amazon.nova-lite-v1%3A0/converse-stream",
        {},
        "input=1234 cached=2048 output=77",
    ),
    "genai": (
        "/genai/v1beta/models/gemini-2.5-flash:generateContent",
        "/genai/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        {},
        USAGE,
    ),
    "genai-array": (
        "/genai/v1beta/models/gemini-2.5-flash:generateContent",
        "/genai/v1beta/models/gemini-2.5-flash:streamGenerateContent",
        {},
        USAGE,
    ),
}
SLICES = (1, 2, 3, 7, 64, 1000, 100_000)


def body_of(name: str, prompt: str, *, stream: bool) -> dict[str, object]:
    """A request in each dialect."""
    body: dict[str, object] = dict(PATHS[name][2])
    if name.startswith("genai"):
        return {**body, "contents": [{"role": "user", "parts": [{"text": prompt}]}]}
    if name == "bedrock":
        return {**body, "messages": [{"role": "user", "content": [{"text": prompt}]}]}
    if stream:
        body["stream"] = True
    if name == "responses":
        return {**body, "input": prompt}
    return {**body, "messages": [{"role": "user", "content": prompt}]}


async def cost_of(under_test: UnderTest, name: str, pieces: int | None) -> tuple[object, ...]:
    """Cost in pico-dollars, its state, and the rate card, of one call through the gateway."""
    request_id = f"streamed-cost-{next(_ids)}"
    path, streamed_path, _, usage = PATHS[name]
    stream = pieces is not None
    asked = f"[[simulate {usage}{f' slice={pieces}' if stream else ''}]]"
    headers = {
        "authorization": "Bearer sk-test",
        "x-api-key": "sk-test",
        "anthropic-version": "2023-06-01",
        "x-goog-api-key": "test",
        "x-request-id": request_id,
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            under_test.gateway + (streamed_path or path if stream else path),
            json=body_of(name, asked, stream=stream),
            headers=headers,
        ) as response,
    ):
        assert response.status == 200
        await response.read()
    (row,) = query(
        under_test.ledger,
        "SELECT cost_pico_usd, cost_state, rate_card, streamed FROM entry"
        f" WHERE request_id = '{request_id}'",
    )
    assert row[3] == int(stream)
    return row[:3]


@pytest.mark.parametrize("name", PATHS)
async def test_an_answer_costs_the_same_whole_and_streamed_at_every_chunking(
    under_test: UnderTest, name: str
) -> None:
    whole = await cost_of(under_test, name, None)

    streamed = {pieces: await cost_of(under_test, name, pieces) for pieces in SLICES}

    assert whole[1] == "priced"
    assert int(str(whole[0])) > 0
    assert streamed == dict.fromkeys(SLICES, whole)
