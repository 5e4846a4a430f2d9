"""What goes wrong below the four SDKs has one meaning, and is entered, whoever's SDK it is."""

import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fresh_process import fresh_process
from ledger_file import query
from odd_upstream import OddUpstream, usual
from simulated_providers import call_simulator, simulator_fixture

from modelmeter import LLMService
from modelmeter.errors import LLMServiceError, RefusedRequestError
from modelmeter.in_process import close_in_process

_FIXTURES = (fresh_process, simulator_fixture)

MODELS = {
    "openai": "gpt-4o-mini",
    "anthropic": "claude-haiku-4-5",
    "bedrock": "claude-3-haiku",
    "genai": "gemini-2.5-flash",
}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n%b"
STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    b'data: {"choices":[{"index":0,"delta":{"content":"Good"}}]}\n\n'
    b'data: {"choices":[\n\n'
    b"data: [DONE]\n\n"
)
TIMEOUTS = """
[routing]
attempts = 1
first_token_timeout_seconds = 60
call_timeout_seconds = 60
[limits]
upstream_connect_timeout_seconds = 0.3
"""

Point = Callable[[str, str], Path]


@pytest.fixture(scope="module", name="full")
def a_port_that_takes_no_more_connections() -> Iterator[str]:
    """Who connects to it waits."""
    with ExitStack() as open_sockets:
        full = open_sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filler = open_sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}"


@pytest.fixture(scope="module", name="closed")
def a_port_where_nobody_listens() -> str:
    """Who connects to it is refused."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(name="point")
def provider_elsewhere(
    simulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_process: None
) -> Point:
    """Points one provider to an address, all others to the simulator; the ledger."""

    def point(provider: str, url: str) -> Path:
        ledger = tmp_path / "ledger.db"
        config = tmp_path / "modelmeter.toml"
        after = "openai/gpt-4o-mini" if provider != "openai" else "bedrock/claude-3-haiku"
        config.write_text(
            f'ledger = "{ledger}"\n[routes.smart]\n'
            f'targets = ["{provider}/{MODELS[provider]}", "{after}"]\n{TIMEOUTS}'
        )
        call_simulator(monkeypatch, simulator, CONFIG=str(config))
        monkeypatch.setenv(f"MODELMETER_PROVIDERS__{provider.upper()}__BASE_URL", url)
        close_in_process()
        return ledger

    return point


@pytest.fixture(name="service")
async def service_of_this_process() -> AsyncIterator[LLMService]:
    """Closed at the end, as a program should."""
    service = LLMService()
    yield service
    await service.close()


@pytest.mark.parametrize("provider", MODELS)
async def test_a_connect_that_hangs_is_given_up_long_before_the_call_is(
    service: LLMService, point: Point, full: str, provider: str
) -> None:
    """Nothing was sent, so nothing is billed: the whole call's timeout would be an estimate."""
    ledger = point(provider, full)

    answer = await service.complete("smart", "Hello.", max_tokens=5)

    assert answer.metered.attempts == 2
    assert query(ledger, "SELECT status, error_type, cost_state FROM entry ORDER BY seq") == [
        ("timeout", "timeout", "priced"),
        ("success", None, "priced"),
    ]


@pytest.mark.parametrize("provider", MODELS)
async def test_a_provider_that_is_not_there_costs_nothing(
    service: LLMService, point: Point, closed: str, provider: str
) -> None:
    """And the next one answers."""
    ledger = point(provider, closed)

    answer = await service.complete("smart", "Hello.", max_tokens=5)

    assert answer.metered.attempts == 2
    assert query(ledger, "SELECT error_type, cost_state FROM entry ORDER BY seq") == [
        ("connection", "priced"),
        (None, "priced"),
    ]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"text/html", b"<html>The proxy is having a rest.</html>"),
        (b"application/json", b"[1, 2]"),
        (b"application/json", b""),
        (b"text/event-stream", b'data: {"a"\n\n'),
    ],
)
@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize("streamed", [False, True])
async def test_an_answer_that_is_none_is_made_by_the_next_provider(
    service: LLMService, point: Point, provider: str, streamed: bool, kind: bytes, body: bytes
) -> None:
    """A proxy's page instead of an answer, say; it is entered whatever an SDK makes of it."""

    def answer_oddly(connection: socket.socket) -> bool:
        connection.sendall(HEAD % (kind, len(body), body))
        return True

    upstream = OddUpstream({"usual": answer_oddly})
    ledger = point(provider, upstream.url)

    if streamed:
        async with await service.stream("smart", "Hello.", max_tokens=5) as stream:
            assert [piece async for piece in stream]
        answer = stream.completion
    else:
        answer = await service.complete("smart", "Hello.", max_tokens=5)

    upstream.close()
    assert answer.metered.attempts == 2
    assert query(ledger, "SELECT status, cost_state FROM entry ORDER BY seq") == [
        ("error", "estimated"),
        ("success", "priced"),
    ]
    assert query(ledger, "SELECT count(*) FROM open_call") == [(0,)]


@pytest.mark.parametrize("provider", MODELS)
async def test_an_error_amid_a_stream_is_told_with_what_had_come(
    service: LLMService, point: Point, simulator: str, provider: str
) -> None:
    """Its call is that error, with an estimate of what was used."""
    ledger = point("openai", f"{simulator}/openai/v1")

    stream = await service.stream(
        MODELS[provider], "[[simulate output=200 error=overloaded error_after_chunks=6]]"
    )
    with pytest.raises(LLMServiceError) as failed:
        [piece async for piece in stream]

    # OpenAI's code for it is that of any fault of its own.
    error_type = "server_error" if provider == "openai" else "overloaded"
    assert failed.value.error_type == error_type
    assert stream.completion.text
    assert query(ledger, "SELECT status, error_type, cost_state FROM entry") == [
        ("error", error_type, "estimated")
    ]


async def test_a_chunk_amid_a_stream_that_cannot_be_read_ends_it(
    service: LLMService, point: Point
) -> None:
    """With an error of ours, and what had come."""

    def answer_oddly(connection: socket.socket) -> bool:
        connection.sendall(STREAM)
        return False

    upstream = OddUpstream({"usual": answer_oddly})
    ledger = point("openai", f"{upstream.url}/v1")

    stream = await service.stream("smart", "Hello.")
    with pytest.raises(LLMServiceError, match="cannot be read"):
        [piece async for piece in stream]

    upstream.close()
    assert stream.completion.text == "Good"
    assert query(ledger, "SELECT cost_state FROM entry") == [("estimated",)]


async def test_the_key_stands_in_the_header_that_the_configuration_names(
    service: LLMService, point: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Azure's, say; and in no other."""
    upstream = OddUpstream({"usual": usual})
    point("openai", f"{upstream.url}/v1")
    monkeypatch.setenv("MODELMETER_PROVIDERS__OPENAI__API_KEY_HEADER", "api-key")
    close_in_process()

    await service.complete("smart", "Hello.")

    upstream.close()
    head = upstream.heads["usual"].lower()
    assert b"\r\napi-key: sk-simulated\r\n" in head
    assert b"authorization" not in head


async def test_of_a_stream_of_several_answers_the_first_is_given(
    service: LLMService, point: Point
) -> None:
    """As of a whole answer; their pieces come in any order."""

    def answer_twice(connection: socket.socket) -> bool:
        pieces = ((0, "Good"), (1, "Bad"), (1, " evening"), (0, " morning"))
        connection.sendall(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
            + b"".join(
                b'data: {"choices":[{"index":%d,"delta":{"content":"%b"}}]}\n\n'
                % (index, text.encode())
                for index, text in pieces
            )
            + b"data: [DONE]\n\n"
        )
        return False

    upstream = OddUpstream({"usual": answer_twice})
    point("openai", f"{upstream.url}/v1")

    async with await service.stream("smart", "Hello.", n=2) as stream:
        pieces = [piece async for piece in stream]

    upstream.close()
    assert pieces == ["Good", " morning"]
    assert stream.completion.text == "Good morning"


async def test_an_image_that_is_no_base64_is_the_callers_fault(
    service: LLMService, point: Point, simulator: str
) -> None:
    """SDKs that decode it themselves send nothing, so it costs nothing."""
    ledger = point("openai", f"{simulator}/openai/v1")
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,a"}}

    for provider in ("bedrock", "genai"):
        with pytest.raises(LLMServiceError) as failed:
            await service.complete(MODELS[provider], [{"role": "user", "content": [image]}])

        assert failed.value.error_type == "invalid_request"

    assert query(ledger, "SELECT error_type, cost_pico_usd FROM entry") == [
        ("invalid_request", 0),
        ("invalid_request", 0),
    ]


@pytest.mark.parametrize(
    ("provider", "package"),
    [("openai", "openai"), ("anthropic", "anthropic"), ("bedrock", "boto3"), ("genai", "httpx2")],
)
async def test_an_sdk_that_is_missing_is_told_with_its_remedy(
    service: LLMService,
    point: Point,
    simulator: str,
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
    package: str,
) -> None:
    """Which extra to install."""
    point("openai", f"{simulator}/openai/v1")
    for module in [name for name in sys.modules if name.startswith("modelmeter.service.sdk.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(RefusedRequestError, match=rf"modelmeter\[{provider}\]"):
        await service.complete(MODELS[provider], "Hello.")
