"""The bound of a call's cost is never below what the call costs."""

import base64
import json
from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import unquote, urlsplit

import pytest
from documented_answers import ANSWERS, JSON, Documented
from hypothesis import given
from hypothesis import strategies as st
from simulator_client import Client, run_simulator

from modelmeter.budgets.bound import COST_MAX, DemandBound
from modelmeter.budgets.contract import BoundRequest
from modelmeter.errors import RefusedRequestError
from modelmeter.pricing import PriceBook
from modelmeter.pricing.overrides import Overrides
from modelmeter.providers import AnswerHead, RequestFacts, dialect_for
from modelmeter.record import CallBound, CostState, Operation, PicoUsd, TokenCounts, ToolCalls
from modelmeter.settings.prices import PriceSettings, ToolFeeSettings
from modelmeter.simulator.agents import demo_agents
from modelmeter.simulator.draws import seeded_random
from modelmeter.simulator.sdk_requests import draw_prompt, sdk_request
from modelmeter.simulator.settings import SimulatorSettings

AT_NS = 1_790_000_000_000_000_000
BOOK = PriceBook({name: name for name in ("openai", "anthropic", "genai", "bedrock")})
BOUND = DemandBound(BOOK, dialect_for)
CALLS = 240
SOUND = base64.b64encode(bytes(8_000)).decode()
PICTURE = base64.b64encode(bytes(60_000)).decode()


def bound_of(
    kind: str, request: RequestFacts, body: bytes | None = None, *, prices: PriceBook = BOOK
) -> CallBound:
    """The bound of a request as the gateway read it."""
    bound = BOUND if prices is BOOK else DemandBound(prices, dialect_for)
    return bound.bound(
        BoundRequest(
            provider=kind,
            kind=kind,
            operation=request.operation,
            model=request.model,
            body=request.upstream_body if body is None else body,
            output_tokens_max=request.output_tokens_max,
            at_ns=AT_NS,
        )
    )


def read(kind: str, path: str, body: object) -> RequestFacts:
    """A request's facts, as the gateway reads them."""
    dialect = dialect_for(kind)
    operation = dialect.operation("POST", path)
    assert operation is not None
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    return dialect.read_request(operation, path, encoded)


def chat(**fields: object) -> RequestFacts:
    """A chat request of a few words."""
    message = {"role": "user", "content": "Say hello."}
    return read("openai", "/chat/completions", {"model": "gpt-4o", "messages": [message], **fields})


@pytest.fixture(scope="module", name="simulator")
def simulator_fixture() -> Iterator[Client]:
    """A simulator of a seed of its own."""
    with run_simulator(SimulatorSettings(seed=11)) as server:
        yield Client(server.url)


def test_no_simulated_call_costs_more_than_its_bound(simulator: Client) -> None:
    random = seeded_random(5)
    agents = [agent for agent in demo_agents() if agent.provider != "up"]
    for number in range(CALLS):
        agent = agents[number % len(agents)]
        sent = sdk_request(agent, draw_prompt(agent, random), "sk-simulated")
        kind = agent.provider
        raw = urlsplit(sent.path).path.removeprefix(f"/{kind}")
        path = raw.removeprefix("/v1") if kind == "openai" else raw
        request = read(kind, path, sent.body)
        reply = simulator.post(sent.path, request.upstream_body, dict(sent.headers))
        head = AnswerHead(
            reply.status, [(k.encode(), v.encode()) for k, v in reply.headers.items()]
        )
        observer = dialect_for(kind).observe(request, head)
        observer.feed(reply.body)
        observer.end()
        facts = observer.facts()
        assert facts.tokens is not None, (agent, reply)
        price = BOOK.price(
            kind,
            request.model,
            facts.tokens,
            AT_NS,
            model_answered=facts.model_answered,
            service_tier=facts.service_tier,
            tools=facts.tools,
            region=facts.region,
        )

        bound = bound_of(kind, request)

        assert price.state is CostState.PRICED, (agent, price)
        assert bound.cost is not None
        assert price.cost <= bound.cost, (agent, unquote(sent.path))
        assert facts.tokens.total <= bound.tokens


def short_texts(count: int) -> list[str]:
    """So many bytes in texts too short to be counted by a tokenizer: each may be a token."""
    return ["x" * min(200, count - start) for start in range(0, count, 200)]


def _texts(tokens: TokenCounts) -> list[str]:
    """Texts that have so many tokens even where each byte is one."""
    written = tokens.cache_write_5m + tokens.cache_write_1h
    return short_texts(tokens.input + tokens.cache_read + written)


def _request_behind(name: str, case: Documented) -> dict[str, object]:
    """A request that an answer with these counts can be for."""
    texts = _texts(case.tokens)
    output = case.tokens.output + case.tokens.reasoning + case.tokens.audio_output
    if name == "chat":
        said: list[dict[str, object]] = [{"type": "text", "text": text} for text in texts]
        parts = [
            *said,
            {"type": "input_audio", "input_audio": {"data": SOUND, "format": "mp3"}},
        ]
        return {
            **case.request,
            "messages": [{"role": "user", "content": parts}],
            "max_completion_tokens": output,
            "modalities": ["text", "audio"],
            "audio": {"voice": "alloy", "format": "mp3"},
        }
    if name == "responses":
        more = {"max_output_tokens": output, "prompt_cache_retention": "24h"}
        content = [{"type": "input_text", "text": text} for text in texts]
        asks = [{"role": "user", "content": content}]
        return {**case.request, "input": asks, "service_tier": "flex", **more}
    if name == "messages":
        system = {
            "type": "text",
            "text": "".join(texts),
            "cache_control": {"type": "ephemeral", "ttl": "1h"},
        }
        return {**case.request, "system": [system], "max_tokens": output}
    if name.startswith("generateContent"):
        parts = [
            {"text": "".join(texts)},
            {"inlineData": {"mimeType": "audio/mp3", "data": SOUND}},
            {"inline_data": {"mime_type": "image/png", "data": PICTURE}},
        ]
        config = {"maxOutputTokens": output}
        contents = [{"role": "user", "parts": parts}]
        return {"contents": contents, "generationConfig": config, "serviceTier": "flex"}
    return case.request


@pytest.mark.parametrize("name", ANSWERS)
def test_no_documented_answer_costs_more_than_its_bound(name: str) -> None:
    case = ANSWERS[name]
    request = read(case.kind, case.path, _request_behind(name, case))
    head = AnswerHead(200, [(b"content-type", JSON.encode())])
    observer = dialect_for(case.kind).observe(request, head)
    observer.feed(case.whole)
    observer.end()
    facts = observer.facts()
    assert facts.tokens == case.tokens
    price = BOOK.price(
        case.kind,
        request.model,
        case.tokens,
        AT_NS,
        model_answered=facts.model_answered,
        service_tier=facts.service_tier,
    )

    bound = bound_of(case.kind, request)

    assert bound.cost is not None
    assert price.cost <= bound.cost
    assert price.cost > 0


SPLITS = st.tuples(*(st.integers(0, 40_000),) * 4)


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("openai", "gpt-4o-mini"),
        ("openai", "gpt-5.6-sol"),
        ("anthropic", "claude-sonnet-4-5"),
        ("anthropic", "claude-opus-4-6"),
        ("genai", "gemini-2.5-pro"),
        ("bedrock", "amazon.nova-pro-v1:0"),
    ],
)
@given(
    split=SPLITS,
    output=st.integers(0, 50_000),
    reasoning=st.integers(0, 50_000),
    tier=st.sampled_from((None, "default", "flex", "priority", "batch", "optimized")),
    region=st.sampled_from((None, "us", "global")),
)
def test_no_usage_within_the_bytes_and_the_limit_costs_more(
    kind: str,
    model: str,
    split: tuple[int, int, int, int],
    output: int,
    reasoning: int,
    tier: str | None,
    region: str | None,
) -> None:
    tier = None if tier == "optimized" and kind != "bedrock" else tier
    region = region if kind == "anthropic" else None
    marks = {"cache_control": {"ttl": "1h"}, "cachePoint": {"ttl": "1h"}}
    said = {"texts": short_texts(sum(split)), "service_tier": tier or "auto"}
    body = json.dumps({**marks, **said}).encode()
    request = BoundRequest(
        provider=kind,
        kind=kind,
        operation=Operation.CHAT,
        model=model,
        body=body,
        output_tokens_max=max(output + reasoning, 1),
        at_ns=AT_NS,
    )
    used = TokenCounts(
        input=split[0],
        cache_read=split[1],
        cache_write_5m=split[2],
        cache_write_1h=0 if kind == "openai" else split[3],
        output=output,
        reasoning=reasoning,
    )

    bound = BOUND.bound(request)

    assert bound.cost is not None
    price = BOOK.price(kind, model, used, AT_NS, service_tier=tier, region=region)
    assert price.cost <= bound.cost
    assert used.total <= bound.tokens


@given(text=st.text(max_size=300))
def test_a_text_of_any_alphabet_has_no_more_bytes_than_its_request(text: str) -> None:
    bound = bound_of("openai", chat(messages=[{"role": "user", "content": text}]))

    assert len(text.encode("utf-8", "replace")) <= bound.tokens - bound.output_tokens


def test_an_image_counts_by_its_rule_and_not_by_its_bytes() -> None:
    url = f"data:image/png;base64,{PICTURE}"
    seen = chat(
        messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}],
        max_completion_tokens=10,
    )
    linked = chat(
        messages=[
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": "https://example.org/i"}}],
            }
        ],
        max_completion_tokens=10,
    )

    assert 1_445 < bound_of("openai", seen).tokens < 2_000
    assert 1_445 < bound_of("openai", linked).tokens < 2_000


@pytest.mark.parametrize(
    ("kind", "path", "body"),
    [
        ("openai", "/chat/completions", {"model": "gpt-5", "messages": [], "data_sources": [{}]}),
        ("openai", "/responses", {"model": "gpt-5", "input": "go on", "previous_response_id": "r"}),
        ("openai", "/responses", {"model": "gpt-5", "input": "?", "conversation": {"id": "c"}}),
        (
            "openai",
            "/chat/completions",
            {
                "model": "gpt-5",
                "messages": [
                    {"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}
                ],
            },
        ),
        (
            "anthropic",
            "/v1/messages",
            {
                "model": "claude-haiku-4-5",
                "max_tokens": 9,
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "document", "source": {"type": "url", "url": "https://e.org"}}
                        ],
                    }
                ],
            },
        ),
        (
            "genai",
            "/v1beta/models/gemini-2.5-flash:generateContent",
            {"contents": [], "cachedContent": "cachedContents/1"},
        ),
        (
            "bedrock",
            "/model/amazon.nova-pro-v1%3A0/converse",
            {
                "messages": [
                    {"role": "user", "content": [{"document": {"source": {"bytes": PICTURE}}}]}
                ]
            },
        ),
    ],
)
def test_what_is_not_in_the_body_is_bounded_by_the_context_window(
    kind: str, path: str, body: object
) -> None:
    request = read(kind, path, body)
    window = BOOK.context_window(kind, request.model)
    assert window is not None

    assert bound_of(kind, request).tokens >= window


def test_a_tool_that_the_provider_runs_reads_the_window_again_each_time() -> None:
    tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    message = {"role": "user", "content": "What is new?"}
    body = {
        "model": "claude-haiku-4-5",
        "max_tokens": 9,
        "messages": [message],
        "tools": [tool],
    }
    request = read("anthropic", "/v1/messages", body)
    used = TokenCounts(input=10 * 200_000, output=9)
    price = BOOK.price("anthropic", request.model, used, AT_NS, tools=ToolCalls(web_search=3))

    bound = bound_of("anthropic", request)

    assert bound.cost is not None
    assert price.cost <= bound.cost


def test_runs_of_code_are_bounded_where_the_operator_gives_them_a_fee() -> None:
    fee = ToolFeeSettings(provider="openai", tool="code_execution", usd_per_thousand=Decimal(30))
    book = PriceBook({"openai": "openai"}, overrides=Overrides(PriceSettings(tool_fees=(fee,))))
    tool = {"type": "code_interpreter", "container": {"type": "auto"}}
    body = {"model": "gpt-4.1", "input": "2+2", "max_output_tokens": 20, "tools": [tool]}
    request = read("openai", "/responses", body)
    used = TokenCounts(input=50, output=20)
    price = book.price("openai", "gpt-4.1", used, AT_NS, tools=ToolCalls(code_execution=2))

    bound = bound_of("openai", request, prices=book)
    without = bound_of("openai", request)

    assert price.state is CostState.PRICED
    assert bound.cost is not None
    assert without.cost is not None
    assert price.cost <= bound.cost
    assert bound.cost >= without.cost + 60_000_000_000


def test_what_rests_on_maps_is_bounded_with_its_fee() -> None:
    model = "gemini-2.5-flash"
    used = TokenCounts(input=100, output=10)
    grounded = ToolCalls(maps_grounding=1, web_search=1)
    price = BOOK.price("genai", model, used, AT_NS, tools=grounded)
    body = {
        "contents": [{"parts": [{"text": "where?"}]}],
        "tools": [{"googleMaps": {}}, {"googleSearch": {}}],
        "generationConfig": {"maxOutputTokens": 10},
    }

    bound = bound_of("genai", read("genai", f"/v1beta/models/{model}:generateContent", body))

    assert price.cost > 60_000_000_000
    assert bound.cost is not None
    assert price.cost <= bound.cost


def test_a_model_that_searches_unasked_is_bounded_with_its_searches() -> None:
    model = "gpt-4o-search-preview"
    used = TokenCounts(input=128_000, output=10)
    searched = ToolCalls(web_search_preview=1)
    price = BOOK.price("openai", model, used, AT_NS, tools=searched)
    assert price.cost > BOOK.price("openai", model, used, AT_NS).cost

    bound = bound_of("openai", chat(model=model, max_completion_tokens=10))

    assert bound.cost is not None
    assert price.cost <= bound.cost


@pytest.mark.parametrize(
    ("kind", "path", "body", "least"),
    [
        (
            "anthropic",
            "/v1/messages",
            {"model": "claude-haiku-4-5", "thinking": {"budget_tokens": 2000}},
            2001,
        ),
        (
            "bedrock",
            "/model/anthropic.claude-haiku-4-5-20251001-v1%3A0/converse",
            {"additionalModelRequestFields": {"thinking": {"budget_tokens": 2000}}},
            2001,
        ),
        ("openai", "/responses", {"model": "gpt-5", "input": "hi"}, 16),
        ("openai", "/chat/completions", {"model": "gpt-4o", "messages": []}, 1),
    ],
)
def test_no_limit_is_lowered_below_what_the_provider_takes(
    kind: str, path: str, body: object, least: int
) -> None:
    request = read(kind, path, body)
    demand = dialect_for(kind).demand(
        request.operation, request.model, request.upstream_body, request.output_tokens_max
    )

    assert demand.output_tokens_min == least


def test_every_answer_asked_for_is_paid_for() -> None:
    one = bound_of("openai", chat(max_completion_tokens=1000))
    four = bound_of("openai", chat(max_completion_tokens=1000, n=4))

    assert four.output_tokens == 4 * one.output_tokens == 4000


def test_each_prompt_of_a_list_has_its_own_answers() -> None:
    body = {"model": "gpt-3.5-turbo-instruct", "prompt": ["a", "b", "c"], "max_tokens": 5}
    many = read("openai", "/completions", {**body, "n": 2, "best_of": 3})

    assert bound_of("openai", many).output_tokens == 3 * 3 * 5


def test_without_a_limit_the_model_writes_no_more_than_its_maker_says() -> None:
    assert bound_of("openai", chat()).output_tokens == 16_384


def test_an_embedding_writes_nothing() -> None:
    request = read(
        "openai", "/embeddings", {"model": "text-embedding-3-small", "input": ["a", "b"]}
    )

    assert bound_of("openai", request).output_tokens == 0


def test_a_model_without_a_price_has_no_bound() -> None:
    request = read("openai", "/chat/completions", {"model": "nobody-knows-it", "messages": []})

    assert bound_of("openai", request).cost is None


@pytest.mark.parametrize("value", [-1, 0, 2**63, 10**6, "10", 1.5, True, [1]])
def test_a_number_of_answers_that_no_provider_gives_is_refused(value: object) -> None:
    with pytest.raises(RefusedRequestError, match="n must be a whole number from 1 to 128"):
        bound_of("openai", chat(n=value))


HOSTILE = [
    b'{"model":"gpt-4o","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"model":"gpt-4o","messages":[],' + b",".join(b'"k%d":1' % i for i in range(10**6)) + b"}",
    b'{"model":"gpt-4o","messages":[{"role":"user","content":"' + b"x" * 10_000_000 + b'"}]}',
    b'{"model":"gpt-4o","messages":[],"x":1e999}',
    b'{"model":"gpt-4o","messages":[],"x":"\\ud800"}',
    b'{"model":"gpt-4o","messages":[],"max_completion_tokens":1,"max_completion_tokens":2147483648}',
    b'{"model":"gpt-4o","messages":[],"n":128,"max_completion_tokens":2147483648}',
    b'{"model":"gpt-4o","messages":[],"tools":[{"type":"web_search"}],"max_tool_calls":1000}',
    b'{"model":"gpt-4o","messages":[],"tools":7,"audio":3,"service_tier":{},"web_search_options":0}',
    b'[{"model":"gpt-4o"}]',
    b"null",
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("kind", ["openai", "anthropic", "genai", "bedrock"])
def test_hostile_bodies_are_bounded_without_overflow(kind: str, body: bytes) -> None:
    request = BoundRequest(
        provider=kind,
        kind=kind,
        operation=Operation.CHAT,
        model="gpt-4o",
        body=body,
        output_tokens_max=2**31,
        at_ns=AT_NS,
    )

    try:
        bound = BOUND.bound(request)
    except RefusedRequestError:
        # Answered with 400.
        return

    assert bound.cost is None or 0 < bound.cost <= COST_MAX
    assert 0 < bound.output_tokens <= bound.tokens < 2**62


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            (
                "type", "source", "image", "image_url", "url", "data", "bytes", "file", "tools",
                "input_audio", "inlineData", "mimeType", "cache_control", "ttl", "n", "audio",
                "thinking", "budget_tokens", "generationConfig", "candidateCount", "toolConfig",
                "messages", "content", "document", "prompt", "best_of", "role", "max_uses",
            )
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(body=JSON_VALUES, kind=st.sampled_from(("openai", "anthropic", "genai", "bedrock")))
def test_any_json_at_all_is_bounded(body: object, kind: str) -> None:
    request = BoundRequest(
        provider=kind,
        kind=kind,
        operation=Operation.CHAT,
        model="claude-haiku-4-5",
        body=json.dumps(body).encode(),
        output_tokens_max=None,
        at_ns=AT_NS,
    )

    try:
        bound = BOUND.bound(request)
    except RefusedRequestError:
        # Answered with 400.
        return

    assert bound.cost is None or bound.cost >= PicoUsd(0)
    assert bound.tokens >= bound.output_tokens >= 0
