"""`backend.core.llm.llm_service`: the platform's calls, and what they add up to."""

import json
from inspect import isasyncgen
from pathlib import Path

import pytest
from fresh_process import fresh_process
from ledger_file import query
from redis_server import RedisServer
from simulated_providers import call_simulator, simulator_fixture

from backend.core.llm import LLMService, get_cost_tracker
from backend.core.llm.llm_service import (
    APIKeyError,
    BaseLLMService,
    LLMServiceError,
    RateLimitError,
)
from backend.core.llm.llm_service import (
    TimeoutError as LLMTimeoutError,
)
from modelmeter.in_process import close_in_process

_FIXTURES = (fresh_process, simulator_fixture)


@pytest.fixture(name="ledger")
def ledger_of_this_process(
    simulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_process: None
) -> Path:
    """Where the process enters its calls; equal ones are answered from its cache."""
    ledger = tmp_path / "ledger.db"
    call_simulator(monkeypatch, simulator, LEDGER=str(ledger), CACHE__ENABLED="true")
    monkeypatch.setenv("MODELMETER_ROUTING__BACKOFF_INITIAL_SECONDS", "0.01")
    return ledger


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-4", "openai"),
        ("gpt-4-turbo-preview", "openai"),
        ("gpt-3.5-turbo", "openai"),
        ("claude-3-opus", "bedrock"),
        ("claude-3.5-sonnet", "bedrock"),
        ("anthropic.claude-v2:1", "bedrock"),
        ("gemini-1.5-flash", "genai"),
        ("gemini-pro", "genai"),
    ],
)
async def test_a_prompt_is_answered_by_the_models_provider(
    ledger: Path, model: str, provider: str
) -> None:
    """A dict with what the platform reads, priced."""
    service = LLMService()

    answer = await service.generate_completion(
        "Say hello as JSON.", "meetmind.coordinator", "acme", model=model
    )

    assert isinstance(answer["content"], str)
    assert answer["content"]
    assert answer["provider"] == provider
    assert answer["cached"] is False
    assert isinstance(answer["tokens"], int)
    assert answer["tokens"] > 0
    assert isinstance(answer["cost"], float)
    assert answer["cost"] > 0
    assert isinstance(answer["latency_ms"], float)
    assert answer["latency_ms"] > 0
    assert isinstance(answer["model"], str)
    await service.close()


async def test_json_is_the_default_and_text_can_be_had(ledger: Path) -> None:
    """With models that have JSON output of their own, and those that have not."""
    service = LLMService()

    for model in ("gpt-4-turbo-preview", "claude-3-haiku"):
        answer = await service.generate_completion("Go.", "a", "acme", model=model)
        assert isinstance(json.loads(str(answer["content"])), dict)
    plain = await service.generate_completion(
        "Go.", "a", "acme", model="claude-3-haiku", response_format="text"
    )

    assert not str(plain["content"]).startswith("{")
    await service.close()


async def test_a_stream_gives_pieces(ledger: Path) -> None:
    """And is metered, also when its consumer stops half-way."""
    service = LLMService()

    stream = service.generate_streaming_completion("Go.", "a", "acme", max_tokens=40)
    assert isasyncgen(stream)
    pieces = [piece async for piece in stream]
    assert len(pieces) > 1

    half = service.generate_streaming_completion(
        "[[simulate output=300]]", "a", "acme", model="claude-3-haiku"
    )
    assert isasyncgen(half)
    assert await anext(half)
    await half.aclose()

    assert query(ledger, "SELECT status, streamed FROM entry ORDER BY seq") == [
        ("success", 1),
        ("cancelled", 1),
    ]
    await service.close()


async def test_usage_adds_up_by_provider_and_agent(ledger: Path) -> None:
    """Of all, of an agent, of a tenant; cached and failed ones told apart."""
    service = BaseLLMService()
    ask = service.generate_completion

    first = await ask("Go.", "a", "acme", model="gpt-4-turbo-preview")
    again = await ask("Go.", "a", "acme", model="gpt-4-turbo-preview")
    other = await ask("Go.", "b", "globex", model="claude-3-haiku")
    with pytest.raises(LLMServiceError):
        await ask("[[simulate status=400]]", "b", "globex", model="claude-3-haiku")

    assert (again["cached"], again["cost"], again["content"]) == (True, 0.0, first["content"])
    stats = await service.get_usage_stats()
    told = [stats[f"{kind}_requests"] for kind in ("total", "cached", "failed")]
    assert told == [4, 1, 1]
    assert stats["cache_hit_rate"] == 0.25
    spent = float(str(first["cost"])) + float(str(other["cost"]))
    assert stats["total_cost"] == pytest.approx(spent)
    assert float(str(stats["average_latency_ms"])) > 0
    providers, agents = stats["provider_breakdown"], stats["agent_breakdown"]
    assert isinstance(providers, dict)
    assert isinstance(agents, dict)
    assert {name: row["requests"] for name, row in providers.items()} == {"openai": 2, "bedrock": 2}
    assert {name: row["requests"] for name, row in agents.items()} == {"a": 2, "b": 2}
    assert (await service.get_usage_stats(agent_id="a"))["total_requests"] == 2
    assert (await service.get_usage_stats(tenant_id="globex", time_range="1h"))[
        "failed_requests"
    ] == 1
    with pytest.raises(LLMServiceError, match="window"):
        await service.get_usage_stats(time_range="eternity")
    summary = get_cost_tracker().get_daily_summary()
    assert summary.total_cost == stats["total_cost"]
    await service.close()


async def test_failures_are_of_the_platforms_kinds(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All below one; a timeout is also the built-in one."""
    ask = LLMService().generate_completion

    with pytest.raises(APIKeyError):
        await ask("[[simulate status=401]]", "a", "acme")
    with pytest.raises(RateLimitError):
        await ask("[[simulate status=429 retry_after=3600]]", "a", "acme")
    with pytest.raises(LLMTimeoutError) as late:
        await ask("[[simulate status=504]]", "a", "acme")
    assert isinstance(late.value, TimeoutError)
    assert isinstance(late.value, LLMServiceError)
    with pytest.raises(LLMServiceError, match="no-such-model"):
        await ask("Go.", "a", "acme", model="no-such-model")


async def test_without_a_key_there_is_an_api_key_error(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which names the provider."""
    monkeypatch.delenv("OPENAI_API_KEY")

    with pytest.raises(APIKeyError, match="openai"):
        await LLMService().generate_completion("Go.", "a", "acme")


async def test_the_platforms_redis_keeps_answers_for_its_processes(
    ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process, with a ledger of its own, answers from it."""
    server = RedisServer(tmp_path)
    server.start()
    monkeypatch.delenv("MODELMETER_CACHE__ENABLED")
    monkeypatch.setenv("ELASTICACHE_CLUSTER", server.url.removeprefix("redis://"))
    answers = []
    try:
        for name in ("first", "second"):
            monkeypatch.setenv("MODELMETER_LEDGER", str(tmp_path / f"{name}.db"))
            close_in_process()
            service = LLMService()
            ask = service.generate_completion
            answers.append(await ask("Go.", "a", "acme", model="gpt-4-turbo"))
            await service.close()
        close_in_process()
    finally:
        server.stop()

    assert [answer["cached"] for answer in answers] == [False, True]
    assert answers[0]["content"] == answers[1]["content"]
