"""An answer that is written is not cut at its end, whatever its counts say and however it comes."""

import base64
import json

import pytest

from modelmeter.meter.held_stream import HeldStream, observe
from modelmeter.providers import AnswerHead, RequestFacts, dialect_for
from modelmeter.record import CallBound, Operation, PicoUsd
from modelmeter.wire.event_stream import encode_event_stream_message

HOLD = CallBound(cost=PicoUsd(10**12), tokens=1010, output_tokens=10)
SERVER_SENT = b"text/event-stream"
AWS = b"application/vnd.amazon.eventstream"


def event(body: object) -> bytes:
    return b"data: %b\n\n" % json.dumps(body).encode()


def chat(*, finish_reason: str | None, **fields: object) -> bytes:
    choice = {"index": 0, "delta": {"content": "word"}, "finish_reason": finish_reason}
    return event({"id": "chatcmpl-1", "choices": [choice], **fields})


def invoked(body: object) -> bytes:
    headers = {":message-type": "event", ":event-type": "chunk"}
    data = base64.b64encode(json.dumps(body).encode()).decode()
    return encode_event_stream_message(headers, json.dumps({"bytes": data}).encode())


TOO_MUCH = {"prompt_tokens": 5, "completion_tokens": 50, "total_tokens": 55}
ENOUGH = {"prompt_tokens": 5, "completion_tokens": 10, "total_tokens": 15}
MESSAGE = [
    {
        "type": "message_start",
        "message": {"id": "msg_1", "usage": {"input_tokens": 5, "output_tokens": 1}},
    },
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "word"}},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 50},
    },
    {"type": "message_stop"},
]
GENERATED = {"candidates": [{"content": {"parts": [{"text": "word"}]}, "index": 0}]}
DONE = {
    "candidates": [{"finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 50, "totalTokenCount": 55},
}
ANSWERS = {
    "usage in a chunk of its own": (
        "openai",
        Operation.CHAT,
        SERVER_SENT,
        chat(finish_reason=None)
        + chat(finish_reason="stop")
        + event({"id": "chatcmpl-1", "choices": [], "usage": TOO_MUCH})
        + b"data: [DONE]\n\n",
    ),
    "usage in the last chunk": (
        "openai",
        Operation.CHAT,
        SERVER_SENT,
        chat(finish_reason=None) + chat(finish_reason="stop", usage=TOO_MUCH) + b"data: [DONE]\n\n",
    ),
    "messages": (
        "anthropic",
        Operation.MESSAGES,
        SERVER_SENT,
        b"".join(event(one) for one in MESSAGE),
    ),
    "messages by Bedrock": (
        "bedrock",
        Operation.INVOKE_MODEL,
        AWS,
        b"".join(invoked(one) for one in MESSAGE),
    ),
    "Gemini": ("genai", Operation.GENERATE_CONTENT, SERVER_SENT, event(GENERATED) + event(DONE)),
    "Gemini's array": (
        "genai",
        Operation.GENERATE_CONTENT,
        b"application/json",
        json.dumps([GENERATED, DONE]).encode(),
    ),
}


def held(kind: str, operation: Operation, content_type: bytes) -> HeldStream:
    request = RequestFacts(
        operation=operation,
        model="some-model",
        streamed=True,
        output_tokens_max=10,
        upstream_body=b"{}",
    )
    head = AnswerHead(200, [(b"content-type", content_type)])
    stream = observe(dialect_for(kind), request, head, HOLD)
    assert isinstance(stream, HeldStream)
    return stream


@pytest.mark.parametrize("piece_bytes", [1, 7, 100_000])
@pytest.mark.parametrize("name", ANSWERS)
def test_a_finished_answer_passes_whole(name: str, piece_bytes: int) -> None:
    """A provider's counts come last: then it is too late to save anything."""
    kind, operation, content_type, body = ANSWERS[name]
    stream = held(kind, operation, content_type)

    passed = b"".join(
        stream.feed(body[start : start + piece_bytes]) for start in range(0, len(body), piece_bytes)
    )

    assert not stream.is_cut
    assert passed + stream.end() == body
    tokens = stream.facts().tokens
    assert tokens is not None
    assert tokens.output == 50


def test_counts_that_come_on_the_way_cut_an_answer() -> None:
    """Some servers count in every chunk."""
    stream = held("openai", Operation.CHAT, SERVER_SENT)

    stream.feed(chat(finish_reason=None, usage=ENOUGH))
    assert not stream.is_cut
    stream.feed(chat(finish_reason=None, usage=TOO_MUCH))
    assert stream.is_cut
