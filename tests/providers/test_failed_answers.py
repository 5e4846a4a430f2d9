"""Errors by status, by body, and in answers that began well; what an answer without usage wrote."""

import pytest
from observing import events, observed

from modelmeter.record import ErrorType

SSE = "text/event-stream"
TOO_LONG = "This model's maximum context length is 8192 tokens."

STATUSES = {
    400: ErrorType.INVALID_REQUEST,
    401: ErrorType.AUTHENTICATION,
    402: ErrorType.PERMISSION,
    403: ErrorType.PERMISSION,
    404: ErrorType.NOT_FOUND,
    408: ErrorType.TIMEOUT,
    409: ErrorType.INVALID_REQUEST,
    413: ErrorType.INVALID_REQUEST,
    422: ErrorType.INVALID_REQUEST,
    429: ErrorType.RATE_LIMIT,
    500: ErrorType.SERVER_ERROR,
    502: ErrorType.SERVER_ERROR,
    503: ErrorType.OVERLOADED,
    504: ErrorType.TIMEOUT,
    529: ErrorType.OVERLOADED,
    599: ErrorType.SERVER_ERROR,
}
USELESS = [
    b"",
    b"<html>",
    b"[]",
    b"\xff",
    b'"no"',
    b'{"error":null}',
    b'{"error":"no"}',
    b"[" * 9999,
]


@pytest.mark.parametrize(("status", "kind"), STATUSES.items())
@pytest.mark.parametrize("body", USELESS)
@pytest.mark.parametrize("name", ["chat", "responses", "embeddings", "messages", "generate"])
def test_an_error_whose_body_says_nothing_is_what_its_status_says(
    name: str, body: bytes, status: int, kind: ErrorType
) -> None:
    out, facts = observed(name, body, status=status)

    assert out == body
    assert (facts.error_type, facts.tokens, facts.ended) == (kind, None, True)


@pytest.mark.parametrize(
    ("name", "status", "error", "kind"),
    [
        ("chat", 429, {"type": "insufficient_quota", "code": "insufficient_quota"},
         ErrorType.RATE_LIMIT),
        ("chat", 429, {"type": "tokens", "code": "rate_limit_exceeded"}, ErrorType.RATE_LIMIT),
        ("chat", 400, {"code": None, "type": "invalid_request_error", "message": TOO_LONG},
         ErrorType.CONTEXT_LENGTH),
        ("chat", 400, {"code": 400, "type": "exceed_context_size_error"},
         ErrorType.CONTEXT_LENGTH),
        ("chat", 400, {"code": "content_filter", "innererror": {
            "code": "ResponsibleAIPolicyViolation"}}, ErrorType.CONTENT_FILTER),
        ("chat", 400, {"code": "invalid_image"}, ErrorType.INVALID_REQUEST),
        ("chat", 401, {"code": "invalid_organization"}, ErrorType.AUTHENTICATION),
        ("chat", 404, {"code": "DeploymentNotFound"}, ErrorType.NOT_FOUND),
        ("responses", 400, {"code": "context_length_exceeded"}, ErrorType.CONTEXT_LENGTH),
        ("embeddings", 400, {"message": TOO_LONG}, ErrorType.CONTEXT_LENGTH),
        ("messages", 400, {"type": "invalid_request_error",
                           "message": "messages: at least one message is required"},
         ErrorType.INVALID_REQUEST),
        ("messages", 400, {"type": "invalid_request_error",
                           "message": "input length and `max_tokens` exceed context limit: 9 > 8"},
         ErrorType.CONTEXT_LENGTH),
        ("messages", 400, {"type": "invalid_request_error",
                           "message": "Output blocked by content filtering policy"},
         ErrorType.CONTENT_FILTER),
        ("messages", 402, {"type": "billing_error"}, ErrorType.PERMISSION),
        ("messages", 500, {"type": "api_error"}, ErrorType.SERVER_ERROR),
        ("messages", 504, {"type": "timeout_error"}, ErrorType.TIMEOUT),
        ("generate", 400, {"status": "INVALID_ARGUMENT", "message":
                           "The input token count (9) exceeds the maximum number of tokens"
                           " allowed (8)."}, ErrorType.CONTEXT_LENGTH),
        ("generate", 400, {"status": "FAILED_PRECONDITION"}, ErrorType.INVALID_REQUEST),
        ("generate", 401, {"status": "UNAUTHENTICATED"}, ErrorType.AUTHENTICATION),
        ("generate", 500, {"status": "INTERNAL"}, ErrorType.SERVER_ERROR),
    ],
)  # fmt: skip
def test_an_error_is_what_its_body_says(
    name: str, status: int, error: object, kind: ErrorType
) -> None:
    _, facts = observed(name, {"error": error}, status=status)

    assert facts.error_type is kind


def test_an_error_that_a_compatible_server_does_not_wrap_is_read() -> None:
    error = {"object": "error", "message": TOO_LONG, "type": "BadRequestError", "code": 400}

    assert observed("chat", error, status=400)[1].error_type is ErrorType.CONTEXT_LENGTH


def test_an_error_of_a_stream_in_array_form_is_read() -> None:
    error = [{"error": {"status": "RESOURCE_EXHAUSTED"}}]

    assert observed("generate stream", error, status=429)[1].error_type is ErrorType.RATE_LIMIT


FAILURES = [
    ({"code": "server_error"}, ErrorType.SERVER_ERROR),
    ({"code": "rate_limit_exceeded"}, ErrorType.RATE_LIMIT),
    ({"code": "invalid_prompt"}, ErrorType.INVALID_REQUEST),
    ({"code": "image_parse_error"}, ErrorType.INVALID_REQUEST),
    ({"code": "failed_to_download_image"}, ErrorType.INVALID_REQUEST),
    ({"code": "image_content_policy_violation"}, ErrorType.CONTENT_FILTER),
    ({"code": "context_length_exceeded"}, ErrorType.CONTEXT_LENGTH),
    ({"code": 400, "type": "BadRequestError", "message": TOO_LONG}, ErrorType.CONTEXT_LENGTH),
    ({"code": 429}, ErrorType.RATE_LIMIT),
    ({"code": 502, "message": "Provider returned error"}, ErrorType.SERVER_ERROR),
    ({"code": 200}, ErrorType.SERVER_ERROR),
    ("out of memory", ErrorType.SERVER_ERROR),
    ([], ErrorType.SERVER_ERROR),
]


@pytest.mark.parametrize(("error", "kind"), FAILURES)
def test_a_failure_is_the_same_whole_and_streamed(error: object, kind: ErrorType) -> None:
    response = {"id": "resp_1", "status": "failed", "error": error, "usage": None}
    stream = events(
        {"type": "response.created", "response": {"id": "resp_1", "error": None}},
        {"type": "response.failed", "response": response},
    )

    _, whole = observed("responses", response)
    _, streamed = observed("responses", stream, content_type=SSE, stream=True)
    _, chunk = observed("chat", events({"error": error}), content_type=SSE, stream=True)
    _, body = observed("chat", {"error": error})

    assert whole.error_type is streamed.error_type is chunk.error_type is body.error_type is kind
    assert whole.provider_request_id == streamed.provider_request_id == "resp_1"


def test_a_response_that_failed_without_a_reason_is_an_error() -> None:
    assert observed("responses", {"status": "failed"})[1].error_type is ErrorType.SERVER_ERROR
    assert observed("responses", {"status": "incomplete"})[1].error_type is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "overloaded_error"}, ErrorType.OVERLOADED),
        ({"type": "rate_limit_error"}, ErrorType.RATE_LIMIT),
        ({"type": "invalid_request_error"}, ErrorType.INVALID_REQUEST),
        ({"type": "invalid_request_error", "message": "prompt is too long: 9 tokens > 8 maximum"},
         ErrorType.CONTEXT_LENGTH),
        ({"type": "new_kind_of_error"}, ErrorType.SERVER_ERROR),
        ({}, ErrorType.SERVER_ERROR),
    ],
)  # fmt: skip
def test_an_error_in_place_of_a_message_is_an_error(error: object, kind: ErrorType) -> None:
    event = {"type": "error", "error": error}

    assert observed("messages", event)[1].error_type is kind
    _, streamed = observed("messages", events(event), content_type=SSE, stream=True)
    assert streamed.error_type is kind
    assert not streamed.ended


CALL = {"function": {"name": "f", "arguments": '{"a":1}'}}
WROTE = "Hello."


@pytest.mark.parametrize(
    ("name", "length", "body", "stream"),
    [
        ("chat", 12,
         {"choices": [{"message": {"content": WROTE}}, {"message": {"content": WROTE}}]},
         [{"choices": [{"delta": {"content": WROTE}}]}] * 2),
        ("chat", 7,
         {"choices": [{"message": {"content": None, "tool_calls": [CALL]}}]},
         [{"choices": [{"delta": {"tool_calls": [CALL]}}]}]),
        ("chat", 6,
         {"choices": [{"message": {"refusal": "No.", "reasoning_content": "Hm."}}]},
         [{"choices": [{"delta": {"refusal": "No.", "reasoning_content": "Hm."}}]}]),
        ("completions", 6, {"choices": [{"text": WROTE}]}, [{"choices": [{"text": WROTE}]}]),
        ("responses", 13,
         {"instructions": "Be kind.", "output": [
             {"type": "message", "content": [{"type": "output_text", "text": WROTE}]},
             {"type": "function_call", "name": "f", "arguments": '{"a":1}'}]},
         [{"type": "response.output_text.delta", "delta": WROTE},
          {"type": "response.function_call_arguments.delta", "delta": '{"a":1}'}]),
        ("messages", 16,
         {"content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": WROTE},
                      {"type": "tool_use", "name": "f", "input": {"a": 1}}]},
         [{"type": "content_block_delta", "delta": {"thinking": "Hm."}},
          {"type": "content_block_delta", "delta": {"text": WROTE}},
          {"type": "content_block_delta", "delta": {"partial_json": '{"a":1}'}}]),
        ("generate", 13,
         {"candidates": [{"content": {"parts": [
             {"text": WROTE}, {"functionCall": {"name": "f", "args": {"a": 1}}}]}}]},
         [{"candidates": [{"content": {"parts": [{"text": WROTE}]}}]},
          {"candidates": [{"content": {"parts": [
              {"functionCall": {"name": "f", "args": {"a": 1}}}]}}]}]),
    ],
)  # fmt: skip
def test_without_usage_the_same_is_counted_as_written_whole_and_streamed(
    name: str, length: int, body: object, stream: list[object]
) -> None:
    streamed_name = "generate stream" if name == "generate" else name

    _, whole = observed(name, body)
    _, streamed = observed(streamed_name, events(*stream), content_type=SSE, stream=True)

    assert whole.output_characters == streamed.output_characters == length
    assert whole.tokens is streamed.tokens is None


@pytest.mark.parametrize("name", ["chat", "responses", "messages", "generate", "embeddings"])
def test_json_of_an_unknown_shape_counts_as_written_and_is_no_error(name: str) -> None:
    for body in (b"[1]", b"3", b'"text"', b"[[[]]]"):
        out, facts = observed(name, body)

        assert out == body
        assert (facts.error_type, facts.tokens, facts.ended) == (None, None, True)
        assert facts.output_characters == len(body)
        assert facts.note


@pytest.mark.parametrize("name", ["chat", "responses", "messages", "generate"])
def test_an_answer_that_is_not_json_is_a_bad_one(name: str) -> None:
    for body in (b"", b"<html>", b'{"usage":', b"[" * 9999, b"NaN"):
        _, facts = observed(name, body)

        assert facts.error_type is ErrorType.BAD_RESPONSE
        assert facts.tokens is None


def test_endless_nesting_in_what_was_written_is_survived() -> None:
    deep = b'{"choices":' + b'[{"message":' * 300 + b'{"content":"Hello."}' + b"}]" * 300 + b"}"

    assert observed("chat", deep)[1].output_characters == len(WROTE)
