"""One call over all providers from Python, each through its own SDK, metered like any other."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from budget_cases import budget, define
from fresh_process import fresh_process
from ledger_file import query
from simulated_providers import call_simulator, simulator_fixture

from modelmeter import LLMService
from modelmeter.errors import (
    APIKeyError,
    BudgetExceededError,
    LLMServiceError,
    LLMTimeoutError,
    RateLimitError,
    RefusedRequestError,
)
from modelmeter.in_process import close_in_process
from modelmeter.record import CostState

_FIXTURES = (fresh_process, simulator_fixture)

MODELS = {
    "gpt-4o-mini": "openai",
    "claude-haiku-4-5": "anthropic",
    "claude-3-haiku": "bedrock",
    "gemini-2.5-flash": "genai",
}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(name="ledger")
def ledger_of_this_process(
    simulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_process: None
) -> Path:
    """Where the process enters its calls."""
    ledger = tmp_path / "ledger.db"
    call_simulator(monkeypatch, simulator, LEDGER=str(ledger))
    monkeypatch.setenv("MODELMETER_ROUTING__BACKOFF_INITIAL_SECONDS", "0.01")
    return ledger


@pytest.fixture(name="service")
async def service_of_this_process(ledger: Path) -> AsyncIterator[LLMService]:
    """Closed at the end, as a program should."""
    service = LLMService()
    yield service
    await service.close()


@pytest.mark.parametrize("model", MODELS)
async def test_an_answer_has_one_shape_whoever_gives_it(
    service: LLMService, ledger: Path, model: str
) -> None:
    """And says what the ledger says."""
    answer = await service.complete(
        model,
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello."}],
        agent_id="meetmind.coordinator",
        tenant_id="acme",
        max_tokens=12,
        temperature=0.3,
        stop=["END"],
    )

    assert answer.text
    assert (answer.finish_reason, answer.tool_calls) == ("length", ())
    assert (answer.provider, answer.cached) == (MODELS[model], False)
    assert answer.tokens.output == 12
    assert answer.metered.cost_state is CostState.PRICED
    assert answer.latency_seconds > 0
    ((agent, team, tenant, provider, named, pico, total),) = query(
        ledger,
        "SELECT agent_id, team, tenant_id, provider, model, cost_pico_usd,"
        " tokens_input + tokens_output + tokens_reasoning FROM entry"
        f" WHERE id = '{answer.metered.call_id}'",
    )
    assert (agent, team, tenant) == ("meetmind.coordinator", "meetmind", "acme")
    assert (provider, named) == (answer.provider, answer.model)
    assert Decimal(str(pico)) / 10**12 == answer.cost > 0
    assert total == answer.tokens.total


@pytest.mark.parametrize("model", MODELS)
async def test_a_stream_gives_its_text_in_pieces_and_then_the_whole(
    service: LLMService, model: str
) -> None:
    """With the time to its first token."""
    async with await service.stream(model, "Hello.", max_tokens=60) as stream:
        pieces = [piece async for piece in stream]

    answer = stream.completion
    assert len(pieces) > 1
    assert answer.text == "".join(pieces)
    assert answer.finish_reason == "length"
    assert answer.tokens.output == 60
    assert answer.time_to_first_token_seconds is not None
    assert answer.metered.cost_state is CostState.PRICED


@pytest.mark.parametrize("model", MODELS)
async def test_a_stream_that_is_left_half_way_is_metered(
    service: LLMService, ledger: Path, model: str
) -> None:
    """As cancelled, with an estimate of what had come; nothing stays open."""
    async with await service.stream(model, "[[simulate output=400]]") as stream:
        async for _ in stream:
            break

    answer = stream.completion
    assert answer.text
    assert answer.metered.cost_state is CostState.ESTIMATED
    assert answer.cost > 0
    assert query(ledger, "SELECT status, streamed FROM entry") == [("cancelled", 1)]
    assert query(ledger, "SELECT count(*) FROM open_call") == [(0,)]


async def test_a_stream_that_is_never_read_is_metered_when_it_is_closed(
    service: LLMService, ledger: Path
) -> None:
    """As cancelled, like one that is left half-way."""
    async with await service.stream("claude-haiku-4-5", "[[simulate output=400]]") as stream:
        pass

    assert stream.completion.text == ""
    assert query(ledger, "SELECT status FROM entry") == [("cancelled",)]


async def collected(ledger: Path) -> None:
    """The event loop closes what nobody reads any more; when, is its own affair."""
    for _ in range(2000):
        if query(ledger, "SELECT count(*) FROM open_call") == [(0,)]:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the forgotten stream stayed open")


@pytest.mark.parametrize("is_begun", [True, False])
async def test_a_stream_that_is_forgotten_is_metered_when_it_is_collected(
    service: LLMService, ledger: Path, is_begun: bool
) -> None:
    """A consumer that just breaks out of its loop is the usual case."""

    async def forget() -> None:
        stream = await service.stream("gpt-4o-mini", "[[simulate output=400]]")
        if is_begun:
            await anext(stream)

    await forget()

    await collected(ledger)
    assert query(ledger, "SELECT status FROM entry") == [("cancelled",)]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", MODELS)
async def test_tools_images_and_json(service: LLMService, model: str, streamed: bool) -> None:
    """As with the gateway's API."""
    picture = {"type": "image_url", "image_url": {"url": PIXEL}}
    question = [{"type": "text", "text": "Call the tool get_weather."}, picture]
    asked = [{"role": "user", "content": question}]

    if streamed:
        async with await service.stream(model, asked, tools=[WEATHER]) as stream:
            assert [piece async for piece in stream] == []
        answer = stream.completion
        async with await service.stream(model, "Say it.", response_format=_schema()) as stream:
            text = "".join([piece async for piece in stream])
    else:
        answer = await service.complete(model, asked, tools=[WEATHER])
        text = (await service.complete(model, "Say it.", response_format=_schema())).text

    (call,) = answer.tool_calls
    assert (call.name, answer.finish_reason) == ("get_weather", "tool_calls")
    assert set(json.loads(call.arguments)) == {"city"}
    assert call.id
    assert list(json.loads(text)) == ["minutes"]


def _schema() -> dict[str, object]:
    schema = {"type": "object", "properties": {"minutes": {"type": "integer"}}}
    return {"type": "json_schema", "json_schema": {"name": "length", "schema": schema}}


@pytest.mark.parametrize(
    "model",
    ["text-embedding-3-small", "genai/gemini-embedding-001", "amazon.titan-embed-text-v2:0"],
)
async def test_texts_are_embedded(service: LLMService, model: str) -> None:
    """With what they cost."""
    embeddings = await service.embed(model, ["hello"], dimensions=256, agent_id="a")

    (vector,) = embeddings.vectors
    assert len(vector) == 256
    assert embeddings.metered.cost > 0


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("directive", "error", "error_type"),
    [
        ("status=401", APIKeyError, "authentication"),
        ("status=429 retry_after=3600", RateLimitError, "rate_limit"),
        ("status=500", LLMServiceError, "server_error"),
        ("status=400", LLMServiceError, "invalid_request"),
        ("status=504", LLMTimeoutError, "timeout"),
    ],
)
async def test_failures_have_one_shape_whoever_fails(
    service: LLMService, model: str, directive: str, error: type[LLMServiceError], error_type: str
) -> None:
    """What is caught is the same for every provider."""
    with pytest.raises(error) as failed:
        await service.complete(model, f"[[simulate {directive}]]")

    assert failed.value.error_type == error_type
    assert failed.value.provider == MODELS[model]
    assert failed.value.call_id
    if error is RateLimitError:
        assert failed.value.retry_after_seconds == 3600


@pytest.mark.parametrize("model", MODELS)
async def test_a_stream_that_breaks_raises_and_keeps_what_had_come(
    service: LLMService, ledger: Path, model: str
) -> None:
    """Its call is an error with an estimate."""
    stream = await service.stream(model, "[[simulate output=200 cut_after_chunks=6]]")
    with pytest.raises(LLMServiceError):
        [piece async for piece in stream]

    assert stream.completion.text
    assert query(ledger, "SELECT status, cost_state FROM entry") == [("error", "estimated")]


async def test_a_missing_key_is_told_before_anything_is_sent(
    simulator: str, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No call is entered for it."""
    monkeypatch.delenv("OPENAI_API_KEY")

    with pytest.raises(APIKeyError, match="openai"):
        await LLMService().complete("gpt-4o-mini", "Hello.")

    assert query(ledger, "SELECT count(*) FROM entry") == [(0,)]


async def test_what_is_no_request_is_refused(service: LLMService) -> None:
    """Wrong options, unknown models, things that are no JSON."""
    with pytest.raises(RefusedRequestError, match="provider/model"):
        await service.complete("no-such-model", "Hello.")
    with pytest.raises(RefusedRequestError, match="brand_new"):
        await service.complete("claude-haiku-4-5", "Hello.", brand_new=True)
    with pytest.raises(RefusedRequestError, match="JSON"):
        await service.complete("gpt-4o-mini", "Hello.", metadata=object())


async def test_many_calls_at_once_are_all_entered(service: LLMService, ledger: Path) -> None:
    """Over all providers, blocking SDK or not."""
    answers = await asyncio.gather(
        *(
            service.complete(model, f"Hello {n}.", max_tokens=4)
            for n in range(4)
            for model in MODELS
        )
    )

    assert len({answer.metered.call_id for answer in answers}) == 16
    assert query(ledger, "SELECT count(*), count(DISTINCT id) FROM entry") == [(16, 16)]


def test_each_event_loop_of_a_process_has_its_own_connections(ledger: Path) -> None:
    """`asyncio.run` may be called again, and in several threads."""

    async def call() -> str:
        service = LLMService()
        try:
            return (await service.complete("gpt-4o-mini", "Hello.", max_tokens=4)).text
        finally:
            await service.close()

    async def in_threads() -> list[str]:
        return await asyncio.gather(*(asyncio.to_thread(asyncio.run, call()) for _ in range(4)))

    assert asyncio.run(call()) == asyncio.run(call())
    assert len(set(asyncio.run(in_threads()))) == 1
    assert query(ledger, "SELECT count(*) FROM entry") == [(6,)]


async def test_a_budget_set_by_another_process_holds_from_the_next_call_on(ledger: Path) -> None:
    """A call from Python looks for changed budgets as a gateway's does."""
    service = LLMService()

    await service.complete("gpt-4o-mini", "Hello.", agent_id="meetmind.a", max_tokens=4)
    define(ledger, budget("spent", limit="0.000000001"), now_ns=time.time_ns())
    with pytest.raises(BudgetExceededError, match="spent"):
        await service.complete("gpt-4o-mini", "Hello.", agent_id="meetmind.a", max_tokens=4)
    await service.close()

    assert query(ledger, "SELECT status FROM entry ORDER BY seq") == [("success",), ("blocked",)]


async def test_a_budget_stops_calls_from_python(
    ledger: Path, tmp_path: Path, simulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it stops the gateway's."""
    config = tmp_path / "modelmeter.toml"
    config.write_text(
        f"""
ledger = "{ledger}"
[[budgets]]
name = "meetmind-daily"
team = "meetmind"
window = "day"
limit_calls = 2
at_limit = "block"
"""
    )
    monkeypatch.setenv("MODELMETER_CONFIG", str(config))
    close_in_process()
    service = LLMService()

    for _ in range(2):
        await service.complete("gpt-4o-mini", "Hello.", agent_id="meetmind.a", max_tokens=4)
    with pytest.raises(BudgetExceededError, match="meetmind-daily"):
        await service.complete("gpt-4o-mini", "Hello.", agent_id="meetmind.a", max_tokens=4)
    await service.complete("gpt-4o-mini", "Hello.", agent_id="svea.b", max_tokens=4)
    await service.close()

    assert query(ledger, "SELECT status, count(*) FROM entry GROUP BY 1 ORDER BY 1") == [
        ("blocked", 1),
        ("success", 3),
    ]
