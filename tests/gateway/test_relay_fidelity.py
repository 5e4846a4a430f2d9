"""What the caller gets is what the upstream sent, and what the ledger says is what happened."""

import asyncio
import hashlib
import itertools
import json
import re
from collections.abc import Callable

import aiohttp
import pytest
from gateway_under_test import UnderTest, under_test
from ledger_file import query

_FIXTURES = under_test
_ids = itertools.count(1)

CHAT = "/openai/v1/chat/completions"
ASKS_FOR_USAGE = {"model": "gpt-4o", "stream": True, "stream_options": {"include_usage": True}}
STREAMS = {
    "openai": (CHAT, ASKS_FOR_USAGE),
    "responses": ("/openai/v1/responses", {"model": "gpt-4o", "stream": True}),
    "anthropic": ("/anthropic/v1/messages", {"model": "claude-haiku-4-5", "stream": True}),
    "bedrock": ("/bedrock/model/amazon.nova-lite-v1%3A0/converse-stream", {}),
    "genai-sse": ("/genai/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", {}),
    "genai-array": ("/genai/v1beta/models/gemini-2.5-flash:streamGenerateContent", {}),
}  # fmt: skip


def body_of(name: str, prompt: str) -> dict[str, object]:
    """A request in each dialect."""
    body: dict[str, object] = dict(STREAMS[name][1])
    if name == "responses":
        return {**body, "input": prompt}
    if name.startswith("genai"):
        return {**body, "contents": [{"role": "user", "parts": [{"text": prompt}]}]}
    if name == "bedrock":
        return {**body, "messages": [{"role": "user", "content": [{"text": prompt}]}]}
    if name == "anthropic":
        body["max_tokens"] = 500
    return {**body, "messages": [{"role": "user", "content": prompt}]}


def headers_of(request_id: str) -> dict[str, str]:
    """Who calls."""
    return {
        "authorization": "Bearer sk-test",
        "x-api-key": "sk-test",
        "anthropic-version": "2023-06-01",
        "x-goog-api-key": "test",
        "x-agent-id": "meetmind.fidelity",
        "x-request-id": request_id,
    }


async def fetch(under_test: UnderTest, name: str, prompt: str) -> tuple[str, bytes, dict[str, str]]:
    """The request's id, the bytes and the headers that a caller gets."""
    request_id = f"fidelity-{next(_ids)}"
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            under_test.gateway + STREAMS[name][0],
            json=body_of(name, prompt),
            headers=headers_of(request_id),
        ) as response,
    ):
        return (
            request_id,
            await response.read(),
            {k.lower(): v for k, v in response.headers.items()},
        )


async def sent_by_simulator(under_test: UnderTest, body: bytes, headers: dict[str, str]) -> str:
    """The digest of the bytes that the upstream wrote for an answer."""
    in_body = re.search(rb'"responseId": ?"([^"]+)"', body)
    names = ("x-request-id", "request-id", "x-amzn-requestid")
    in_headers = [headers[name] for name in names if name in headers]
    answer_id = in_headers[0] if in_body is None else in_body.group(1).decode()
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{under_test.simulator}/simulator/sent/{answer_id}") as response,
    ):
        sent = await response.json()
    return str(sent["sha256"])


async def eventually(condition: Callable[[], bool]) -> None:
    """Poll within a bound."""
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("slice_bytes", [1, 7, 100_000])
@pytest.mark.parametrize("name", STREAMS)
async def test_a_stream_arrives_byte_for_byte_and_is_metered_alike_at_every_chunking(
    under_test: UnderTest, name: str, slice_bytes: int
) -> None:
    prompt = f"[[simulate output=30 input=50 slice={slice_bytes}]]"

    request_id, body, headers = await fetch(under_test, name, prompt)

    assert hashlib.sha256(body).hexdigest() == await sent_by_simulator(under_test, body, headers)
    assert under_test.entries(request_id) == [("success", None, 200, "priced", None)]
    tokens = query(
        under_test.ledger,
        "SELECT tokens_input, tokens_output + tokens_reasoning FROM entry"
        f" WHERE request_id = '{request_id}'",
    )
    assert tokens == [(50, 30)]


@pytest.mark.parametrize("slice_bytes", [1, 100_000])
async def test_a_usage_chunk_the_caller_did_not_ask_for_is_kept_from_it(
    under_test: UnderTest, slice_bytes: int
) -> None:
    request_id = f"fidelity-{next(_ids)}"
    prompt = f"[[simulate output=30 input=50 slice={slice_bytes}]]"
    body = {
        "model": "gpt-4o",
        "stream": True,
        "messages": [{"role": "user", "content": prompt}],
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            under_test.gateway + CHAT, json=body, headers=headers_of(request_id)
        ) as response,
    ):
        answer = await response.read()

    events = [line[6:] for line in answer.split(b"\n") if line.startswith(b"data: ")]
    chunks = [json.loads(event) for event in events[:-1]]
    assert events[-1] == b"[DONE]"
    assert all(chunk["choices"] for chunk in chunks)
    assert not any(chunk.get("usage") for chunk in chunks)
    assert under_test.entries(request_id) == [("success", None, 200, "priced", None)]


@pytest.mark.parametrize(
    ("directive", "entry"),
    [
        ("status=429", ("error", "rate_limit", 429, "priced", None)),
        ("status=503", ("error", "overloaded", 503, "priced", None)),
        ("status=401", ("error", "authentication", 401, "priced", None)),
        ("error=context_length", ("error", "context_length", 400, "priced", None)),
        ("error=content_filter", ("error", "content_filter", 400, "priced", None)),
        ("html", ("error", "bad_response", 200, "estimated", "the answer is not JSON")),
        ("empty", ("error", "bad_response", 200, "estimated", "the answer is not JSON")),
        ("broken_json", ("error", "bad_response", 200, "estimated", "the answer is not JSON")),
        ("no_usage", ("success", None, 200, "estimated", "the provider reported no usage")),
        (
            "usage_invalid=contradictory",
            ("success", None, 200, "estimated", "the provider's usage contradicts itself"),
        ),
    ],
)
async def test_errors_and_strange_answers_pass_unchanged_and_are_told_apart(
    under_test: UnderTest, directive: str, entry: tuple[object, ...]
) -> None:
    request_id = f"fidelity-{next(_ids)}"
    body = {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": f"[[simulate {directive}]]"}],
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            under_test.gateway + CHAT, json=body, headers=headers_of(request_id)
        ) as response,
    ):
        answer = await response.read()
        headers = {name.lower(): value for name, value in response.headers.items()}

    assert response.status == entry[2]
    assert hashlib.sha256(answer).hexdigest() == await sent_by_simulator(
        under_test, answer, headers
    )
    assert under_test.entries(request_id) == [entry]


@pytest.mark.parametrize(
    ("directive", "status", "entry"),
    [
        ("redirect=http://169.254.169.254/", 502, ("error", "bad_response")),
        ("first_token_ms=60000", 504, ("timeout", "timeout")),
    ],
)
async def test_an_upstream_that_cannot_be_relayed_is_an_error_of_the_providers_shape(
    under_test: UnderTest, directive: str, status: int, entry: tuple[str, str]
) -> None:
    request_id = f"fidelity-{next(_ids)}"
    body = {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": f"[[simulate {directive}]]"}],
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            under_test.gateway + CHAT, json=body, headers=headers_of(request_id)
        ) as response,
    ):
        answer = await response.json()

    assert response.status == status
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert under_test.entries(request_id)[0][:2] == entry


@pytest.mark.parametrize(
    ("directive", "entry"),
    [
        ("cut_after_chunks=3", ("error", "connection", 200, "estimated")),
        ("stall_after_chunks=3", ("timeout", "timeout", 200, "estimated")),
    ],
)
async def test_a_stream_that_breaks_off_is_cut_for_the_caller_and_never_free(
    under_test: UnderTest, directive: str, entry: tuple[object, ...]
) -> None:
    request_id = f"fidelity-{next(_ids)}"
    prompt = f"[[simulate output=100 input=50 {directive}]]"
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            under_test.gateway + CHAT,
            json=body_of("openai", prompt),
            headers=headers_of(request_id),
        ) as response,
    ):
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()

    await eventually(lambda: under_test.entries(request_id) != [])
    assert under_test.entries(request_id)[0][:4] == entry
    assert query(
        under_test.ledger,
        f"SELECT cost_pico_usd > 0, tokens_output > 0 FROM entry WHERE request_id = '{request_id}'",
    ) == [(1, 1)]


async def test_when_the_caller_leaves_the_rest_is_read_for_its_usage(
    under_test: UnderTest,
) -> None:
    request_id = f"fidelity-{next(_ids)}"
    prompt = "[[simulate output=100 input=50 token_ms=5]]"
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            under_test.gateway + CHAT,
            json=body_of("openai", prompt),
            headers=headers_of(request_id),
        ) as response,
    ):
        await response.content.readany()
        response.close()

    await eventually(lambda: under_test.entries(request_id) != [])
    assert under_test.entries(request_id) == [("cancelled", "cancelled", 200, "priced", None)]
    assert query(
        under_test.ledger,
        f"SELECT tokens_input, tokens_output FROM entry WHERE request_id = '{request_id}'",
    ) == [(50, 100)]


async def test_when_the_caller_leaves_for_good_the_rest_is_estimated(
    under_test: UnderTest,
) -> None:
    request_id = f"fidelity-{next(_ids)}"
    prompt = "[[simulate output=1000 input=50 token_ms=50]]"
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            under_test.gateway + CHAT,
            json=body_of("openai", prompt),
            headers=headers_of(request_id),
        ) as response,
    ):
        await response.content.readany()
        response.close()

    await eventually(lambda: under_test.entries(request_id) != [])
    assert under_test.entries(request_id)[0][:4] == ("cancelled", "cancelled", 200, "estimated")
