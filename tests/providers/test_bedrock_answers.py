"""Bedrock's whole answers: what they used, and which error they are."""

import json

import pytest
from bedrock_cases import EVENT_STREAM, STREAMS, WHOLE, observed

from modelmeter.providers.bodies import BODY_BYTES_MAX
from modelmeter.record import ErrorType, Operation, TokenCounts

CLAUDE = "claude-sonnet-4-5-20250929"


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_answer_says_what_it_used(name: str) -> None:
    case = WHOLE[name]
    body = json.dumps(case.body).encode()

    out, facts = observed(case.operation, [body[:20], body[20:]])

    assert out == body
    assert facts.tokens == case.tokens
    assert (facts.ended, facts.error_type, facts.note) == (True, None, None)


def test_converse_names_the_tier_that_served_it() -> None:
    _, facts = observed(Operation.CONVERSE, [json.dumps(WHOLE["converse"].body).encode()])

    assert facts.service_tier == "flex"


@pytest.mark.parametrize(
    ("requested", "answered"),
    [
        (f"global.anthropic.{CLAUDE}-v1:0", f"global.anthropic.{CLAUDE}-v1:0"),
        (f"us.anthropic.{CLAUDE}-v1:0", f"us.anthropic.{CLAUDE}-v1:0"),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1", CLAUDE),
    ],
)
def test_the_model_that_answered_has_the_name_that_bedrock_prices(
    requested: str, answered: str
) -> None:
    whole = json.dumps(WHOLE["claude"].body).encode()
    stream = STREAMS["claude"].stream
    for body, content_type in ((whole, "application/json"), (stream, EVENT_STREAM)):
        _, facts = observed(
            Operation.INVOKE_MODEL, [body], content_type=content_type, model=requested
        )

        assert facts.model_answered == answered


def test_claude_names_itself_and_its_message() -> None:
    _, facts = observed(Operation.INVOKE_MODEL, [json.dumps(WHOLE["claude"].body).encode()])

    assert facts.model_answered == CLAUDE
    assert facts.provider_request_id == "msg_bdrk_01"


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (
            Operation.CONVERSE,
            {"output": {"message": {"content": [{"text": "Hello"}, {"text": " there"}]}}},
        ),
        (Operation.INVOKE_MODEL, {"output": {"message": {"content": [{"text": "Hello there"}]}}}),
        (Operation.INVOKE_MODEL, {"type": "message", "content": [{"text": "Hello there"}]}),
        (Operation.INVOKE_MODEL, {"generation": "Hello there"}),
        (Operation.INVOKE_MODEL, {"completion": "Hello there"}),
        (Operation.INVOKE_MODEL, {"text": "Hello there", "finish_reason": "COMPLETE"}),
        (Operation.INVOKE_MODEL, {"outputs": [{"text": "Hello there", "stop_reason": "stop"}]}),
        (Operation.INVOKE_MODEL, {"results": [{"outputText": "Hello there"}]}),
        (Operation.INVOKE_MODEL, {"choices": [{"message": {"content": "Hello there"}}]}),
        (Operation.INVOKE_MODEL, {"choices": [{"text": "Hello there"}]}),
    ],
)
def test_an_answer_without_counts_has_its_text_counted(
    operation: Operation, body: dict[str, object]
) -> None:
    _, facts = observed(operation, [json.dumps(body).encode()])

    assert facts.tokens is None
    assert facts.note
    assert facts.ended
    assert facts.output_characters == 11


def test_unusual_types_of_other_fields_do_not_hide_the_counts() -> None:
    body = {
        "content": "text",
        "choices": 7,
        "output": [],
        "results": ["x"],
        "id": [],
        "usage": {"prompt_tokens": 4, "completion_tokens": 3},
    }
    _, facts = observed(Operation.INVOKE_MODEL, [json.dumps(body).encode()])

    assert facts.tokens == TokenCounts(input=4, output=3)
    assert facts.ended


@pytest.mark.parametrize("operation", [Operation.CONVERSE, Operation.INVOKE_MODEL])
@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"[" * 200_000, b'{"usage": NaN}'])
def test_an_answer_that_is_not_json_is_a_bad_one(operation: Operation, body: bytes) -> None:
    out, facts = observed(operation, [body])

    assert out == body
    assert facts.error_type is ErrorType.BAD_RESPONSE
    assert facts.tokens is None
    assert facts.note


@pytest.mark.parametrize("body", [b"[]", b"3", b"null", b'"text"'])
def test_json_of_an_unknown_shape_is_an_answer_without_counts(body: bytes) -> None:
    for operation in (Operation.CONVERSE, Operation.INVOKE_MODEL):
        _, facts = observed(operation, [body])

        assert (facts.error_type, facts.tokens, facts.ended) == (None, None, True)
        assert facts.note


def test_an_answer_beyond_the_cap_is_passed_on_without_facts() -> None:
    body = json.dumps(WHOLE["converse"].body).encode()
    padding = b" " * (BODY_BYTES_MAX - len(body))

    _, at_the_cap = observed(Operation.CONVERSE, [body, padding])
    out, beyond = observed(Operation.CONVERSE, [body, padding, b" "])

    assert at_the_cap.tokens == WHOLE["converse"].tokens
    assert beyond.tokens is None
    assert beyond.note
    assert beyond.ended
    assert len(out) == BODY_BYTES_MAX + 1


@pytest.mark.parametrize(
    ("http_status", "message", "kind"),
    [
        (400, "Malformed input request.", ErrorType.INVALID_REQUEST),
        (400, "Input is too long for requested model.", ErrorType.CONTEXT_LENGTH),
        (400, "Too many input tokens. Max input tokens: 8192", ErrorType.CONTEXT_LENGTH),
        (400, "prompt is too long: 210000 tokens > 200000 maximum", ErrorType.CONTEXT_LENGTH),
        (400, "Output blocked by content filtering policy", ErrorType.CONTENT_FILTER),
        (401, "no", ErrorType.AUTHENTICATION),
        (403, "You don't have access to the model.", ErrorType.PERMISSION),
        (
            403,
            "The security token included in the request is invalid.",
            ErrorType.AUTHENTICATION,
        ),
        (
            403,
            "The request signature we calculated does not match the signature you provided.",
            ErrorType.AUTHENTICATION,
        ),
        (404, "Could not resolve the foundation model.", ErrorType.NOT_FOUND),
        (408, "Model has timed out in processing.", ErrorType.TIMEOUT),
        (424, "The model failed.", ErrorType.SERVER_ERROR),
        (429, "Too many tokens, please wait before trying again.", ErrorType.RATE_LIMIT),
        (429, "Too many input tokens per minute.", ErrorType.RATE_LIMIT),
        (500, "Input is too long to explain.", ErrorType.SERVER_ERROR),
        (503, "Bedrock is unable to process your request.", ErrorType.OVERLOADED),
    ],
)
@pytest.mark.parametrize("key", ["message", "Message"])
def test_an_error_is_what_its_status_and_message_say(
    http_status: int, message: str, kind: ErrorType, key: str
) -> None:
    body = json.dumps({key: message}).encode()
    _, facts = observed(Operation.CONVERSE, [body], http_status=http_status)

    assert facts.error_type is kind
    assert facts.tokens is None
    assert facts.ended


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"[" * 200_000, b'{"message": 3}'])
def test_an_error_whose_body_says_nothing_is_what_its_status_says(body: bytes) -> None:
    _, facts = observed(Operation.INVOKE_MODEL, [body], http_status=429)

    assert facts.error_type is ErrorType.RATE_LIMIT
