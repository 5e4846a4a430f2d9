"""Whose answers a program's cache gives, when several programs keep theirs in one Redis."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fresh_process import fresh_process
from redis_server import RedisServer
from simulated_providers import call_simulator, running_simulator

from modelmeter import LLMService
from modelmeter.in_process import close_in_process

_FIXTURES = fresh_process


@pytest.fixture(scope="module", name="simulator")
def simulator_for_this_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    yield from running_simulator(tmp_path_factory.mktemp("simulator"))


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
