"""`modelmeter.wrap`: a client that a program has, metered without a gateway."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import boto3
import botocore.exceptions
import openai
import pytest
from botocore.config import Config
from budget_cases import budget, define
from fresh_process import fresh_process
from google import genai
from google.genai import errors, types
from ledger_file import query
from simulated_providers import call_simulator, running_simulator

from modelmeter import wrap
from modelmeter.errors import SettingsError
from modelmeter.in_process import close_in_process

_FIXTURES = fresh_process

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
TOLD = ("model-requested", "model-used", "downgraded-by", "output-limit")
HELLO: Any = [{"role": "user", "content": "Hello."}]


@pytest.fixture(scope="module", name="simulator")
def simulator_for_this_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    yield from running_simulator(tmp_path_factory.mktemp("simulator"))


@pytest.fixture(name="ledger")
def ledger_of_this_process(
    simulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_process: None
) -> Path:
    """Where the process enters its calls."""
    ledger = tmp_path / "ledger.db"
    call_simulator(monkeypatch, simulator, LEDGER=str(ledger))
    return ledger


def openai_client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/openai/v1", api_key="sk-1", max_retries=1)


def anthropic_client(url: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=f"{url}/anthropic", api_key="sk-2", max_retries=0)


def genai_client(url: str) -> genai.Client:
    return genai.Client(api_key="k", http_options=types.HttpOptions(base_url=f"{url}/genai"))


def bedrock_client(url: str) -> Any:
    return boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=f"{url}/bedrock",
        aws_access_key_id="AKIDSIMULATED",
        aws_secret_access_key="simulated-secret",
        config=Config(retries={"total_max_attempts": 1}),
    )


def ask_openai(client: Any, text: str) -> int:
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=_said(text))
    return int(answer.usage.completion_tokens)


def ask_anthropic(client: Any, text: str) -> int:
    answer = client.messages.create(model="claude-haiku-4-5", max_tokens=50, messages=_said(text))
    return int(answer.usage.output_tokens)


def ask_genai(client: Any, text: str) -> int:
    answer = client.models.generate_content(model="gemini-2.0-flash", contents=text)
    return int(answer.usage_metadata.candidates_token_count)


def ask_bedrock(client: Any, text: str) -> int:
    messages = [{"role": "user", "content": [{"text": text}]}]
    answer = client.converse(modelId=CLAUDE, messages=messages)
    return int(answer["usage"]["outputTokens"])


def invoke_bedrock(client: Any, text: str) -> int:
    body = (
        b'{"anthropic_version":"bedrock-2023-05-31","max_tokens":50,"messages":'
        b'[{"role":"user","content":"%b"}]}' % text.encode()
    )
    answer = client.invoke_model(modelId=CLAUDE, body=body)
    assert answer["body"].read()
    return int(answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-bedrock-output-token-count"])


def stream_openai(client: Any, text: str) -> int:
    chunks = list(
        client.chat.completions.create(model="gpt-4o-mini", messages=_said(text), stream=True)
    )
    assert all(chunk.usage is None for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)
    return len(chunks)


def stream_anthropic(client: Any, text: str) -> int:
    with client.messages.stream(
        model="claude-haiku-4-5", max_tokens=50, messages=_said(text)
    ) as stream:
        return len(list(stream.text_stream))


def stream_genai(client: Any, text: str) -> int:
    return len(list(client.models.generate_content_stream(model="gemini-2.0-flash", contents=text)))


def stream_bedrock(client: Any, text: str) -> int:
    messages = [{"role": "user", "content": [{"text": text}]}]
    return len(list(client.converse_stream(modelId=CLAUDE, messages=messages)["stream"]))


def _said(text: str) -> Any:
    return [{"role": "user", "content": text}]


Ask = Callable[[Any, str], int]
Make = Callable[[str], Any]

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
        model="gpt-4o-mini", messages=_said("[[simulate output=400]]"), stream=True
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


def test_a_budget_stops_a_wrapped_client_with_its_sdks_error(
    simulator: str, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent; each refusal is an entry."""
    config = tmp_path / "modelmeter.toml"
    config.write_text(
        f"""
ledger = "{ledger}"
[[budgets]]
name = "nothing-left"
window = "day"
limit_usd = "0.000000001"
at_limit = "block"
"""
    )
    monkeypatch.setenv("MODELMETER_CONFIG", str(config))
    close_in_process()

    with pytest.raises(openai.RateLimitError, match="nothing-left"):
        ask_openai(wrap(openai_client(simulator), agent_id="a"), "Hello.")
    with pytest.raises(anthropic.RateLimitError, match="nothing-left"):
        ask_anthropic(wrap(anthropic_client(simulator), agent_id="a"), "Hello.")
    with pytest.raises(errors.ClientError, match="nothing-left"):
        ask_genai(wrap(genai_client(simulator), agent_id="a"), "Hello.")
    with pytest.raises(botocore.exceptions.ClientError, match="nothing-left"):
        ask_bedrock(wrap(bedrock_client(simulator), agent_id="a"), "Hello.")

    assert query(ledger, "SELECT status, count(*) FROM entry GROUP BY 1") == [("blocked", 4)]


@pytest.mark.parametrize(
    ("make", "ask", "error"),
    [
        (openai_client, ask_openai, openai.RateLimitError),
        (anthropic_client, ask_anthropic, anthropic.RateLimitError),
        (genai_client, ask_genai, errors.ClientError),
        (bedrock_client, ask_bedrock, botocore.exceptions.ClientError),
    ],
)
def test_a_budget_set_by_another_process_holds_from_the_next_call_on(
    simulator: str, ledger: Path, make: Make, ask: Ask, error: type[Exception]
) -> None:
    """What was wrapped before is held to it."""
    client = wrap(make(simulator), agent_id="a")

    assert ask(client, "Hello.") > 0
    define(ledger, budget("spent", limit="0.000000001"), now_ns=time.time_ns())
    with pytest.raises(error, match="spent"):
        ask(client, "Hello.")

    assert query(ledger, "SELECT status FROM entry ORDER BY seq") == [("success",), ("blocked",)]


DOWNGRADES = """
[[budgets]]
name = "cheaper"
window = "day"
limit_usd = "0.000000001"
at_limit = "downgrade"
[budgets.downgrade]
"gpt-4o-mini" = "gpt-4.1-nano"
"claude-haiku-4-5" = "claude-3-haiku-20240307"
"gemini-2.0-flash" = "gemini-2.0-flash-lite"
"anthropic.claude-3-haiku-20240307-v1:0" = "amazon.nova-micro-v1:0"
"""


@pytest.mark.parametrize(
    ("make", "ask", "asked", "used"),
    [
        (openai_client, ask_openai, "gpt-4o-mini", "gpt-4.1-nano"),
        (openai_client, stream_openai, "gpt-4o-mini", "gpt-4.1-nano"),
        (anthropic_client, ask_anthropic, "claude-haiku-4-5", "claude-3-haiku-20240307"),
        (genai_client, ask_genai, "gemini-2.0-flash", "gemini-2.0-flash-lite"),
        (genai_client, stream_genai, "gemini-2.0-flash", "gemini-2.0-flash-lite"),
    ],
)
def test_a_budget_that_downgrades_has_the_cheaper_model_answer(
    simulator: str,
    ledger: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Make,
    ask: Ask,
    asked: str,
    used: str,
) -> None:
    """As at the gateway; its entry has both models."""
    _configure(ledger, monkeypatch, DOWNGRADES)

    assert ask(wrap(make(simulator), agent_id="a"), "Hello.") > 0

    models = "SELECT status, model_requested, model FROM entry"
    assert query(ledger, models) == [("success", asked, used)]
    assert query(ledger, f"SELECT count(*) FROM entry WHERE model_answered LIKE '{used}%'") == [
        (1,)
    ]
    assert query(ledger, "SELECT mark FROM budget_mark") == [("downgraded",)]


def test_the_answer_says_what_budgets_changed(
    simulator: str, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the headers of the gateway."""
    _configure(ledger, monkeypatch, DOWNGRADES)
    client = wrap(openai_client(simulator), agent_id="a")

    answer = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=HELLO)

    told = {name: answer.headers.get(f"x-modelmeter-{name}") for name in TOLD}
    assert told == {
        "model-requested": "gpt-4o-mini",
        "model-used": "gpt-4.1-nano",
        "downgraded-by": "cheaper",
        "output-limit": "32768",
    }


def test_a_signed_request_that_would_be_downgraded_is_refused_and_entered(
    simulator: str, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model of a Bedrock request stands in what is signed."""
    _configure(ledger, monkeypatch, DOWNGRADES)

    with pytest.raises(botocore.exceptions.ClientError, match="cheaper"):
        ask_bedrock(wrap(bedrock_client(simulator), agent_id="a"), "Hello.")

    assert query(ledger, "SELECT status, error_type FROM entry") == [("blocked", "budget_exceeded")]
    assert query(ledger, "SELECT mark FROM budget_mark") == [("blocked",)]


def test_a_wrapped_clients_limit_is_lowered_to_what_is_left(
    simulator: str, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the operator wants that."""
    table = """
[budgeting]
clamp_output = true
[[budgets]]
name = "small"
window = "day"
limit_usd = "0.0005"
"""
    _configure(ledger, monkeypatch, table)
    client = wrap(openai_client(simulator), agent_id="a")

    answer = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=HELLO)

    assert answer.headers["x-modelmeter-output-limit-for"] == "small"
    assert 0 < int(answer.headers["x-modelmeter-output-limit"]) < 1000
    assert query(ledger, "SELECT status FROM entry") == [("success",)]


def _configure(ledger: Path, monkeypatch: pytest.MonkeyPatch, tables: str) -> None:
    """This process, from here on."""
    config = ledger.with_name("modelmeter.toml")
    config.write_text(f'ledger = "{ledger}"\n{tables}')
    monkeypatch.setenv("MODELMETER_CONFIG", str(config))
    close_in_process()


def test_what_is_no_metered_operation_passes(simulator: str, ledger: Path) -> None:
    """Lists of models are not entered."""
    client = wrap(openai_client(simulator), agent_id="a")

    assert len(list(client.models.list())) > 3

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
