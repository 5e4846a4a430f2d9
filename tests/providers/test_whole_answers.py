"""Which answers are whole: as the providers document how an answer can end."""

import base64
import json

import pytest
from documented_answers import ANSWERS

from modelmeter.providers.wholeness import is_whole
from modelmeter.record import Operation

CHAT, CONVERSE, INVOKE = Operation.CHAT, Operation.CONVERSE, Operation.INVOKE_MODEL
MESSAGES, RESPONSES = Operation.MESSAGES, Operation.RESPONSES
GENERATE = Operation.GENERATE_CONTENT
OPERATIONS = {
    "responses": RESPONSES,
    "embeddings": Operation.EMBEDDINGS,
    "generateContent, events": GENERATE,
    "generateContent, array": GENERATE,
    "embedContent": Operation.EMBED_CONTENT,
}


def packed(event: object) -> bytes:
    """An event of a model's stream as Bedrock packs it."""
    return json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode()}).encode()


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_documented_answers_are_whole(name: str) -> None:
    answer = ANSWERS[name]

    assert is_whole(OPERATIONS[name], answer.whole)
    if answer.stream:
        assert is_whole(OPERATIONS[name], answer.stream)


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (CHAT, b'{"choices":[{"finish_reason": "tool_calls"}]}'),
        (CHAT, b'data: {"finish_reason":null}\n\ndata: {"finish_reason":"stop"}\n\n'),
        (CHAT, b'{"choices":[{"finish_reason":"stop","message":{"refusal":null}}]}'),
        (CHAT, json.dumps({"choices": [{"finish_reason": "stop", "message": {
            "content": '"finish_reason":"length" "refusal":"no"'}}]}).encode()),
        (MESSAGES, b'{"stop_reason":"tool_use"}'),
        (MESSAGES, b'{"stop_reason":"stop_sequence"}'),
        (CONVERSE, b'\x00\x01{"stopReason":"end_turn"}\xff'),
        (INVOKE, b'{"results":[{"completionReason":"FINISH"}]}'),
        (INVOKE, b'{"generation":"Hi","stop_reason":"stop"}'),
        (INVOKE, b'{"generations":[{"finish_reason":"COMPLETE"}]}'),
        (INVOKE, b'{"embedding":[0.1],"inputTextTokenCount":1}'),
        (INVOKE, b'{"embeddingsByType":{"float":[0.1]}}'),
        (INVOKE, b"\x00" + packed({"delta": {"text": "Hi"}}) + b"\x00"
         + packed({"delta": {"stop_reason": "end_turn"}})),
    ],
)  # fmt: skip
def test_an_answer_that_came_to_its_own_end_is_whole(operation: Operation, body: bytes) -> None:
    assert is_whole(operation, body)


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (CHAT, b'{"choices":[{"finish_reason":"length"}]}'),
        (CHAT, b'{"choices":[{"finish_reason":"stop"},{"finish_reason":"length"}]}'),
        (CHAT, b'{"choices":[{"finish_reason":"content_filter"}]}'),
        (CHAT, b'{"choices":[{"finish_reason":"stop","message":{"refusal":"I cannot."}}]}'),
        (CHAT, b'data: {"choices":[{"finish_reason":null}]}\n\n'),
        (CHAT, b'{"choices":[{"message":{"content":"Hi"}}]}'),
        (CHAT, b""),
        (MESSAGES, b'{"stop_reason":"max_tokens"}'),
        (MESSAGES, b'{"stop_reason":"refusal"}'),
        (MESSAGES, b'{"stop_reason":"pause_turn"}'),
        (MESSAGES, b'{"stop_reason":"model_context_window_exceeded"}'),
        (CONVERSE, b'{"stopReason":"guardrail_intervened"}'),
        (CONVERSE, b'{"stopReason":"max_tokens"}'),
        (RESPONSES, b'{"status":"incomplete"}'),
        (RESPONSES, b'{"status":"queued"}'),
        (RESPONSES, b'{"status":"completed","output":[{"status":"incomplete"}]}'),
        (RESPONSES, b'{"status":"completed","output":[{"content":[{"type":"refusal"}]}]}'),
        (GENERATE, b'{"candidates":[{"finishReason":"MAX_TOKENS"}]}'),
        (GENERATE, b'{"candidates":[{"finishReason":"SAFETY"}]}'),
        (GENERATE, b'{"promptFeedback":{"blockReason":"SAFETY"}}'),
        (INVOKE, b'{"results":[{"completionReason":"LENGTH"}]}'),
        (INVOKE, b'{"generation":"Hi","stop_reason":"length"}'),
        (INVOKE, b'{"images":["aGk="]}'),
        (INVOKE, b"\x00" + packed({"delta": {"stop_reason": "max_tokens"}})),
        (INVOKE, b'{"bytes":"a","stop_reason":"end_turn","x":{"bytes":"abc"}}'),
    ],
)  # fmt: skip
def test_one_that_was_cut_filtered_or_refused_or_does_not_say_is_not(
    operation: Operation, body: bytes
) -> None:
    assert not is_whole(operation, body)
