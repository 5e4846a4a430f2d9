"""
Answers as the providers' references document them, whole and streamed, and what they used.

https://platform.openai.com/docs/api-reference, https://docs.anthropic.com/en/api/messages,
https://ai.google.dev/api/generate-content
"""

import json
from typing import NamedTuple

from modelmeter.record import TokenCounts

__all__ = ["ANSWERS", "JSON", "SSE", "Documented", "events", "named_events"]

JSON = "application/json"
SSE = "text/event-stream; charset=utf-8"


def events(*objects: object, done: bool = False) -> bytes:
    """Server-sent events of bare data."""
    lines = [b"data: " + json.dumps(one).encode() + b"\n\n" for one in objects]
    return b"".join(lines) + (b"data: [DONE]\n\n" if done else b"")


def named_events(*objects: dict[str, object]) -> bytes:
    """Server-sent events that carry their type twice."""
    return b"".join(
        f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in objects
    )


class Documented(NamedTuple):
    """One answer in both forms; ``stream`` empty: the operation has no streams."""

    kind: str
    path: str
    request: dict[str, object]
    whole: bytes
    stream: bytes
    stream_path: str
    stream_type: str
    tokens: TokenCounts
    model: str | None
    tier: str | None = None


CHAT_USAGE = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {
        "cached_tokens": 1792,
        "cache_write_tokens": 128,
        "audio_tokens": 10,
    },
    "completion_tokens_details": {
        "reasoning_tokens": 192,
        "audio_tokens": 20,
        "accepted_prediction_tokens": 5,
        "rejected_prediction_tokens": 7,
    },
}
RESPONSES_USAGE = {
    "input_tokens": 328,
    "input_tokens_details": {
        "cached_tokens": 100,
        "cache_write_tokens": 60,
        "cache_write_tokens_details": {"ttl_30m_tokens": 20, "ttl_12h_tokens": 40},
    },
    "output_tokens": 52,
    "output_tokens_details": {"reasoning_tokens": 12},
    "total_tokens": 380,
}
MESSAGE_USAGE = {
    "input_tokens": 2095,
    "cache_creation_input_tokens": 2051,
    "cache_read_input_tokens": 1800,
    "cache_creation": {"ephemeral_5m_input_tokens": 51, "ephemeral_1h_input_tokens": 2000},
    "output_tokens": 503,
    "output_tokens_details": {"thinking_tokens": 103},
    "service_tier": "standard",
}
GEMINI_USAGE = {
    "promptTokenCount": 1000,
    "cachedContentTokenCount": 400,
    "candidatesTokenCount": 60,
    "thoughtsTokenCount": 77,
    "toolUsePromptTokenCount": 5,
    "totalTokenCount": 1142,
    "serviceTier": "flex",
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 700},
        {"modality": "AUDIO", "tokenCount": 200},
        {"modality": "IMAGE", "tokenCount": 100},
    ],
    "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 60}],
}
GEMINI_TOKENS = TokenCounts(
    input=305, cache_read=400, output=60, reasoning=77, audio_input=200, image_input=100
)
QUESTION = [{"role": "user", "content": "Say hello."}]
CONTENTS = [{"role": "user", "parts": [{"text": "Say hello."}]}]


def _chunk(delta: object, finish: str | None = None, usage: object = None) -> dict[str, object]:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}] if delta is not None else []
    return {
        "id": "chatcmpl-9",
        "object": "chat.completion.chunk",
        "model": "gpt-4o-2024-08-06",
        "service_tier": "default",
        "choices": choices,
        "usage": usage,
    }


def _generation(text: str, finish: str | None, usage: object) -> dict[str, object]:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    return {
        "candidates": [candidate | ({"finishReason": finish} if finish else {})],
        "usageMetadata": usage,
        "modelVersion": "gemini-2.5-flash",
        "responseId": "g-1",
    }


GENERATIONS = [
    _generation("Hel", None, {**GEMINI_USAGE, "candidatesTokenCount": 1, "thoughtsTokenCount": 77}),
    _generation("lo.", "STOP", GEMINI_USAGE),
]
RESPONSE = {
    "id": "resp_1",
    "model": "gpt-5-2025-08-07",
    "status": "completed",
    "service_tier": "flex",
    "output": [],
    "usage": RESPONSES_USAGE,
}
MESSAGE_START = {
    "id": "msg_1",
    "model": "claude-sonnet-4-5-20250929",
    "content": [],
    "usage": {**MESSAGE_USAGE, "output_tokens": 1, "output_tokens_details": None},
}

ANSWERS = {
    "chat": Documented(
        kind="openai",
        path="/chat/completions",
        request={"model": "gpt-4o", "messages": QUESTION},
        whole=json.dumps(
            {
                "id": "chatcmpl-9",
                "model": "gpt-4o-2024-08-06",
                "service_tier": "default",
                "choices": [{"index": 0, "message": {"content": "Hello."}}],
                "usage": CHAT_USAGE,
            }
        ).encode(),
        stream=events(
            _chunk({"role": "assistant", "content": ""}),
            _chunk({"content": "Hello."}),
            _chunk({}, "stop"),
            _chunk(None, usage=CHAT_USAGE),
            done=True,
        ),
        stream_path="/chat/completions",
        stream_type=SSE,
        tokens=TokenCounts(
            input=76,
            cache_read=1792,
            cache_write_5m=128,
            output=88,
            reasoning=192,
            audio_input=10,
            audio_output=20,
        ),
        model="gpt-4o-2024-08-06",
        tier="default",
    ),
    "responses": Documented(
        kind="openai",
        path="/responses",
        request={"model": "gpt-5", "input": "Say hello."},
        whole=json.dumps(RESPONSE).encode(),
        stream=named_events(
            {"type": "response.created", "response": {**RESPONSE, "usage": None}},
            {"type": "response.output_text.delta", "delta": "Hello."},
            {"type": "response.completed", "response": RESPONSE},
        ),
        stream_path="/responses",
        stream_type=SSE,
        tokens=TokenCounts(
            input=168,
            cache_read=100,
            cache_write_5m=20,
            cache_write_1h=40,
            output=40,
            reasoning=12,
        ),
        model="gpt-5-2025-08-07",
        tier="flex",
    ),
    "embeddings": Documented(
        kind="openai",
        path="/embeddings",
        request={"model": "text-embedding-3-small", "input": "hello"},
        whole=b'{"object":"list","data":[{"embedding":[0.1]}],"model":"text-embedding-3-small",'
        b'"usage":{"prompt_tokens":8,"total_tokens":8}}',
        stream=b"",
        stream_path="",
        stream_type="",
        tokens=TokenCounts(input=8),
        model="text-embedding-3-small",
    ),
    "completions": Documented(
        kind="openai",
        path="/completions",
        request={"model": "gpt-3.5-turbo-instruct", "prompt": "Say hello."},
        whole=b'{"id":"cmpl-1","model":"gpt-3.5-turbo-instruct","choices":[{"text":"Hello."}],'
        b'"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}',
        stream=events(
            {"id": "cmpl-1", "model": "gpt-3.5-turbo-instruct", "choices": [{"text": "Hello."}]},
            {
                "id": "cmpl-1",
                "model": "gpt-3.5-turbo-instruct",
                "choices": [],
                "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
            },
            done=True,
        ),
        stream_path="/completions",
        stream_type=SSE,
        tokens=TokenCounts(input=5, output=7),
        model="gpt-3.5-turbo-instruct",
    ),
    "messages": Documented(
        kind="anthropic",
        path="/v1/messages",
        request={"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": QUESTION},
        whole=json.dumps(
            {
                "id": "msg_1",
                "type": "message",
                "model": "claude-sonnet-4-5-20250929",
                "content": [{"type": "text", "text": "Hello."}],
                "stop_reason": "end_turn",
                "usage": MESSAGE_USAGE,
            }
        ).encode(),
        stream=named_events(
            {"type": "message_start", "message": MESSAGE_START},
            {"type": "content_block_start", "index": 0},
            {"type": "ping"},
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": "Hello."},
            },
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {},
                "usage": {"output_tokens": 503, "output_tokens_details": {"thinking_tokens": 103}},
            },
            {"type": "message_stop"},
        ),
        stream_path="/v1/messages",
        stream_type=SSE,
        tokens=TokenCounts(
            input=2095,
            cache_read=1800,
            cache_write_5m=51,
            cache_write_1h=2000,
            output=400,
            reasoning=103,
        ),
        model="claude-sonnet-4-5-20250929",
        tier="standard",
    ),
    "generateContent, events": Documented(
        kind="genai",
        path="/v1beta/models/gemini-2.5-flash:generateContent",
        request={"contents": CONTENTS},
        whole=json.dumps(_generation("Hello.", "STOP", GEMINI_USAGE)).encode(),
        stream=events(*GENERATIONS),
        stream_path="/v1beta/models/gemini-2.5-flash:streamGenerateContent",
        stream_type=SSE,
        tokens=GEMINI_TOKENS,
        model="gemini-2.5-flash",
        tier="flex",
    ),
    "generateContent, array": Documented(
        kind="genai",
        path="/v1beta/models/gemini-2.5-flash:generateContent",
        request={"contents": CONTENTS},
        whole=json.dumps(_generation("Hello.", "STOP", GEMINI_USAGE)).encode(),
        stream=json.dumps(GENERATIONS, indent=2).encode(),
        stream_path="/v1beta/models/gemini-2.5-flash:streamGenerateContent",
        stream_type=JSON,
        tokens=GEMINI_TOKENS,
        model="gemini-2.5-flash",
        tier="flex",
    ),
    "embedContent": Documented(
        kind="genai",
        path="/v1beta/models/gemini-embedding-2:embedContent",
        request={"content": {"parts": [{"text": "hello"}]}},
        whole=b'{"embedding":{"values":[0.1]},"usageMetadata":{"promptTokenCount":8}}',
        stream=b"",
        stream_path="",
        stream_type="",
        tokens=TokenCounts(input=8),
        model=None,
    ),
}
