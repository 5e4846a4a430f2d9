"""The providers' own SDKs make equal objects of a hit and of a miss."""

from collections.abc import Callable
from typing import Any
from urllib.request import urlopen

import anthropic
import boto3
import msgspec
import openai
import pytest
from botocore.config import Config
from cached_gateway import CachedGateway, cached
from google import genai
from google.genai import types
from ledger_file import query

_FIXTURES = cached

SAID = "Tell me something. [[simulate output=30 input=50]]"
CALL = "Call the tool. [[simulate output=30 tool]]"
CLAUDE = "anthropic.claude-3-5-sonnet-20240620-v1:0"
TITAN = "amazon.titan-embed-text-v2:0"
SCHEMA = {"type": "object", "properties": {"order_id": {"type": "string"}}}
MESSAGES: list[Any] = [{"role": "user", "content": SAID}]

Made = Callable[[str], object]
"""Makes a call against a gateway; what the SDK makes of the answer, as plain data."""


def openai_sdk(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/openai/v1", api_key="sk-test", max_retries=0)


def openai_chat(url: str) -> object:
    answer = openai_sdk(url).chat.completions.create(model="gpt-4o", messages=MESSAGES)
    return answer.model_dump(), answer._request_id


def openai_tool(url: str) -> object:
    tools: list[Any] = [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}]
    asked: list[Any] = [{"role": "user", "content": CALL}]
    answer = openai_sdk(url).chat.completions.create(model="gpt-4o", messages=asked, tools=tools)
    assert answer.choices[0].message.tool_calls
    return answer.model_dump()


def openai_stream(url: str) -> object:
    chunks = openai_sdk(url).chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    return [chunk.model_dump() for chunk in chunks]


def openai_responses(url: str) -> object:
    return openai_sdk(url).responses.create(model="gpt-4o", input=SAID).model_dump()


def openai_embeddings(url: str) -> object:
    made = openai_sdk(url).embeddings.create(model="text-embedding-3-small", input="Hello")
    return made.model_dump()


def anthropic_message(url: str) -> object:
    sdk = anthropic.Anthropic(base_url=f"{url}/anthropic", api_key="sk-test", max_retries=0)
    answer = sdk.messages.create(model="claude-haiku-4-5", max_tokens=500, messages=MESSAGES)
    return answer.model_dump(), answer._request_id


def anthropic_stream(url: str) -> object:
    sdk = anthropic.Anthropic(base_url=f"{url}/anthropic", api_key="sk-test", max_retries=0)
    with sdk.messages.stream(model="claude-haiku-4-5", max_tokens=500, messages=MESSAGES) as stream:
        events = [event.model_dump() for event in stream]
        return events, stream.get_final_message().model_dump()


def bedrock(url: str) -> Any:
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=f"{url}/bedrock",
        region_name="us-east-1",
        aws_access_key_id="AKIATEST",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}),
    )


def bedrock_converse(url: str) -> object:
    asked = [{"role": "user", "content": [{"text": SAID}]}]
    answer = bedrock(url).converse(modelId=CLAUDE, messages=asked)
    del answer["ResponseMetadata"]
    return answer


def bedrock_converse_stream(url: str) -> object:
    asked = [{"role": "user", "content": [{"text": SAID}]}]
    return list(bedrock(url).converse_stream(modelId=CLAUDE, messages=asked)["stream"])


def claude_body() -> bytes:
    return msgspec.json.encode(
        {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 500, "messages": MESSAGES}
    )


def bedrock_invoke(url: str) -> object:
    return bedrock(url).invoke_model(modelId=CLAUDE, body=claude_body())["body"].read()


def bedrock_invoke_stream(url: str) -> object:
    answer = bedrock(url).invoke_model_with_response_stream(modelId=CLAUDE, body=claude_body())
    return list(answer["body"])


def bedrock_embed(url: str) -> object:
    body = msgspec.json.encode({"inputText": "Hello", "dimensions": 256})
    return bedrock(url).invoke_model(modelId=TITAN, body=body)["body"].read()


def google(url: str) -> genai.Client:
    return genai.Client(api_key="test", http_options=types.HttpOptions(base_url=f"{url}/genai"))


def genai_content(url: str) -> object:
    sdk = google(url)
    answer = sdk.models.generate_content(model="gemini-2.5-flash", contents=SAID)
    return answer.model_dump(exclude={"sdk_http_response"})


def genai_stream(url: str) -> object:
    sdk = google(url)
    chunks = sdk.models.generate_content_stream(model="gemini-2.5-flash", contents=SAID)
    return [chunk.model_dump(exclude={"sdk_http_response"}) for chunk in chunks]


def genai_embed(url: str) -> object:
    sdk = google(url)
    answer = sdk.models.embed_content(
        model="gemini-embedding-001",
        contents="Hello",
        config=types.EmbedContentConfig(output_dimensionality=256),
    )
    return answer.model_dump(exclude={"sdk_http_response"})


CALLS: list[Made] = [
    openai_chat,
    openai_tool,
    openai_stream,
    openai_responses,
    openai_embeddings,
    anthropic_message,
    anthropic_stream,
    bedrock_converse,
    bedrock_converse_stream,
    bedrock_invoke,
    bedrock_invoke_stream,
    bedrock_embed,
    genai_content,
    genai_stream,
    genai_embed,
]


def served(cached: CachedGateway) -> int:
    """How many calls the upstream has seen."""
    with urlopen(f"{cached.simulator}/simulator/served") as response:
        return int(msgspec.json.decode(response.read())["served"])


@pytest.mark.parametrize("made", CALLS, ids=lambda made: made.__name__)
def test_a_hit_is_the_same_object(cached: CachedGateway, made: Made) -> None:
    before = served(cached)
    first = made(cached.gateway)
    second = made(cached.gateway)

    assert second == first
    assert served(cached) == before + 1
    rows = query(cached.ledger, "SELECT cached, status FROM entry ORDER BY seq DESC LIMIT 2")
    assert rows == [(1, "success"), (0, "success")]
