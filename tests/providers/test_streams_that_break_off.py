"""A stream whose body ends before its own last event is a bad response, however HTTP ended."""

import json

import pytest
from bedrock_cases import EVENT_STREAM, chunk, event
from observing import PATHS, asked, events, observed

from modelmeter.providers import AnswerHead, dialect_for
from modelmeter.providers.bodies import BODY_BYTES_MAX
from modelmeter.record import ErrorType

SSE = "text/event-stream"
JSON = "application/json"
WROTE = {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}]}
STOPPED = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
UNTIL_NOW = {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": ""}]}
STARTED = {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}}
DELTA = {"type": "content_block_delta", "delta": {"text": "Hello"}}
WRITTEN = {
    "type": "message_delta",
    "delta": {"stop_reason": "end_turn"},
    "usage": {"output_tokens": 5},
}
PART = {"candidates": [{"content": {"parts": [{"text": "Hello"}]}}]}
LAST_PART = {"candidates": [{"content": {"parts": []}, "finishReason": "STOP"}]}
TEXT = event("contentBlockDelta", {"delta": {"text": "Hello"}})
STOP = event("messageStop", {"stopReason": "end_turn"})
METADATA = event("metadata", {"usage": {"inputTokens": 9, "outputTokens": 5, "totalTokens": 14}})
METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 9, "outputTokenCount": 5}}

BROKEN_OFF: dict[str, tuple[str, str, bytes]] = {
    "chat without any end": ("chat", SSE, events(WROTE)),
    "chat amid an event": ("chat", SSE, events(WROTE) + b'data: {"choices":[{"de'),
    "chat whose reason is empty": ("chat", SSE, events(UNTIL_NOW)),
    "chat without an event": ("chat", SSE, b""),
    "completions without any end": ("completions", SSE, events({"choices": [{"text": "Hi"}]})),
    "a response without its last event": (
        "responses", SSE, events({"type": "response.output_text.delta", "delta": "Hello"}),
    ),
    "a message after its start": ("messages", SSE, events(STARTED, DELTA)),
    "a message without message_stop": ("messages", SSE, events(STARTED, DELTA, WRITTEN)),
    "gemini's events without a reason": ("generate stream", SSE, events(PART)),
    "gemini's array without a reason": ("generate stream", JSON, json.dumps([PART]).encode()),
    "gemini's array without its bracket": (
        "generate stream", JSON, json.dumps([PART, LAST_PART]).encode()[:-1],
    ),
    "gemini's array amid an element": ("generate stream", JSON, json.dumps([PART]).encode()[:-9]),
    "converse without messageStop": ("converse", EVENT_STREAM, TEXT),
    "converse amid a message": ("converse", EVENT_STREAM, TEXT + STOP + METADATA[:-1]),
    "converse amid a prelude": ("converse", EVENT_STREAM, TEXT + STOP + METADATA[:5]),
    "claude on bedrock": ("invoke stream", EVENT_STREAM, chunk(STARTED) + chunk(DELTA)),
    "another model amid a message": (
        "invoke stream", EVENT_STREAM, chunk({"generation": "Hello"}) + chunk(METRICS)[:-2],
    ),
    "no chunk at all": ("invoke stream", EVENT_STREAM, b""),
}  # fmt: skip
WHOLE: dict[str, tuple[str, str, bytes]] = {
    "chat": ("chat", SSE, events(WROTE, STOPPED, b"[DONE]")),
    "chat without [DONE]": ("chat", SSE, events(WROTE, STOPPED)),
    "chat without a reason": ("chat", SSE, events(WROTE, b"[DONE]")),
    "chat without its last blank line": ("chat", SSE, events(WROTE, b"[DONE]")[:-2]),
    "a reason among unusual types": (
        "chat", SSE, events({"choices": [{"delta": 1, "finish_reason": "stop"}]}),
    ),
    "a response": ("responses", SSE, events({"type": "response.completed", "response": {}})),
    "a message": ("messages", SSE, events(STARTED, DELTA, WRITTEN, {"type": "message_stop"})),
    "gemini's events": ("generate stream", SSE, events(PART, LAST_PART)),
    "gemini's array": ("generate stream", JSON, json.dumps([PART, LAST_PART]).encode()),
    "converse": ("converse", EVENT_STREAM, TEXT + STOP + METADATA),
    "converse without its counts": ("converse", EVENT_STREAM, TEXT + STOP),
    "bytes behind the end": ("converse", EVENT_STREAM, TEXT + STOP + METADATA + b"\x00"),
    "claude on bedrock": (
        "invoke stream", EVENT_STREAM, chunk(STARTED) + chunk({"type": "message_stop"}),
    ),
    "another model": ("invoke stream", EVENT_STREAM, chunk({"generation": "Hi"}) + chunk(METRICS)),
    "an end that nobody knows": ("invoke stream", EVENT_STREAM, chunk({"generation": "Hello"})),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN_OFF)
def test_a_stream_without_its_end_is_a_bad_response(name: str) -> None:
    what, content_type, body = BROKEN_OFF[name]

    out, facts = observed(what, body, content_type=content_type, stream=True)

    assert out == body
    assert (facts.error_type, facts.ended) == (ErrorType.BAD_RESPONSE, False)
    assert facts.note == "the stream broke off: its body ended before its last event"


@pytest.mark.parametrize("name", WHOLE)
def test_a_stream_with_an_end_is_good(name: str) -> None:
    what, content_type, body = WHOLE[name]

    assert observed(what, body, content_type=content_type, stream=True)[1].error_type is None


@pytest.mark.parametrize("name", BROKEN_OFF)
def test_a_stream_that_may_go_on_is_no_bad_response(name: str) -> None:
    what, content_type, body = BROKEN_OFF[name]
    head = AnswerHead(200, [(b"content-type", content_type.encode())])
    observer = dialect_for(PATHS[what][0]).observe(asked(what, stream=True), head)

    observer.feed(body)

    assert observer.facts().error_type is None


def test_what_a_stream_says_of_its_end_is_better_known() -> None:
    told = events(STARTED, {"type": "error", "error": {"type": "overloaded_error"}})

    facts = observed("messages", told, content_type=SSE, stream=True)[1]

    assert facts.error_type is ErrorType.OVERLOADED


def test_a_response_in_the_background_goes_on_without_its_stream() -> None:
    began = events({"type": "response.created", "response": {"background": True}})

    facts = observed("responses", began, content_type=SSE, stream=True)[1]

    assert (facts.error_type, facts.goes_on) == (None, True)


def test_a_stream_that_could_not_be_followed_to_its_end_is_not_called_broken_off() -> None:
    facts = observed("generate stream", b"{}", content_type=JSON)[1]

    assert facts.error_type is None


@pytest.mark.parametrize("name", ["chat", "messages", "generate", "converse"])
def test_an_answer_too_large_to_be_read_counts_as_written(name: str) -> None:
    size = BODY_BYTES_MAX + 1

    facts = observed(name, b" " * size)[1]

    assert (facts.tokens, facts.output_characters, facts.error_type) == (None, size, None)
