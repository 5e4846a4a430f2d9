"""Clients of the providers' SDKs, and calls that they make."""

from collections.abc import Callable
from typing import Any

import anthropic
import boto3
import openai
from botocore.config import Config
from google import genai
from google.genai import types

__all__ = [
    "CLAUDE",
    "Ask",
    "Make",
    "anthropic_client",
    "ask_anthropic",
    "ask_bedrock",
    "ask_genai",
    "ask_openai",
    "bedrock_client",
    "genai_client",
    "invoke_bedrock",
    "openai_client",
    "said",
    "stream_anthropic",
    "stream_bedrock",
    "stream_genai",
    "stream_openai",
]

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"

Ask = Callable[[Any, str], int]
Make = Callable[[str], Any]


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
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=said(text))
    return int(answer.usage.completion_tokens)


def ask_anthropic(client: Any, text: str) -> int:
    answer = client.messages.create(model="claude-haiku-4-5", max_tokens=50, messages=said(text))
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
        client.chat.completions.create(model="gpt-4o-mini", messages=said(text), stream=True)
    )
    assert all(chunk.usage is None for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)
    return len(chunks)


def stream_anthropic(client: Any, text: str) -> int:
    with client.messages.stream(
        model="claude-haiku-4-5", max_tokens=50, messages=said(text)
    ) as stream:
        return len(list(stream.text_stream))


def stream_genai(client: Any, text: str) -> int:
    return len(list(client.models.generate_content_stream(model="gemini-2.0-flash", contents=text)))


def stream_bedrock(client: Any, text: str) -> int:
    messages = [{"role": "user", "content": [{"text": text}]}]
    return len(list(client.converse_stream(modelId=CLAUDE, messages=messages)["stream"]))


def said(text: str) -> Any:
    return [{"role": "user", "content": text}]
