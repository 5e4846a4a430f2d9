"""The gateway with a cache: equal calls are made once, and whoever may not share does not."""

import asyncio
import re

import aiohttp
import pytest
from cached_gateway import CHAT, CachedGateway, cached, headers_of, prompt_of
from ledger_file import query

_FIXTURES = cached
SECONDS_MAX = 60
UNIFIED = "/v1/chat/completions"

STREAMS = {
    "openai": (CHAT, {"model": "gpt-4o", "stream": True}),
    "openai-usage": (
        CHAT,
        {"model": "gpt-4o", "stream": True, "stream_options": {"include_usage": True}},
    ),
    "responses": ("/openai/v1/responses", {"model": "gpt-4o", "stream": True}),
    "anthropic": (
        "/anthropic/v1/messages",
        {"model": "claude-haiku-4-5", "stream": True, "max_tokens": 500},
    ),
    "bedrock": ("/bedrock/model/amazon.nova-lite-v1%3A0/converse-stream", {}),
    "genai": ("/genai/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", {}),
}


def body_of(name: str, prompt: str) -> dict[str, object]:
    """A request in each dialect."""
    body: dict[str, object] = dict(STREAMS[name][1])
    if name == "responses":
        return {**body, "input": prompt}
    if name == "genai":
        return {**body, "contents": [{"role": "user", "parts": [{"text": prompt}]}]}
    if name == "bedrock":
        return {**body, "messages": [{"role": "user", "content": [{"text": prompt}]}]}
    return {**body, "messages": [{"role": "user", "content": prompt}]}


async def test_the_second_equal_call_is_answered_from_the_cache(cached: CachedGateway) -> None:
    body = prompt_of()
    before = await cached.served()

    first, second = await cached.call(body), await cached.call(body)

    assert await cached.served() == before + 1
    assert (first.cache, second.cache) == ("miss", "hit")
    assert (second.status, second.body) == (200, first.body)
    assert "age" not in first.headers
    assert 0 <= int(second.headers["age"]) < SECONDS_MAX
    assert first.headers["x-modelmeter-call-id"] != second.headers["x-modelmeter-call-id"]
    assert first.headers["content-type"] == second.headers["content-type"]
    assert cached.entries(first.request_id) == [("success", 0, "first_seen")]
    assert cached.entries(second.request_id) == [("success", 1, None)]


async def test_a_hit_saves_exactly_what_the_call_cost(cached: CachedGateway) -> None:
    body = prompt_of("output=31 input=57")
    ids = [(await cached.call(body)).request_id for _ in range(3)]

    rows = query(
        cached.ledger,
        "SELECT cost_pico_usd, cost_saved_pico_usd FROM entry"
        f" WHERE request_id IN {tuple(ids)} ORDER BY seq",
    )

    cost = 57 * 2_500_000 + 31 * 10_000_000
    assert rows == [(cost, 0), (0, cost), (0, cost)]


@pytest.mark.parametrize("name", STREAMS)
async def test_a_stream_is_replayed_as_a_stream_with_the_same_events(
    cached: CachedGateway, name: str
) -> None:
    body = body_of(name, f"{name}. [[simulate output=30 input=50 slice=7]]")

    first, second = [await cached.call(body, path=STREAMS[name][0]) for _ in range(2)]

    assert (first.cache, second.cache) == ("miss", "hit")
    assert first.status == second.status == 200
    assert second.body == first.body
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.headers.get("transfer-encoding") == "chunked"
    assert "content-length" not in second.headers
    assert (b'"usage":{' in second.body) == (name != "openai") or name in ("bedrock", "genai")


@pytest.mark.parametrize(
    "headers",
    [
        {"x-tenant-id": "globex"},
        {"authorization": "Bearer sk-other"},
        {"openai-organization": "org-2"},
    ],
    ids=str,
)
async def test_another_tenant_key_or_header_is_a_miss(
    cached: CachedGateway, headers: dict[str, str]
) -> None:
    body = prompt_of()
    first = await cached.call(body)

    other = await cached.call(body, headers)
    again = await cached.call(body, headers)

    assert (first.cache, other.cache, again.cache) == ("miss", "miss", "hit")
    assert other.body != first.body
    assert again.body == other.body


async def test_a_key_in_the_query_is_a_credential_like_any_other(cached: CachedGateway) -> None:
    path = "/genai/v1beta/models/gemini-2.5-flash:generateContent?key="
    body = body_of("genai", "Keys. [[simulate output=30 input=50]]")

    answers = [await cached.call(body, path=path + key) for key in ("one", "two", "one")]

    assert [answer.cache for answer in answers] == ["miss", "miss", "hit"]
    assert answers[2].body == answers[0].body


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.1},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
        {"seed": 7},
        {"model": "gpt-4o-mini"},
        {"stream": True},
    ],
    ids=str,
)
async def test_another_parameter_is_a_miss(
    cached: CachedGateway, change: dict[str, object]
) -> None:
    body = prompt_of()
    await cached.call(body)

    assert (await cached.call({**body, **change})).cache == "miss"


async def test_64_equal_calls_at_once_are_made_once(cached: CachedGateway) -> None:
    body = prompt_of("output=30 first_token_ms=300")
    before = await cached.served()

    async with asyncio.timeout(SECONDS_MAX):
        answers = await asyncio.gather(*(cached.call(body) for _ in range(64)))

    assert await cached.served() == before + 1
    assert len({answer.body for answer in answers}) == 1
    assert sorted(str(answer.cache) for answer in answers) == ["hit"] * 63 + ["miss"]


@pytest.mark.parametrize(
    "directive",
    ["status=500", "status=429", "error=content_filter", "broken_json", "html", "empty"],
)
async def test_an_error_is_never_kept(cached: CachedGateway, directive: str) -> None:
    body = prompt_of(directive)
    before = await cached.served()

    answers = [await cached.call(body) for _ in range(2)]

    assert [answer.cache for answer in answers] == ["miss", "miss"]
    assert await cached.served() == before + 2


async def test_an_answer_cut_by_its_limit_is_not_kept_and_that_is_known(
    cached: CachedGateway,
) -> None:
    body = prompt_of("input=50", max_tokens=2)

    first, second = [await cached.call(body) for _ in range(2)]

    assert b'"length"' in first.body.replace(b" ", b"")
    assert cached.entries(first.request_id) == [("success", 0, "first_seen")]
    assert cached.entries(second.request_id) == [("success", 0, "not_stored")]


async def test_a_long_answer_is_not_kept(cached: CachedGateway) -> None:
    body = prompt_of("body_bytes=30000")

    first, second = [await cached.call(body) for _ in range(2)]

    assert len(first.body) > 20_000
    assert cached.entries(second.request_id) == [("success", 0, "not_stored")]


@pytest.mark.parametrize("directive", ["cut_after_chunks=5", "error_after_chunks=5 status=500"])
async def test_a_stream_that_breaks_off_is_not_kept(cached: CachedGateway, directive: str) -> None:
    body = prompt_of(f"output=30 {directive}", stream=True)
    request_ids = []
    for _ in range(2):
        headers = headers_of()
        request_ids.append(headers["x-request-id"])
        async with aiohttp.ClientSession() as session:
            try:
                async with session.post(
                    cached.gateway + CHAT, json=body, headers=headers
                ) as response:
                    assert response.headers["x-modelmeter-cache"] == "miss"
                    await response.read()
            except aiohttp.ClientPayloadError:
                pass

    for request_id in request_ids:
        ((status, hit, why),) = cached.entries(request_id)
        assert (status != "success", hit, why) == (True, 0, "first_seen")


async def test_a_stream_its_caller_leaves_half_way_is_not_kept(cached: CachedGateway) -> None:
    body = prompt_of("output=30 token_ms=20", stream=True)
    headers = headers_of()
    async with (
        aiohttp.ClientSession() as session,
        session.post(cached.gateway + CHAT, json=body, headers=headers) as response,
    ):
        await response.content.readany()

    # An equal call made now waits for the one that is being read to its end, and then leads.
    async with asyncio.timeout(SECONDS_MAX):
        second = await cached.call(body)

    assert second.cache == "miss"
    assert b"[DONE]" in second.body
    assert cached.entries(headers["x-request-id"]) == [("cancelled", 0, "first_seen")]
    assert (await cached.call(body)).cache == "hit"


async def test_a_caller_who_leaves_while_it_waits_makes_no_call(cached: CachedGateway) -> None:
    body = prompt_of("output=30 first_token_ms=1500")
    before = await cached.served()
    leader = asyncio.create_task(cached.call(body))
    while await cached.served() == before:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.02)
    headers = headers_of()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await cached.call(body, headers)

    assert (await leader).cache == "miss"
    assert (await cached.call(body)).cache == "hit"
    assert await cached.served() == before + 1
    assert cached.entries(headers["x-request-id"]) == []


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("path", [CHAT, UNIFIED])
async def test_the_client_decides_for_itself(
    cached: CachedGateway, path: str, streamed: bool
) -> None:
    body = prompt_of(stream=streamed)
    first = await cached.call(body, path=path)

    no_store = await cached.call(body, {"cache-control": "no-store"}, path)
    young = await cached.call(body, {"cache-control": "max-age=300"}, path)
    fresh = await cached.call(body, {"cache-control": "no-cache"}, path)
    then = await cached.call(body, path=path)

    answers = (first, no_store, young, fresh, then)
    assert [answer.cache for answer in answers] == ["miss", "bypass", "hit", "bypass", "hit"]
    assert young.body == first.body
    assert then.body == fresh.body
    assert cached.entries(no_store.request_id) == [("success", 0, "no_store")]
    assert cached.entries(fresh.request_id) == [("success", 0, "no_cache")]


@pytest.mark.parametrize("path", [CHAT, UNIFIED])
async def test_rules_hold_for_agents(cached: CachedGateway, path: str) -> None:
    body = prompt_of(temperature=0.7)

    for agent, word, entry in (
        ("meetmind.off", None, ("success", 0, None)),
        ("meetmind.warm", "bypass", ("success", 0, "temperature")),
    ):
        for _ in range(2):
            answer = await cached.call(body, {"x-agent-id": agent}, path)
            assert answer.cache == word
            assert cached.entries(answer.request_id) == [entry]


async def test_an_operation_that_is_not_metered_is_not_cached(cached: CachedGateway) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{cached.gateway}/openai/v1/models", headers=headers_of()) as response,
    ):
        assert response.status == 200
        assert "x-modelmeter-cache" not in response.headers


async def test_the_metrics_agree_with_the_ledger(cached: CachedGateway) -> None:
    await cached.call(prompt_of())
    ((hits, misses, saved),) = query(
        cached.ledger,
        "SELECT sum(cached), sum(cache_miss IS NOT NULL), sum(cost_saved_pico_usd) FROM entry",
    )
    series = query(
        cached.ledger,
        "SELECT kind, sum(whole * 1000000000000 + pico) FROM series WHERE kind IN"
        " ('cache_hits', 'cache_misses', 'cache_savings') GROUP BY 1 ORDER BY 1",
    )

    assert series == [
        ("cache_hits", int(str(hits)) * 10**12),
        ("cache_misses", int(str(misses)) * 10**12),
        ("cache_savings", saved),
    ]
    async with (
        asyncio.timeout(SECONDS_MAX),
        aiohttp.ClientSession() as session,
    ):
        shown = ""
        while 'llm_cache_size{tenant_id="default"} 0' in shown or not shown:
            async with session.get(f"{cached.gateway}/metrics") as response:
                shown = await response.text()
            await asyncio.sleep(0.1)
    assert 'llm_cache_bytes{tenant_id="globex"}' in shown
    assert re.search(r'^modelmeter_cache_failures_total\{pid="\d+"\} 0$', shown, re.MULTILINE)
