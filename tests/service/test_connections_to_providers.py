"""Connections through SDKs: one client a provider and loop, closed with whatever used it."""

import asyncio
import gc
import logging
from pathlib import Path

import pytest
from fresh_process import fresh_process
from open_descriptors import open_sockets
from simulated_providers import ledger_fixture, simulator_fixture

from modelmeter import LLMService
from modelmeter.errors import LLMServiceError
from modelmeter.in_process import close_in_process, in_process
from modelmeter.service.routes import Target
from modelmeter.service.sdk.senders import SdkSender, _ProviderSender

_FIXTURES = (fresh_process, simulator_fixture, ledger_fixture)

MODELS = ("gpt-4o-mini", "claude-haiku-4-5", "claude-3-haiku", "gemini-2.5-flash")
"""One of each SDK."""


@pytest.fixture(name="without_collector")
def nothing_is_closed_by_the_collector(ledger: Path) -> None:
    """What is closed was closed on purpose."""
    in_process()
    gc.collect()
    gc.disable()


@pytest.fixture(autouse=True)
def collector_afterwards() -> object:
    """The collector runs again for other tests."""
    yield
    gc.enable()


async def call_all(service: LLMService) -> None:
    """A call through each SDK."""
    for model in MODELS:
        await service.complete(model, "Say hello.", max_tokens=5)


def test_a_loop_that_ends_closes_its_connections(without_collector: None) -> None:
    """A program that never closes its service keeps no socket of a loop that is over."""
    before = open_sockets()
    seen = set()

    async def program() -> None:
        await call_all(LLMService())
        seen.update(open_sockets() - before)

    asyncio.run(program())

    assert seen
    assert open_sockets() - before == set()


def test_a_closed_service_has_no_connections_and_can_be_used_again(
    without_collector: None,
) -> None:
    async def program() -> None:
        service = LLMService()
        before = open_sockets()
        for _ in range(2):
            await call_all(service)
            assert open_sockets() - before
            await service.close()
            assert open_sockets() - before == set()

    asyncio.run(program())


async def test_a_closed_process_closes_the_connections_of_a_loop_that_goes_on(
    without_collector: None,
) -> None:
    before = open_sockets()
    await call_all(LLMService())
    assert open_sockets() - before

    close_in_process()
    # The closing begins with the loop's next turn, and takes a few.
    await asyncio.sleep(0)
    closing = asyncio.all_tasks() - {asyncio.current_task()}
    assert closing
    await asyncio.wait(closing)

    assert open_sockets() - before == set()


async def test_calls_that_come_first_at_once_share_a_client(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    make = SdkSender._make

    def counted(sender: SdkSender, target: Target) -> _ProviderSender:
        made.append(target.provider)
        return make(sender, target)

    monkeypatch.setattr(SdkSender, "_make", counted)
    service = LLMService()

    await asyncio.gather(
        *(service.complete(model, "Say hello.") for model in (*MODELS[:2] * 3,)),
    )

    assert sorted(made) == ["anthropic", "openai"]
    await service.close()


async def test_a_call_that_is_made_again_writes_nothing_at_default_settings(
    ledger: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one line of ours for who looks closely."""
    monkeypatch.setenv("MODELMETER_ROUTING__BACKOFF_INITIAL_SECONDS", "0.01")
    monkeypatch.setenv("MODELMETER_ROUTING__ATTEMPTS", "2")
    close_in_process()
    service = LLMService()

    with caplog.at_level(logging.DEBUG, logger="modelmeter"), pytest.raises(LLMServiceError):
        await service.complete("gpt-4o-mini", "[[simulate status=503]] Say hello.")

    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []
    lines = [one.message for one in caplog.records if one.name == "modelmeter.service.router"]
    assert len(lines) == 1
    assert lines[0].startswith("overloaded; asked again in 0.0")
    await service.close()
