"""Failover through the SDKs: what their exceptions mean, and what each attempt is."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from fresh_process import fresh_process
from ledger_file import query
from odd_upstream import (
    ANSWER,
    EVENTS,
    HEAD,
    ROLE,
    WORD,
    Behaviour,
    OddUpstream,
    falls_silent_after,
    resets_after,
)
from simulated_providers import call_simulator, simulator_fixture

from modelmeter import LLMService
from modelmeter.errors import LLMServiceError
from modelmeter.in_process import close_in_process

_FIXTURES = (fresh_process, simulator_fixture)


BEHAVIOURS: dict[str, Behaviour] = {
    "resets": resets_after(b""),
    "resets-amid-body": resets_after(HEAD + b"content-length: 500\r\n\r\n" + ANSWER[:40]),
    "silent": falls_silent_after(b""),
    "resets-before-token": resets_after(EVENTS + ROLE),
    "silent-before-token": falls_silent_after(EVENTS + ROLE),
    "resets-after-token": resets_after(EVENTS + ROLE + WORD),
    "silent-after-token": falls_silent_after(EVENTS + ROLE + WORD),
}


@pytest.fixture(scope="module", name="odd")
def odd_provider() -> Iterator[OddUpstream]:
    """The first of the route, and no good."""
    upstream = OddUpstream(BEHAVIOURS)
    yield upstream
    upstream.close()


@pytest.fixture(name="ledger")
def ledger_of_this_process(
    simulator: str,
    odd: OddUpstream,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fresh_process: None,
) -> Path:
    """Of a process whose first provider is odd and whose second is Bedrock."""
    ledger = tmp_path / "ledger.db"
    config = tmp_path / "modelmeter.toml"
    config.write_text(
        f"""
ledger = "{ledger}"
[providers.odd]
kind = "openai"
base_url = "{odd.url}/v1"
api_key = "env:ODD_KEY"
[routes.smart]
targets = ["odd/gpt-4o", "bedrock/claude-3-haiku"]
[routing]
attempts = 1
first_token_timeout_seconds = 1
call_timeout_seconds = 2
[limits]
upstream_idle_timeout_seconds = 1
"""
    )
    monkeypatch.setenv("ODD_KEY", "sk-odd")
    call_simulator(monkeypatch, simulator, CONFIG=str(config))
    close_in_process()
    return ledger


@pytest.fixture(name="service")
async def service_of_this_process(ledger: Path) -> AsyncIterator[LLMService]:
    """Closed at the end, as a program should."""
    service = LLMService()
    yield service
    await service.close()


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        ("resets", ("error", "connection")),
        ("resets-amid-body", ("error", "connection")),
        ("silent", ("timeout", "timeout")),
    ],
)
async def test_a_broken_answer_is_made_by_the_next_provider(
    service: LLMService, ledger: Path, behaviour: str, outcome: tuple[str, str]
) -> None:
    """Who answered stands in the result."""
    answer = await service.complete("smart", "Hello.", user=behaviour, max_tokens=5)

    assert (answer.provider, answer.metered.attempts) == ("bedrock", 2)
    assert query(ledger, "SELECT provider, status, error_type FROM entry ORDER BY seq") == [
        ("odd", *outcome),
        ("bedrock", "success", None),
    ]
    assert query(ledger, "SELECT count(DISTINCT request_id) FROM entry") == [(1,)]


@pytest.mark.parametrize("behaviour", ["resets-before-token", "silent-before-token"])
async def test_a_stream_without_a_token_is_made_by_the_next_provider(
    service: LLMService, behaviour: str
) -> None:
    """Its consumer sees one whole stream."""
    async with await service.stream("smart", "Hello.", user=behaviour, max_tokens=9) as stream:
        assert [piece async for piece in stream]

    assert (stream.completion.provider, stream.completion.metered.attempts) == ("bedrock", 2)


@pytest.mark.parametrize(
    ("behaviour", "error_type"),
    [("resets-after-token", "connection"), ("silent-after-token", "timeout")],
)
async def test_a_stream_that_has_begun_is_not_begun_again(
    service: LLMService, ledger: Path, behaviour: str, error_type: str
) -> None:
    """It raises, and what had come is kept and estimated."""
    stream = await service.stream("smart", "Hello.", user=behaviour)

    with pytest.raises(LLMServiceError) as failed:
        [piece async for piece in stream]

    assert failed.value.error_type == error_type
    assert stream.completion.text == "Good morning"
    assert query(ledger, "SELECT provider, error_type, tokens_output > 0 FROM entry") == [
        ("odd", error_type, 1)
    ]
