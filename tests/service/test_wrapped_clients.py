"""`modelmeter.wrap`: a client that a program has, metered without a gateway."""

import asyncio
from pathlib import Path
from typing import Any

import anthropic
import boto3
import botocore.exceptions
import openai
import pytest
from fresh_process import fresh_process
from google.genai import errors as genai_errors
from ledger_file import query
from sdk_clients import (
    CLAUDE,
    Ask,
    Make,
    anthropic_client,
    ask_anthropic,
    ask_bedrock,
    ask_genai,
    ask_openai,
    bedrock_client,
    genai_client,
    invoke_bedrock,
    openai_client,
    said,
    stream_anthropic,
    stream_bedrock,
    stream_genai,
    stream_openai,
)
from simulated_providers import ledger_fixture, simulator_fixture

from modelmeter import wrap
from modelmeter.errors import SettingsError

_FIXTURES = (fresh_process, simulator_fixture, ledger_fixture)

HELLO: Any = [{"role": "user", "content": "Hello."}]


WHOLE = [
    pytest.param(openai_client, ask_openai, "openai", id="openai"),
    pytest.param(anthropic_client, ask_anthropic, "anthropic", id="anthropic"),
    pytest.param(genai_client, ask_genai, "genai", id="genai"),
    pytest.param(bedrock_client, ask_bedrock, "bedrock", id="bedrock"),
    pytest.param(bedrock_client, invoke_bedrock, "bedrock", id="bedrock-invoke"),
]
STREAMED = [
    pytest.param(openai_client, stream_openai, "openai", id="openai"),
    pytest.param(anthropic_client, stream_anthropic, "anthropic", id="anthropic"),
    pytest.param(genai_client, stream_genai, "genai", id="genai"),
    pytest.param(bedrock_client, stream_bedrock, "bedrock", id="bedrock"),
]


@pytest.mark.parametrize(("make", "ask", "provider"), WHOLE)
def test_a_wrapped_clients_call_is_entered_as_the_provider_counted_it(
    simulator: str, ledger: Path, make: Make, ask: Ask, provider: str
) -> None:
    """And its answer is the one that the bare client gives."""
    bare = ask(make(simulator), "Hello.")
    client = wrap(make(simulator), agent_id="meetmind.coordinator", tenant_id="acme")

    assert ask(client, "Hello.") == bare
    assert query(
        ledger,
        "SELECT agent_id, team, tenant_id, provider, status, tokens_output, cost_state,"
        " cost_pico_usd > 0, http_status FROM entry",
    ) == [("meetmind.coordinator", "meetmind", "acme", provider, "success", bare, "priced", 1, 200)]


@pytest.mark.parametrize(("make", "ask", "provider"), STREAMED)
def test_a_wrapped_clients_stream_is_entered_with_its_counts(
    simulator: str, ledger: Path, make: Make, ask: Ask, provider: str
) -> None:
    """Also where they have to be asked for, which the program does not see."""
    client = wrap(make(simulator), agent_id="a")

    assert ask(client, "[[simulate output=40]]") > 1

    assert query(
        ledger,
        "SELECT provider, status, streamed, tokens_output, cost_state,"
        " time_to_first_token_ns IS NOT NULL FROM entry",
    ) == [(provider, "success", 1, 40, "priced", 1)]


def test_a_stream_that_is_left_is_entered_as_cancelled(simulator: str, ledger: Path) -> None:
    """With an estimate of what had come."""
    client = wrap(openai_client(simulator), agent_id="a")

    with client.chat.completions.create(
        model="gpt-4o-mini", messages=said("[[simulate output=400]]"), stream=True
    ) as stream:
        next(iter(stream))
    claude = wrap(bedrock_client(simulator), agent_id="a")
    messages = [{"role": "user", "content": [{"text": "[[simulate output=400]]"}]}]
    events = claude.converse_stream(modelId=CLAUDE, messages=messages)["stream"]
    next(iter(events))
    events.close()

    assert query(ledger, "SELECT status, cost_state, cost_pico_usd > 0 FROM entry") == [
        ("cancelled", "estimated", 1),
        ("cancelled", "estimated", 1),
    ]
    assert query(ledger, "SELECT count(*) FROM open_call") == [(0,)]


async def test_asynchronous_clients_are_metered_alike(simulator: str, ledger: Path) -> None:
    """Whole answers, streams, and many at once."""
    chat = wrap(
        openai.AsyncOpenAI(base_url=f"{simulator}/openai/v1", api_key="sk"), agent_id="async.a"
    )
    claude = wrap(
        anthropic.AsyncAnthropic(base_url=f"{simulator}/anthropic", api_key="sk"),
        agent_id="async.b",
    )
    gemini = wrap(genai_client(simulator), agent_id="async.c")

    await asyncio.gather(
        *(chat.chat.completions.create(model="gpt-4o-mini", messages=HELLO) for _ in range(10))
    )
    async with claude.messages.stream(
        model="claude-haiku-4-5", max_tokens=30, messages=HELLO
    ) as stream:
        assert [text async for text in stream.text_stream]
    await gemini.aio.models.generate_content(model="gemini-2.0-flash", contents="Hello.")
    async for _ in await gemini.aio.models.generate_content_stream(
        model="gemini-2.0-flash", contents="Hello."
    ):
        pass

    assert query(
        ledger, "SELECT agent_id, status, count(*) FROM entry GROUP BY 1, 2 ORDER BY 1"
    ) == [("async.a", "success", 10), ("async.b", "success", 1), ("async.c", "success", 2)]
    await chat.close()
    await claude.close()


def test_each_attempt_of_an_sdk_is_an_entry(simulator: str, ledger: Path) -> None:
    """Its own retries are told by their number."""
    client = wrap(openai_client(simulator), agent_id="a")

    with pytest.raises(openai.InternalServerError):
        ask_openai(client, "[[simulate status=500]]")

    assert query(ledger, "SELECT attempt, status, error_type, http_status FROM entry") == [
        (0, "error", "server_error", 500),
        (1, "error", "server_error", 500),
    ]


def test_an_answer_that_breaks_off_is_an_error(simulator: str, ledger: Path) -> None:
    """The program gets the SDK's own exception."""
    client = wrap(openai_client(simulator), agent_id="a")
    claude = wrap(bedrock_client(simulator), agent_id="b")

    with pytest.raises(openai.APIError):
        stream_openai(client, "[[simulate output=90 cut_after_chunks=5]]")
    with pytest.raises(Exception, match="ended prematurely"):
        stream_bedrock(claude, "[[simulate output=90 cut_after_chunks=5]]")

    rows = query(ledger, "SELECT agent_id, status, error_type, cost_state FROM entry ORDER BY seq")
    assert rows[0] == ("a", "error", "connection", "estimated")
    assert rows[-1] == ("b", "error", "connection", "estimated")


def test_a_provider_that_is_not_there_is_an_error_without_cost(ledger: Path) -> None:
    """Nothing was sent, so nothing is charged."""
    client = wrap(openai_client("http://127.0.0.1:1"), agent_id="a")
    claude = wrap(bedrock_client("http://127.0.0.1:1"), agent_id="a")

    with pytest.raises(openai.APIConnectionError):
        ask_openai(client, "Hello.")
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        ask_bedrock(claude, "Hello.")

    assert query(ledger, "SELECT DISTINCT status, error_type, cost_pico_usd FROM entry") == [
        ("error", "connection", 0)
    ]


def test_what_is_no_metered_operation_passes(simulator: str, ledger: Path) -> None:
    """Lists of models are not entered."""
    client = wrap(openai_client(simulator), agent_id="a")

    assert len(list(client.models.list())) > 3

    assert query(ledger, "SELECT count(*) FROM entry") == [(0,)]


def test_another_spelling_of_a_metered_path_is_not_sent(simulator: str, ledger: Path) -> None:
    """It would go by without an entry."""
    client = wrap(openai_client(simulator), agent_id="a")

    with pytest.raises(openai.NotFoundError, match="not exactly"):
        client.post("/chat/completions/", cast_to=object, body={"model": "gpt-4o-mini"})

    assert query(ledger, "SELECT count(*) FROM entry") == [(0,)]


def test_a_body_that_others_may_read_differently_is_not_sent(simulator: str, ledger: Path) -> None:
    """Each SDK raises what it raises when its provider answers 400."""
    twice = b'{"model":"gpt-4o-mini","max_tokens":5,"max_tokens":9,"messages":[]}'
    half = "\ud800"
    of_openai = wrap(openai_client(simulator), agent_id="a")
    of_anthropic = wrap(anthropic_client(simulator), agent_id="a")
    of_genai = wrap(genai_client(simulator), agent_id="a")
    of_bedrock = wrap(bedrock_client(simulator), agent_id="a")

    with pytest.raises(openai.BadRequestError, match="'max_tokens' twice"):
        of_openai.post("/chat/completions", cast_to=object, content=twice)
    with pytest.raises(anthropic.BadRequestError, match="'max_tokens' twice"):
        of_anthropic.post("/v1/messages", cast_to=object, content=twice)
    with pytest.raises(genai_errors.ClientError, match="half a surrogate pair"):
        ask_genai(of_genai, half)
    with pytest.raises(botocore.exceptions.ClientError, match="half a surrogate pair"):
        ask_bedrock(of_bedrock, half)
    with pytest.raises(botocore.exceptions.ClientError, match="'max_tokens' twice"):
        of_bedrock.invoke_model(modelId=CLAUDE, body=twice)

    assert query(ledger, "SELECT count(*) FROM entry") == [(0,)]


@pytest.mark.parametrize("make", [openai_client, genai_client, bedrock_client])
def test_a_client_is_metered_once(simulator: str, ledger: Path, make: Make) -> None:
    """A second time would enter each of its calls twice."""
    client = wrap(make(simulator), agent_id="a")

    with pytest.raises(SettingsError, match="already"):
        wrap(client, agent_id="b")


def test_what_is_no_client_is_refused(ledger: Path) -> None:
    """With what would be one."""
    with pytest.raises(SettingsError, match="AsyncOpenAI"):
        wrap(object(), agent_id="a")
    with pytest.raises(SettingsError, match="bedrock-runtime"):
        wrap(boto3.client("s3", region_name="us-east-1"), agent_id="a")
