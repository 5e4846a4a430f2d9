"""A program's cache, and whose answers it gives when several programs share a Redis."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from fresh_process import fresh_process
from ledger_file import query
from redis_server import RedisServer
from simulated_providers import call_simulator, simulator_fixture

from modelmeter import LLMService
from modelmeter.in_process import close_in_process

_FIXTURES = (fresh_process, simulator_fixture)


@pytest.fixture(scope="module", name="redis")
def redis_for_this_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """What the programs share."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(name="config")
def configuration_of_the_next_program(
    simulator: str,
    redis: RedisServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fresh_process: None,
) -> Path:
    """With ``smart`` as its only route."""
    config = tmp_path / "modelmeter.toml"
    call_simulator(
        monkeypatch,
        simulator,
        CONFIG=str(config),
        CACHE__ENABLED="true",
        CACHE__STORE=redis.url,
        LEDGER=str(tmp_path / "ledger.db"),
    )
    redis.command("flushall")
    return config


@pytest.fixture(name="ledger")
def ledger_of_a_program_that_keeps_answers_in_memory(
    simulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_process: None
) -> Path:
    """Where it enters its calls."""
    ledger = tmp_path / "ledger.db"
    call_simulator(monkeypatch, simulator, LEDGER=str(ledger), CACHE__ENABLED="true")
    return ledger


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_equal_call_is_answered_from_the_cache(ledger: Path, streamed: bool) -> None:
    """It costs nothing and says so; another tenant's is made anew."""
    service = LLMService()

    async def ask(tenant_id: str) -> tuple[str, bool, Decimal]:
        if streamed:
            stream = await service.stream("claude-3-haiku", "Hello.", tenant_id=tenant_id)
            text = "".join([piece async for piece in stream])
            answer = stream.completion
            assert answer.text == text
        else:
            answer = await service.complete("claude-3-haiku", "Hello.", tenant_id=tenant_id)
        return answer.text, answer.cached, answer.cost

    first, second, other = await ask("acme"), await ask("acme"), await ask("globex")

    assert (first[1], second[1], other[1]) == (False, True, False)
    assert first[0] == second[0]
    assert first[2] > 0
    assert second[2] == 0
    assert query(
        ledger,
        "SELECT tenant_id, provider, cached, cost_saved_pico_usd > 0 FROM entry ORDER BY seq",
    ) == [("acme", "bedrock", 0, 0), ("acme", "bedrock", 1, 1), ("globex", "bedrock", 0, 0)]
    await service.close()


async def test_equal_calls_at_once_are_made_once(ledger: Path) -> None:
    """Also from several event loops of one process."""

    async def ask() -> str:
        service = LLMService()
        try:
            answers = await asyncio.gather(
                *(service.complete("gemini-2.5-flash", "Hello.") for _ in range(16))
            )
        finally:
            await service.close()
        (text,) = {answer.text for answer in answers}
        return text

    texts = await asyncio.gather(*(asyncio.to_thread(asyncio.run, ask()) for _ in range(2)))

    assert len(set(texts)) == 1
    assert query(ledger, "SELECT cached, count(*) FROM entry GROUP BY 1") == [(0, 1), (1, 31)]


def begin_program(config: Path, target: str) -> None:
    """A program of its own, whose route leads there."""
    config.write_text(f'[routes.smart]\ntargets = ["{target}"]\n')
    close_in_process()


async def ask(config: Path, target: str, *, cache_control: str | None = None) -> tuple[str, bool]:
    """Who answered such a program, and whether from the cache."""
    begin_program(config, target)
    service = LLMService()
    answer = await service.complete(
        "smart", "Hello.", tenant_id="acme", cache_control=cache_control
    )
    await service.close()
    return answer.provider, answer.cached


async def test_a_route_that_leads_elsewhere_has_no_old_answers(config: Path) -> None:
    """An answer belongs to the models behind the name, not to the name."""
    asked = [
        await ask(config, target)
        for target in ("openai/gpt-4o", "openai/gpt-4o", "bedrock/claude-3-haiku", "openai/gpt-4o")
    ]

    assert asked == [("openai", False), ("openai", True), ("bedrock", False), ("openai", True)]


async def test_another_key_reads_no_answers_of_the_first(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has another account may have other models and files behind it."""
    assert await ask(config, "openai/gpt-4o") == ("openai", False)
    assert await ask(config, "openai/gpt-4o") == ("openai", True)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-account")

    assert await ask(config, "openai/gpt-4o") == ("openai", False)


async def test_a_program_says_how_fresh_its_answer_must_be(config: Path) -> None:
    """In the words of HTTP's own header."""
    assert await ask(config, "openai/gpt-4o") == ("openai", False)
    assert await ask(config, "openai/gpt-4o", cache_control="no-cache") == ("openai", False)
    assert await ask(config, "openai/gpt-4o", cache_control="max-age=600") == ("openai", True)
    assert await ask(config, "openai/gpt-4o", cache_control="no-store") == ("openai", False)
