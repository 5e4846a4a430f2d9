"""A program's stream that uses up its hold is ended there, as one that met its limit."""

import asyncio
import base64
import json
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anthropic
import boto3
import openai
import pytest
from botocore.config import Config
from endless_model import EVENT, chunked, element
from fresh_process import fresh_process
from google import genai
from google.genai import types
from ledger_file import query
from odd_upstream import OddUpstream
from simulated_providers import call_simulator

from modelmeter import LLMService, wrap
from modelmeter.in_process import close_in_process
from modelmeter.wire.event_stream import encode_event_stream_message

_FIXTURES = fresh_process

SERVER_SENT = b"text/event-stream"
AWS = b"application/vnd.amazon.eventstream"
CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
LLAMA = "meta.llama3-8b-instruct-v1:0"
CLAUDE_GOES_ON: Any = {
    "type": "content_block_delta",
    "index": 0,
    "delta": {"type": "text_delta", "text": "word "},
}
NOVA_GOES_ON = {"contentBlockIndex": 0, "delta": {"text": "word "}}
GPT_OSS = "openai.gpt-oss-20b-1:0"
LIMIT = {"max_tokens": 10}
COMPLETION: Any = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1764201600,
    "model": GPT_OSS,
    "choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}],
}
MISTRAL_SAYS = {"role": "assistant", "content": "word "}
EVENTS = 20_000
MODEST = EVENT * 5 + b"data: [DONE]\n\n"
HELLO: Any = [{"role": "user", "content": "Hello."}]
GZIP = b"content-encoding: gzip"
CUT = ("error", "budget_exceeded", "cut where it had used up what was held for it")

MESSAGE_BEGINS = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message",'
    b'"role":"assistant","model":"claude-haiku-4-5","content":[],"stop_reason":null,'
    b'"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n'
)
MESSAGE_GOES_ON = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"word "}}\n\n'
)
GENERATION = b"data: %b\r\n\r\n" % json.dumps(json.loads(element("word "))).encode()
CONVERSE_BEGINS = encode_event_stream_message(
    {":message-type": "event", ":event-type": "messageStart"}, b'{"role":"assistant"}'
)
CONVERSE_GOES_ON = encode_event_stream_message(
    {":message-type": "event", ":event-type": "contentBlockDelta"},
    b'{"contentBlockIndex":0,"delta":{"text":"word "}}',
)


def openai_chat(url: str) -> tuple[str, str | None]:
    client = wrap(openai.OpenAI(base_url=url, api_key="sk-1", max_retries=0), agent_id="a")
    with closing(client):
        chunks = list(
            client.chat.completions.create(
                model="gpt-4o-mini", max_tokens=10, messages=HELLO, stream=True
            )
        )
    return _said(chunks), chunks[-1].choices[0].finish_reason


def openai_chat_asynchronously(url: str) -> tuple[str, str | None]:
    async def ask() -> tuple[str, str | None]:
        inner = openai.AsyncOpenAI(base_url=url, api_key="sk-1", max_retries=0)
        async with wrap(inner, agent_id="a") as client:
            stream = await client.chat.completions.create(
                model="gpt-4o-mini", max_tokens=10, messages=HELLO, stream=True
            )
            chunks = [chunk async for chunk in stream]
        return _said(chunks), chunks[-1].choices[0].finish_reason

    return asyncio.run(ask())


def anthropic_messages(url: str) -> tuple[str, str | None]:
    client = wrap(anthropic.Anthropic(base_url=url, api_key="sk-2", max_retries=0), agent_id="a")
    with (
        closing(client),
        client.messages.stream(model="claude-haiku-4-5", max_tokens=10, messages=HELLO) as stream,
    ):
        text = "".join(stream.text_stream)
        return text, stream.get_final_message().stop_reason


def genai_content(url: str) -> tuple[str, str | None]:
    options = types.HttpOptions(base_url=url)
    client = wrap(genai.Client(api_key="k", http_options=options), agent_id="a")
    answers = list(
        client.models.generate_content_stream(
            model="gemini-2.5-flash",
            contents="hi",
            config=types.GenerateContentConfig(max_output_tokens=10),
        )
    )
    candidates = answers[-1].candidates
    assert candidates is not None
    assert candidates[0].finish_reason is not None
    return "".join(answer.text or "" for answer in answers), candidates[0].finish_reason.value


def bedrock_client(url: str) -> Any:
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="AKIDSIMULATED",
        aws_secret_access_key="simulated-secret",
        config=Config(retries={"total_max_attempts": 1}),
    )
    return wrap(client, agent_id="a")


def bedrock_converse(url: str) -> tuple[str, str | None]:
    answer = bedrock_client(url).converse_stream(
        modelId=CLAUDE,
        messages=[{"role": "user", "content": [{"text": "Hello."}]}],
        inferenceConfig={"maxTokens": 10},
    )
    events = list(answer["stream"])
    deltas = [event["contentBlockDelta"] for event in events if "contentBlockDelta" in event]
    reason = events[-1]["messageStop"]["stopReason"]
    return "".join(delta["delta"]["text"] for delta in deltas), reason


def bedrock_claude(url: str) -> tuple[str, str | None]:
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 10, "messages": HELLO}
    *events, delta, stop = _invoked(url, CLAUDE, body)
    assert stop == {"type": "message_stop"}
    return "".join(event["delta"]["text"] for event in events), delta["delta"]["stop_reason"]


def bedrock_llama(url: str) -> tuple[str, str | None]:
    events = _invoked(url, LLAMA, {"prompt": "Hello.", "max_gen_len": 10})
    return "".join(event["generation"] for event in events), events[-1]["stop_reason"]


def bedrock_nova(url: str) -> tuple[str, str | None]:
    messages = [{"role": "user", "content": [{"text": "Hello."}]}]
    body = {"messages": messages, "inferenceConfig": {"maxTokens": 10}}
    *events, last = _invoked(url, "us.amazon.nova-micro-v1:0", body)
    text = "".join(event["contentBlockDelta"]["delta"]["text"] for event in events)
    return text, last["messageStop"]["stopReason"]


def bedrock_titan(url: str) -> tuple[str, str | None]:
    body = {"inputText": "Hello.", "textGenerationConfig": {"maxTokenCount": 10}}
    events = _invoked(url, "amazon.titan-text-express-v1", body)
    return "".join(event["outputText"] for event in events), events[-1]["completionReason"]


def bedrock_completion(url: str) -> tuple[str, str | None]:
    *events, last = _invoked(url, GPT_OSS, {"messages": HELLO, "max_tokens": 10})
    text = "".join(event["choices"][0]["delta"]["content"] for event in events)
    assert {**last, "choices": []} == {**events[0], "choices": []}
    assert last["choices"][0]["delta"] == {}
    return text, last["choices"][0]["finish_reason"]


def bedrock_mistral(url: str) -> tuple[str, str | None]:
    events = _invoked(url, "mistral.mistral-7b-instruct-v0:2", {"prompt": "Hello."} | LIMIT)
    outputs = [event["outputs"][0] for event in events]
    return "".join(output["text"] for output in outputs), outputs[-1]["stop_reason"]


def bedrock_mistral_chat(url: str) -> tuple[str, str | None]:
    events = _invoked(url, "mistral.mistral-large-2407-v1:0", {"messages": HELLO} | LIMIT)
    choices = [event["choices"][0] for event in events]
    text = "".join(choice["message"]["content"] for choice in choices)
    return text, choices[-1]["stop_reason"]


def bedrock_deepseek(url: str) -> tuple[str, str | None]:
    events = _invoked(url, "us.deepseek.r1-v1:0", {"prompt": "Hello."} | LIMIT)
    choices = [event["choices"][0] for event in events]
    return "".join(choice["text"] for choice in choices), choices[-1]["stop_reason"]


def bedrock_command_r(url: str) -> tuple[str, str | None]:
    *events, last = _invoked(url, "cohere.command-r-v1:0", {"message": "Hello."} | LIMIT)
    assert (last["event_type"], last["is_finished"]) == ("stream-end", True)
    return "".join(event["text"] for event in events), last["finish_reason"]


def bedrock_command(url: str) -> tuple[str, str | None]:
    body = {"prompt": "Hello.", "stream": True} | LIMIT
    events = _invoked(url, "cohere.command-text-v14", body)
    assert events[-1]["is_finished"]
    return "".join(event["text"] for event in events), events[-1]["finish_reason"]


def bedrock_unknown(url: str) -> tuple[str, str | None]:
    """A shape whose end is not known gets none, whatever the model's name."""
    events = _invoked(url, LLAMA, {"prompt": "Hello.", "max_gen_len": 10})
    assert {tuple(event) for event in events} == {("text",)}
    return "".join(event["text"] for event in events), None


def _invoked(url: str, model: str, body: Any) -> list[Any]:
    answer = bedrock_client(url).invoke_model_with_response_stream(
        modelId=model, body=json.dumps(body)
    )
    return [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]


def chunk_of(**body: object) -> bytes:
    """One of an invoked model's."""
    payload = {"bytes": base64.b64encode(json.dumps(body).encode()).decode()}
    headers = {":message-type": "event", ":event-type": "chunk"}
    return encode_event_stream_message(headers, json.dumps(payload).encode())


def _said(chunks: list[openai.types.chat.ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


Ask = Callable[[str], tuple[str, str | None]]


def _begin(ledger: Path, monkeypatch: pytest.MonkeyPatch, at_limit: str) -> None:
    """A budget over everything, in this process."""
    config = ledger.with_name("modelmeter.toml")
    config.write_text(
        f"""
ledger = "{ledger}"
[[budgets]]
name = "all"
window = "day"
limit_usd = "5"
at_limit = "{at_limit}"
"""
    )
    monkeypatch.setenv("MODELMETER_CONFIG", str(config))
    close_in_process()


@pytest.mark.parametrize(
    ("ask", "reason", "content_type", "stream"),
    [
        (openai_chat, "length", SERVER_SENT, EVENT * EVENTS),
        (openai_chat_asynchronously, "length", SERVER_SENT, EVENT * EVENTS),
        (
            anthropic_messages,
            "max_tokens",
            SERVER_SENT,
            MESSAGE_BEGINS + MESSAGE_GOES_ON * EVENTS,
        ),
        (genai_content, "MAX_TOKENS", SERVER_SENT, GENERATION * EVENTS),
        (
            bedrock_converse,
            "max_tokens",
            AWS,
            CONVERSE_BEGINS + CONVERSE_GOES_ON * EVENTS,
        ),
        (bedrock_claude, "max_tokens", AWS, chunk_of(**CLAUDE_GOES_ON) * EVENTS),
        (bedrock_llama, "length", AWS, chunk_of(generation="word ", stop_reason=None) * EVENTS),
        (bedrock_nova, "max_tokens", AWS, chunk_of(contentBlockDelta=NOVA_GOES_ON) * EVENTS),
        (bedrock_titan, "LENGTH", AWS, chunk_of(outputText="word ") * EVENTS),
        (bedrock_completion, "length", AWS, chunk_of(**COMPLETION) * EVENTS),
        (
            bedrock_mistral,
            "length",
            AWS,
            chunk_of(outputs=[{"text": "word ", "stop_reason": None}]) * EVENTS,
        ),
        (
            bedrock_mistral_chat,
            "length",
            AWS,
            chunk_of(choices=[{"index": 0, "message": MISTRAL_SAYS, "stop_reason": None}]) * EVENTS,
        ),
        (
            bedrock_deepseek,
            "length",
            AWS,
            chunk_of(choices=[{"text": "word ", "stop_reason": None}]) * EVENTS,
        ),
        (
            bedrock_command_r,
            "MAX_TOKENS",
            AWS,
            chunk_of(text="word ", is_finished=False, event_type="text-generation") * EVENTS,
        ),
        (
            bedrock_command,
            "MAX_TOKENS",
            AWS,
            chunk_of(text="word ", is_finished=False) * EVENTS,
        ),
        (bedrock_unknown, None, AWS, chunk_of(text="word ") * EVENTS),
    ],
)
def test_a_stream_that_heeds_no_limit_is_cut_with_a_proper_end_and_recorded(
    fresh_process: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ask: Ask,
    reason: str,
    content_type: bytes,
    stream: bytes,
) -> None:
    upstream = OddUpstream({"usual": chunked(content_type, stream, 7_000)})
    _begin(tmp_path / "ledger.db", monkeypatch, "block")

    with closing(upstream):
        text, told = ask(upstream.url)

    assert told == reason
    assert 160 < len(text) < EVENTS * len("word ") // 2
    assert query(tmp_path / "ledger.db", "SELECT status, error_type, note FROM entry") == [CUT]


STREAMS = {
    "gpt-4o-mini": (SERVER_SENT, EVENT * EVENTS),
    "claude-haiku-4-5": (SERVER_SENT, MESSAGE_BEGINS + MESSAGE_GOES_ON * EVENTS),
    "gemini-2.5-flash": (SERVER_SENT, GENERATION * EVENTS),
    "claude-3-haiku": (AWS, CONVERSE_BEGINS + CONVERSE_GOES_ON * EVENTS),
}


@pytest.mark.parametrize("model", STREAMS)
async def test_a_stream_from_python_is_cut_with_a_proper_end_and_recorded(
    fresh_process: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    """Whoever's SDK carries it, and whether or not it is translated."""
    upstream = OddUpstream({"usual": chunked(*STREAMS[model], 7_000)})
    call_simulator(monkeypatch, upstream.url)
    _begin(tmp_path / "ledger.db", monkeypatch, "block")
    service = LLMService()

    with closing(upstream):
        stream = await service.stream(model, "Hello.", max_tokens=10)
        text = "".join([piece async for piece in stream])
        await service.close()

    assert stream.completion.finish_reason == "length"
    assert 160 < len(text) < EVENTS * len("word ") // 2
    assert query(tmp_path / "ledger.db", "SELECT status, error_type, note FROM entry") == [CUT]


@pytest.mark.parametrize("at_limit", ["alert", "block"])
@pytest.mark.parametrize("ask", [openai_chat, openai_chat_asynchronously])
def test_a_compressed_stream_is_read_whether_or_not_it_may_be_cut(
    fresh_process: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    at_limit: str,
    ask: Ask,
) -> None:
    packed = zlib.compress(MODEST, wbits=16 + zlib.MAX_WBITS)
    upstream = OddUpstream({"usual": chunked(SERVER_SENT, packed, 50, GZIP)})
    _begin(tmp_path / "ledger.db", monkeypatch, at_limit)

    with closing(upstream):
        assert ask(upstream.url) == ("word " * 5, None)

    assert query(tmp_path / "ledger.db", "SELECT status, tokens_output > 1 FROM entry") == [
        ("success", 1)
    ]


@pytest.mark.parametrize("ask", [openai_chat, openai_chat_asynchronously])
def test_what_cannot_be_unpacked_is_an_error_of_the_connection(
    fresh_process: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    upstream = OddUpstream({"usual": chunked(SERVER_SENT, MODEST, 50, GZIP)})
    _begin(tmp_path / "ledger.db", monkeypatch, "block")

    with closing(upstream), pytest.raises(openai.APIConnectionError):
        ask(upstream.url)

    assert query(tmp_path / "ledger.db", "SELECT status, error_type FROM entry") == [
        ("error", "bad_response")
    ]
