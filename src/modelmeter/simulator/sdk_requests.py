"""Requests as the official SDKs put them on the wire, for the agents of the traffic generator."""

from collections.abc import Callable, Mapping
from random import Random
from urllib.parse import quote

import msgspec

from modelmeter.record import Operation
from modelmeter.simulator.agents import SimulatedAgent
from modelmeter.simulator.tokens import draw_tokens
from modelmeter.simulator.words import word_pieces

__all__ = ["SdkRequest", "draw_prompt", "sdk_request"]

PROMPT_TOKENS_MAX = 16_000
"""Longest prompt that is made."""

_CHARACTERS_PER_TOKEN = 4
_OUTPUT_TOKENS_MAX = 2_048
_SYSTEM = "You are a careful assistant of a large company. Answer briefly and cite what you use. "
_CACHED_SYSTEM = _SYSTEM * 60
"""Long enough for a provider's prompt cache."""

_TOOL_SCHEMA = {
    "type": "object",
    "properties": {
        "order_id": {"type": "string"},
        "priority": {"type": "string", "enum": ["low", "normal", "high"]},
    },
    "required": ["order_id"],
}
_JSON_SCHEMA = {
    "type": "OBJECT",
    "properties": {
        "supplier": {"type": "STRING"},
        "total": {"type": "NUMBER"},
        "paid": {"type": "BOOLEAN"},
    },
}
_STAINLESS = {
    "x-stainless-lang": "python",
    "x-stainless-os": "Linux",
    "x-stainless-arch": "x64",
    "x-stainless-runtime": "CPython",
    "x-stainless-runtime-version": "3.11.7",
    "x-stainless-async": "async:asyncio",
    "x-stainless-retry-count": "0",
    "x-stainless-read-timeout": "600",
}
_OPENAI = _STAINLESS | {
    "accept": "application/json",
    "user-agent": "AsyncOpenAI/Python 3.54.0",
    "x-stainless-package-version": "3.54.0",
}
_ANTHROPIC = _STAINLESS | {
    "accept": "application/json",
    "user-agent": "AsyncAnthropic/Python 0.75.0",
    "anthropic-version": "2023-06-01",
    "x-stainless-package-version": "0.75.0",
}
_GENAI = {
    "accept": "*/*",
    "user-agent": "google-genai-sdk/1.56.0 gl-python/3.11.7",
    "x-goog-api-client": "google-genai-sdk/1.56.0 gl-python/3.11.7",
}
_BEDROCK = {
    "accept-encoding": "identity",
    "user-agent": "Boto3/1.44.5 md/Botocore#1.44.5 os/linux lang/python#3.11.7",
    "x-amz-date": "20261101T000000Z",
    "amz-sdk-request": "attempt=1; max=1",
}
_SIGNATURE = (
    "AWS4-HMAC-SHA256 Credential={key}/20261101/us-east-1/bedrock/aws4_request, "
    "SignedHeaders=content-type;host;x-amz-date, Signature=" + "0" * 64
)


class SdkRequest(msgspec.Struct, frozen=True):
    """One POST to a gateway (or to a simulator)."""

    path: str
    """Percent-encoded, with query, below the gateway's root."""
    headers: Mapping[str, str]
    body: bytes


def draw_prompt(agent: SimulatedAgent, random: Random) -> str:
    """Draw a prompt as long as the agent's kind of work has them."""
    kind = "code_input" if agent.style == "code" else "conversation_input"
    tokens = min(draw_tokens(kind, random), PROMPT_TOKENS_MAX)
    if agent.style == "embedding":
        tokens = max(8, tokens // 4)
    text = "".join(word_pieces(random, tokens))
    return text[: tokens * _CHARACTERS_PER_TOKEN]


def sdk_request(agent: SimulatedAgent, prompt: str, key: str) -> SdkRequest:
    """Write ``prompt`` as the SDK of the agent's provider does, with ``key`` as its credential."""
    path, headers, body = _WRITERS[agent.operation](agent, prompt, key)
    return SdkRequest(
        path=path,
        headers={
            **headers,
            "content-type": "application/json",
            "x-agent-id": agent.agent_id,
            "x-team": agent.team,
            "x-tenant-id": agent.tenant_id,
        },
        body=msgspec.json.encode(body),
    )


_Parts = tuple[str, dict[str, str], dict[str, object]]


def _openai(path: str, key: str, body: dict[str, object]) -> _Parts:
    return f"/openai/v1/{path}", _OPENAI | {"authorization": f"Bearer {key}"}, body


def _chat(agent: SimulatedAgent, prompt: str, key: str) -> _Parts:
    body: dict[str, object] = {
        "model": agent.model,
        "messages": [
            {"role": "system", "content": _SYSTEM},
            {"role": "user", "content": prompt},
        ],
        "max_completion_tokens": _OUTPUT_TOKENS_MAX,
    }
    if agent.streamed:
        body["stream"] = True
    if agent.style == "tools":
        tool = {"name": "route_ticket", "parameters": _TOOL_SCHEMA}
        body["tools"] = [{"type": "function", "function": tool}]
    return _openai("chat/completions", key, body)


def _responses(agent: SimulatedAgent, prompt: str, key: str) -> _Parts:
    body: dict[str, object] = {
        "model": agent.model,
        "instructions": _SYSTEM,
        "input": prompt,
        "max_output_tokens": _OUTPUT_TOKENS_MAX,
    }
    if agent.streamed:
        body["stream"] = True
    return _openai("responses", key, body)


def _embeddings(agent: SimulatedAgent, prompt: str, key: str) -> _Parts:
    body: dict[str, object] = {
        "model": agent.model,
        "input": prompt,
        "encoding_format": "base64",
    }
    return _openai("embeddings", key, body)


def _messages(agent: SimulatedAgent, prompt: str, key: str) -> _Parts:
    body = _claude(prompt) | {"model": agent.model}
    if agent.streamed:
        body["stream"] = True
    return "/anthropic/v1/messages", _ANTHROPIC | {"x-api-key": key}, body


def _claude(prompt: str) -> dict[str, object]:
    cached = {"type": "text", "text": _CACHED_SYSTEM, "cache_control": {"type": "ephemeral"}}
    return {
        "max_tokens": _OUTPUT_TOKENS_MAX,
        "system": [cached],
        "messages": [{"role": "user", "content": prompt}],
    }


def _bedrock(agent: SimulatedAgent, verb: str, key: str, body: dict[str, object]) -> _Parts:
    path = f"/bedrock/model/{quote(agent.model, safe='')}/{verb}"
    return path, _BEDROCK | {"authorization": _SIGNATURE.format(key=key)}, body


def _converse(agent: SimulatedAgent, prompt: str, key: str) -> _Parts:
    body: dict[str, object] = {
        "messages": [{"role": "user", "content": [{"text": prompt}]}],
        "system": [{"text": _SYSTEM}],
        "inferenceConfig": {"maxTokens": _OUTPUT_TOKENS_MAX},
    }
    return _bedrock(agent, "converse-stream" if agent.streamed else "converse", key, body)


def _invoke(agent: SimulatedAgent, prompt: str, key: str) -> _Parts:
    verb = "invoke-with-response-stream" if agent.streamed else "invoke"
    body = _claude(prompt) | {"anthropic_version": "bedrock-2023-05-31"}
    return _bedrock(agent, verb, key, body)


def _generate(agent: SimulatedAgent, prompt: str, key: str) -> _Parts:
    config: dict[str, object] = {"maxOutputTokens": _OUTPUT_TOKENS_MAX}
    if agent.style == "json":
        config |= {"responseMimeType": "application/json", "responseSchema": _JSON_SCHEMA}
    body: dict[str, object] = {
        "contents": [{"parts": [{"text": prompt}], "role": "user"}],
        "systemInstruction": {"parts": [{"text": _SYSTEM}], "role": "user"},
        "generationConfig": config,
    }
    verb = "streamGenerateContent?alt=sse" if agent.streamed else "generateContent"
    path = f"/genai/v1beta/models/{agent.model}:{verb}"
    return path, _GENAI | {"x-goog-api-key": key}, body


_WRITERS: dict[Operation, Callable[[SimulatedAgent, str, str], _Parts]] = {
    Operation.CHAT: _chat,
    Operation.RESPONSES: _responses,
    Operation.EMBEDDINGS: _embeddings,
    Operation.MESSAGES: _messages,
    Operation.CONVERSE: _converse,
    Operation.INVOKE_MODEL: _invoke,
    Operation.GENERATE_CONTENT: _generate,
}
