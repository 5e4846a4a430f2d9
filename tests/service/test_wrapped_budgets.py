"""Budgets and throttles hold for a client that a program has, as they do at the gateway."""

import asyncio
import time
from pathlib import Path
from typing import Any

import anthropic
import botocore.exceptions
import openai
import pytest
from budget_cases import budget, define
from fresh_process import fresh_process
from google.genai import errors
from ledger_file import query
from sdk_clients import (
    Ask,
    Make,
    anthropic_client,
    ask_anthropic,
    ask_bedrock,
    ask_genai,
    ask_openai,
    bedrock_client,
    genai_client,
    openai_client,
    said,
    stream_genai,
    stream_openai,
)
from simulated_providers import ledger_fixture, simulator_fixture

from modelmeter import wrap
from modelmeter.in_process import close_in_process

_FIXTURES = (fresh_process, simulator_fixture, ledger_fixture)

TOLD = ("model-requested", "model-used", "downgraded-by", "output-limit")
HELLO: Any = [{"role": "user", "content": "Hello."}]


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


QUEUE = """
[[throttles]]
name = "one-at-once"
concurrent_calls = 1
queue_seconds = 30
queue_max = 8
"""


def test_calls_of_wrapped_clients_wait_for_their_turn(
    simulator: str, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in a thread of its own, or all in one event loop."""
    _configure(ledger, monkeypatch, QUEUE)
    client = wrap(openai_client(simulator), agent_id="a")
    inner = openai.AsyncOpenAI(base_url=f"{simulator}/openai/v1", api_key="sk-1", max_retries=0)
    text = "[[simulate output=5 token_ms=10]]"

    async def ask_all() -> None:
        async with wrap(inner, agent_id="a") as asynchronous:
            chat = asynchronous.chat.completions
            await asyncio.gather(
                *(asyncio.to_thread(ask_openai, client, text) for _ in range(3)),
                *(chat.create(model="gpt-4o-mini", messages=said(text)) for _ in range(3)),
            )

    asyncio.run(ask_all())

    assert query(ledger, "SELECT status, count(*) FROM entry GROUP BY 1") == [("success", 6)]


def _configure(ledger: Path, monkeypatch: pytest.MonkeyPatch, tables: str) -> None:
    """This process, from here on."""
    config = ledger.with_name("modelmeter.toml")
    config.write_text(f'ledger = "{ledger}"\n{tables}')
    monkeypatch.setenv("MODELMETER_CONFIG", str(config))
    close_in_process()
