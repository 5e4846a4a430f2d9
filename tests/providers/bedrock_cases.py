"""Bedrock's answers, written from its documented formats, whole and as streams."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence

import msgspec

from modelmeter.providers import AnswerHead, RequestFacts, ResponseFacts
from modelmeter.providers.bedrock.dialect import BedrockDialect
from modelmeter.record import Operation, TokenCounts
from modelmeter.wire.event_stream import encode_event_stream_message

__all__ = [
    "EVENT_STREAM",
    "STREAMS",
    "WHOLE",
    "StreamCase",
    "WholeCase",
    "chunk",
    "event",
    "exception",
    "observed",
    "request_of",
]

EVENT_STREAM = "application/vnd.amazon.eventstream"


class WholeCase(msgspec.Struct, frozen=True):
    """A whole answer and what it used."""

    operation: Operation
    body: object
    tokens: TokenCounts


class StreamCase(msgspec.Struct, frozen=True):
    """The messages of a streamed answer, its text's length, and what it used."""

    operation: Operation
    messages: tuple[bytes, ...]
    characters: int
    tokens: TokenCounts

    @property
    def stream(self) -> bytes:
        """All messages in a row."""
        return b"".join(self.messages)


def event(kind: str, payload: Mapping[str, object]) -> bytes:
    """One event message with its JSON."""
    headers = {
        ":event-type": kind,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return encode_event_stream_message(headers, json.dumps(payload).encode())


def chunk(payload: Mapping[str, object]) -> bytes:
    """One chunk of an invoked model: its JSON in base64."""
    data = b64encode(json.dumps(payload).encode()).decode()
    return event("chunk", {"bytes": data, "p": "abcdef"})


def exception(name: str, message: str = "it failed") -> bytes:
    """One exception message."""
    headers = {
        ":exception-type": name,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return encode_event_stream_message(headers, json.dumps({"message": message}).encode())


def request_of(operation: Operation, model: str = "m") -> RequestFacts:
    """A request whose answer is to be observed."""
    return RequestFacts(
        operation=operation, model=model, streamed=True, output_tokens_max=None, upstream_body=b"{}"
    )


def observed(
    operation: Operation,
    chunks: list[bytes],
    *,
    http_status: int = 200,
    content_type: str = "application/json",
    model: str = "m",
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> tuple[bytes, ResponseFacts]:
    """What an observer passes on of an answer and says of it."""
    observer = BedrockDialect().observe(
        request_of(operation, model),
        AnswerHead(http_status, [(b"content-type", content_type.encode()), *headers]),
    )
    out = b"".join([observer.feed(piece) for piece in chunks])
    return out + observer.end(), observer.facts()


def _metrics(given: int, made: int, read: int = 0, written: int = 0) -> dict[str, object]:
    return {
        "amazon-bedrock-invocationMetrics": {
            "inputTokenCount": given,
            "outputTokenCount": made,
            "cacheReadInputTokenCount": read,
            "cacheWriteInputTokenCount": written,
            "invocationLatency": 812,
            "firstByteLatency": 120,
        }
    }


_CONVERSE_USAGE = {
    "inputTokens": 30,
    "outputTokens": 12,
    "totalTokens": 142,
    "cacheReadInputTokens": 60,
    "cacheWriteInputTokens": 40,
    "cacheDetails": [{"ttl": "5m", "inputTokens": 25}, {"ttl": "1h", "inputTokens": 15}],
}
_CONVERSE_TOKENS = TokenCounts(
    input=30, output=12, cache_read=60, cache_write_5m=25, cache_write_1h=15
)
_CLAUDE_INPUT: dict[str, object] = {
    "input_tokens": 30,
    "cache_read_input_tokens": 60,
    "cache_creation_input_tokens": 40,
    "cache_creation": {"ephemeral_5m_input_tokens": 25, "ephemeral_1h_input_tokens": 15},
}
_NOVA_USAGE = {
    "inputTokens": 9,
    "outputTokens": 7,
    "totalTokens": 18,
    "cacheReadInputTokenCount": 2,
    "cacheWriteInputTokenCount": 0,
}
_NOVA_TOKENS = TokenCounts(input=9, output=7, cache_read=2)
_CHAT_USAGE = {
    "prompt_tokens": 50,
    "completion_tokens": 20,
    "total_tokens": 70,
    "prompt_tokens_details": {"cached_tokens": 10},
    "completion_tokens_details": {"reasoning_tokens": 5},
}
_CHAT_TOKENS = TokenCounts(input=40, cache_read=10, output=15, reasoning=5)

WHOLE: dict[str, WholeCase] = {
    "converse": WholeCase(
        Operation.CONVERSE,
        {
            "output": {"message": {"role": "assistant", "content": [{"text": "Hello there"}]}},
            "stopReason": "end_turn",
            "usage": _CONVERSE_USAGE,
            "metrics": {"latencyMs": 551},
            "serviceTier": {"type": "flex"},
        },
        _CONVERSE_TOKENS,
    ),
    "claude": WholeCase(
        Operation.INVOKE_MODEL,
        {
            "id": "msg_bdrk_01",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5-20250929",
            "content": [{"type": "text", "text": "Hello there"}],
            "stop_reason": "end_turn",
            "usage": _CLAUDE_INPUT | {"output_tokens": 12},
        },
        _CONVERSE_TOKENS,
    ),
    "nova": WholeCase(
        Operation.INVOKE_MODEL,
        {
            "output": {"message": {"role": "assistant", "content": [{"text": "Hello there"}]}},
            "stopReason": "end_turn",
            "usage": _NOVA_USAGE,
        },
        _NOVA_TOKENS,
    ),
    "llama": WholeCase(
        Operation.INVOKE_MODEL,
        {
            "generation": "Hello there",
            "prompt_token_count": 25,
            "generation_token_count": 6,
            "stop_reason": "stop",
        },
        TokenCounts(input=25, output=6),
    ),
    "titan-text": WholeCase(
        Operation.INVOKE_MODEL,
        {
            "inputTextTokenCount": 5,
            "results": [
                {"tokenCount": 3, "outputText": "Hello", "completionReason": "FINISH"},
                {"tokenCount": 4, "outputText": " there", "completionReason": "FINISH"},
            ],
        },
        TokenCounts(input=5, output=7),
    ),
    "titan-embed": WholeCase(
        Operation.INVOKE_MODEL,
        {"embedding": [0.25, -0.5], "inputTextTokenCount": 8},
        TokenCounts(input=8),
    ),
    "chat": WholeCase(
        Operation.INVOKE_MODEL,
        {
            "id": "chatcmpl-1",
            "model": "openai.gpt-oss-120b-1:0",
            "choices": [{"message": {"role": "assistant", "content": "Hello there"}}],
            "usage": _CHAT_USAGE,
        },
        _CHAT_TOKENS,
    ),
}

_CALLING = {"role": "assistant", "content": "Hello", "tool_calls": None}
_CALL = {"function": {"name": "add", "arguments": '{"a":1}'}}
_CALLED = {"message": {"content": "", "tool_calls": [_CALL]}, "stop_reason": "tool_calls"}
STREAMS: dict[str, StreamCase] = {
    "converse": StreamCase(
        Operation.CONVERSE,
        (
            event("messageStart", {"role": "assistant", "p": "abc"}),
            event(
                "contentBlockDelta",
                {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "Hmm"}}},
            ),
            event("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "Hello"}}),
            event(
                "contentBlockDelta",
                {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '{"a":'}}},
            ),
            event("contentBlockStop", {"contentBlockIndex": 2}),
            event("messageStop", {"stopReason": "end_turn"}),
            event(
                "metadata",
                {
                    "usage": _CONVERSE_USAGE,
                    "metrics": {"latencyMs": 551},
                    "serviceTier": {"type": "flex"},
                },
            ),
        ),
        13,
        _CONVERSE_TOKENS,
    ),
    "claude": StreamCase(
        Operation.INVOKE_MODEL,
        (
            chunk(
                {
                    "type": "message_start",
                    "message": {
                        "id": "msg_bdrk_01",
                        "type": "message",
                        "model": "claude-sonnet-4-5-20250929",
                        "content": [],
                        "usage": _CLAUDE_INPUT | {"output_tokens": 1},
                    },
                }
            ),
            chunk({"type": "content_block_start", "index": 0, "content_block": {"text": ""}}),
            chunk({"type": "content_block_delta", "index": 0, "delta": {"text": "Hello"}}),
            chunk({"type": "content_block_stop", "index": 0}),
            chunk({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 12}}),
            chunk({"type": "message_stop", **_metrics(30, 12, 60, 40)}),
        ),
        5,
        _CONVERSE_TOKENS,
    ),
    "nova": StreamCase(
        Operation.INVOKE_MODEL,
        (
            chunk({"messageStart": {"role": "assistant"}}),
            chunk({"contentBlockDelta": {"delta": {"text": "Hello"}, "contentBlockIndex": 0}}),
            chunk({"contentBlockStop": {"contentBlockIndex": 0}}),
            chunk({"messageStop": {"stopReason": "end_turn"}}),
            chunk({"metadata": {"usage": _NOVA_USAGE, "metrics": {}}, **_metrics(9, 7, 2)}),
        ),
        5,
        _NOVA_TOKENS,
    ),
    "llama": StreamCase(
        Operation.INVOKE_MODEL,
        (
            chunk({"generation": "Hel", "prompt_token_count": 25, "generation_token_count": 1}),
            chunk({"generation": "lo", "prompt_token_count": None, "generation_token_count": 5}),
            chunk(
                {
                    "generation": "",
                    "prompt_token_count": None,
                    "generation_token_count": 6,
                    "stop_reason": "stop",
                    **_metrics(25, 6),
                }
            ),
        ),
        5,
        TokenCounts(input=25, output=6),
    ),
    "titan-text": StreamCase(
        Operation.INVOKE_MODEL,
        (
            chunk(
                {
                    "outputText": "Hello",
                    "index": 0,
                    "totalOutputTextTokenCount": 7,
                    "completionReason": "FINISH",
                    "inputTextTokenCount": 5,
                    **_metrics(5, 7),
                }
            ),
        ),
        5,
        TokenCounts(input=5, output=7),
    ),
    "chat": StreamCase(
        Operation.INVOKE_MODEL,
        (
            chunk({"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {"content": "Hello"}}]}),
            chunk(
                {
                    "id": "chatcmpl-1",
                    "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
                    "usage": _CHAT_USAGE,
                    **_metrics(50, 20),
                }
            ),
        ),
        5,
        _CHAT_TOKENS,
    ),
    "mistral": StreamCase(
        Operation.INVOKE_MODEL,
        (
            chunk({"outputs": [{"text": "Hel", "stop_reason": None}]}),
            chunk({"outputs": [{"text": "lo", "stop_reason": "stop"}], **_metrics(25, 6)}),
        ),
        5,
        TokenCounts(input=25, output=6),
    ),
    "mistral-chat": StreamCase(
        Operation.INVOKE_MODEL,
        (
            chunk({"choices": [{"index": 0, "message": _CALLING, "stop_reason": None}]}),
            chunk({"choices": [_CALLED], "usage": None, **_metrics(50, 20)}),
        ),
        12,
        TokenCounts(input=50, output=20),
    ),
    "deepseek": StreamCase(
        Operation.INVOKE_MODEL,
        (
            chunk({"choices": [{"text": "Hello", "stop_reason": None}]}),
            chunk({"choices": [{"text": "", "stop_reason": "stop"}], **_metrics(12, 30)}),
        ),
        5,
        TokenCounts(input=12, output=30),
    ),
    "command-r": StreamCase(
        Operation.INVOKE_MODEL,
        (
            chunk({"is_finished": False, "event_type": "stream-start", "generation_id": "g"}),
            chunk({"is_finished": False, "event_type": "text-generation", "text": "Hello"}),
            chunk({"event_type": "stream-end", "response": {"text": "Hello"}, **_metrics(8, 3)}),
        ),
        5,
        TokenCounts(input=8, output=3),
    ),
    "command": StreamCase(
        Operation.INVOKE_MODEL,
        (
            chunk({"text": "Hello", "is_finished": False}),
            chunk({"is_finished": True, "finish_reason": "COMPLETE", **_metrics(4, 2)}),
        ),
        5,
        TokenCounts(input=4, output=2),
    ),
    "command-in-one": StreamCase(
        Operation.INVOKE_MODEL,
        (chunk({"generations": [{"text": "Hello"}], **_metrics(4, 2)}),),
        5,
        TokenCounts(input=4, output=2),
    ),
}
