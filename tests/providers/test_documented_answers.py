"""What the documented answers of OpenAI, Anthropic and Gemini used, whole or streamed."""

import json
from itertools import pairwise

import pytest
from documented_answers import ANSWERS, JSON, SSE, Documented, events, named_events
from hypothesis import given
from hypothesis import strategies as st

from modelmeter.errors import RefusedRequestError
from modelmeter.providers import AnswerHead, RequestFacts, ResponseFacts, dialect_for
from modelmeter.record import ErrorType, ToolCalls

STREAMED = [name for name, case in ANSWERS.items() if case.stream]
CUTS = st.lists(st.integers(0, 5000), max_size=8)


def request_of(case: Documented, path: str, **fields: object) -> RequestFacts:
    """A request's facts, as the gateway reads them."""
    dialect = dialect_for(case.kind)
    operation = dialect.operation("POST", path)
    assert operation is not None
    return dialect.read_request(operation, path, json.dumps({**case.request, **fields}).encode())


def observe(
    case: Documented,
    request: RequestFacts,
    answer: bytes,
    *,
    content_type: str,
    cuts: list[int] | None = None,
    http_status: int = 200,
) -> tuple[bytes, ResponseFacts]:
    """What passes on of an answer, and what is known at its end."""
    head = AnswerHead(http_status, [(b"content-type", content_type.encode())])
    observer = dialect_for(case.kind).observe(request, head)
    places = sorted({0, len(answer), *(cut % (len(answer) + 1) for cut in cuts or [])})
    out = b"".join(observer.feed(answer[start:end]) for start, end in pairwise(places))
    return out + observer.end(), observer.facts()


@pytest.mark.parametrize("name", ANSWERS)
def test_a_whole_answer_tells_its_disjoint_tokens(name: str) -> None:
    case = ANSWERS[name]

    out, facts = observe(case, request_of(case, case.path), case.whole, content_type=JSON)

    assert out == case.whole
    assert (facts.tokens, facts.model_answered) == (case.tokens, case.model)
    assert (facts.service_tier, facts.ended, facts.error_type) == (case.tier, True, None)


@pytest.mark.parametrize("name", STREAMED)
@given(cuts=CUTS)
def test_a_stream_says_what_the_whole_answer_says(name: str, cuts: list[int]) -> None:
    case = ANSWERS[name]
    options = {"stream": True, "stream_options": {"include_usage": True}}
    fields = options if case.kind == "openai" else {"stream": True}
    request = request_of(case, case.stream_path, **(fields if case.kind != "genai" else {}))

    out, facts = observe(case, request, case.stream, content_type=case.stream_type, cuts=cuts)

    assert out == case.stream
    assert (facts.tokens, facts.model_answered) == (case.tokens, case.model)
    assert (facts.service_tier, facts.ended, facts.error_type) == (case.tier, True, None)


@pytest.mark.parametrize("name", STREAMED)
def test_a_stream_cut_short_is_not_ended(name: str) -> None:
    case = ANSWERS[name]
    request = request_of(
        case, case.stream_path, **({} if case.kind == "genai" else {"stream": True})
    )

    _, facts = observe(
        case, request, case.stream[: len(case.stream) // 2], content_type=case.stream_type
    )

    assert not facts.ended


@pytest.mark.parametrize("name", ["chat", "completions"])
@given(cuts=CUTS)
def test_usage_is_asked_for_and_its_chunk_kept_from_who_did_not_ask(
    name: str, cuts: list[int]
) -> None:
    case = ANSWERS[name]
    request = request_of(case, case.path, stream=True)
    chunks = case.stream.split(b"\n\n")
    without = b"\n\n".join(chunk for chunk in chunks if b'"choices": []' not in chunk)

    out, facts = observe(case, request, case.stream, content_type=SSE, cuts=cuts)

    assert json.loads(request.upstream_body)["stream_options"] == {"include_usage": True}
    assert out == without
    assert facts.tokens == case.tokens


def test_what_the_caller_asks_for_goes_up_byte_for_byte() -> None:
    case = ANSWERS["chat"]
    dialect = dialect_for("openai")
    operation = dialect.operation("POST", case.path)
    assert operation is not None
    for body in (
        b'{"model":"m", "stream":true, "stream_options" : {"include_usage":true}, "x":1e99}',
        b'{ "model":"m","messages":[ ] }',
    ):
        assert dialect.read_request(operation, case.path, body).upstream_body == body


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("chat", "{}"),
        ("chat", '{"prompt_tokens": -1, "completion_tokens": 1}'),
        ("chat", '{"prompt_tokens": 1.5, "completion_tokens": 1}'),
        ("chat", '{"prompt_tokens": "7", "completion_tokens": 1}'),
        ("chat", '{"prompt_tokens": true, "completion_tokens": 1}'),
        ("chat", '{"prompt_tokens": 99999999999999999999, "completion_tokens": 1}'),
        ("chat", '{"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 2}}'),
        ("chat", "[]"),
        ("chat", "null"),
        ("responses", "{}"),
        ("embeddings", "{}"),
        ("messages", "{}"),
        ("messages", '{"input_tokens": -5, "output_tokens": 1}'),
        ("messages", '{"cache_read_input_tokens": 5}'),
        ("messages", '"many"'),
        ("generateContent, events", "{}"),
        ("generateContent, events", '{"promptTokenCount": -5}'),
        ("generateContent, events", '{"promptTokenCount": 1, "cachedContentTokenCount": 2}'),
        ("generateContent, events", "[1]"),
    ],
)
def test_absent_or_impossible_usage_is_unknown_not_zero(name: str, usage: str) -> None:
    case = ANSWERS[name]
    body = json.loads(case.whole)
    field = "usageMetadata" if case.kind == "genai" else "usage"
    body[field] = "USAGE"
    answer = json.dumps(body).replace('"USAGE"', usage).encode()

    _, facts = observe(case, request_of(case, case.path), answer, content_type=JSON)

    assert facts.tokens is None
    assert facts.note
    assert facts.ended


ERRORS = [
    ("chat", 401, {"error": {"type": "invalid_request_error", "code": "invalid_api_key"}},
     ErrorType.AUTHENTICATION),
    ("chat", 403, {"error": {"code": "unsupported_country_region_territory"}},
     ErrorType.PERMISSION),
    ("chat", 404, {"error": {"code": "model_not_found"}}, ErrorType.NOT_FOUND),
    ("chat", 429, {"error": {"type": "requests", "code": "rate_limit_exceeded"}},
     ErrorType.RATE_LIMIT),
    ("chat", 400, {"error": {"code": "context_length_exceeded"}}, ErrorType.CONTEXT_LENGTH),
    ("chat", 400, {"error": {"code": "content_filter"}}, ErrorType.CONTENT_FILTER),
    ("chat", 400, {"error": {"code": "unknown_parameter"}}, ErrorType.INVALID_REQUEST),
    ("chat", 500, {"error": {"type": "server_error"}}, ErrorType.SERVER_ERROR),
    ("chat", 503, {"error": {"message": "overloaded"}}, ErrorType.OVERLOADED),
    ("messages", 401, {"error": {"type": "authentication_error"}}, ErrorType.AUTHENTICATION),
    ("messages", 403, {"error": {"type": "permission_error"}}, ErrorType.PERMISSION),
    ("messages", 404, {"error": {"type": "not_found_error"}}, ErrorType.NOT_FOUND),
    ("messages", 413, {"error": {"type": "request_too_large"}}, ErrorType.INVALID_REQUEST),
    ("messages", 429, {"error": {"type": "rate_limit_error"}}, ErrorType.RATE_LIMIT),
    ("messages", 529, {"error": {"type": "overloaded_error"}}, ErrorType.OVERLOADED),
    ("messages", 529, "<html>", ErrorType.OVERLOADED),
    ("messages", 400,
     {"error": {"type": "invalid_request_error",
                "message": "prompt is too long: 208310 tokens > 200000 maximum"}},
     ErrorType.CONTEXT_LENGTH),
    ("generateContent, events", 400,
     {"error": {"status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}},
     ErrorType.AUTHENTICATION),
    ("generateContent, events", 403, {"error": {"status": "PERMISSION_DENIED"}},
     ErrorType.PERMISSION),
    ("generateContent, events", 404, {"error": {"status": "NOT_FOUND"}}, ErrorType.NOT_FOUND),
    ("generateContent, events", 429, {"error": {"status": "RESOURCE_EXHAUSTED"}},
     ErrorType.RATE_LIMIT),
    ("generateContent, events", 503, {"error": {"status": "UNAVAILABLE"}}, ErrorType.OVERLOADED),
    ("generateContent, events", 504, {"error": {"status": "DEADLINE_EXCEEDED"}},
     ErrorType.TIMEOUT),
]  # fmt: skip


@pytest.mark.parametrize(("name", "status", "error", "expected"), ERRORS)
def test_an_error_is_told_by_its_body_and_status(
    name: str, status: int, error: object, expected: ErrorType
) -> None:
    case = ANSWERS[name]
    body = error.encode() if isinstance(error, str) else json.dumps(error).encode()

    out, facts = observe(
        case, request_of(case, case.path), body, content_type=JSON, http_status=status
    )

    assert out == body
    assert (facts.error_type, facts.tokens) == (expected, None)


@pytest.mark.parametrize(
    ("name", "stream", "expected"),
    [
        ("chat", events({"error": {"type": "server_error"}}), ErrorType.SERVER_ERROR),
        ("responses", named_events({"type": "error", "code": "rate_limit_exceeded"}),
         ErrorType.RATE_LIMIT),
        ("messages", named_events({"type": "error", "error": {"type": "overloaded_error"}}),
         ErrorType.OVERLOADED),
        ("generateContent, events", events({"promptFeedback": {"blockReason": "SAFETY"}}),
         ErrorType.CONTENT_FILTER),
    ],
)  # fmt: skip
def test_an_error_amid_a_stream_is_the_calls_error(
    name: str, stream: bytes, expected: ErrorType
) -> None:
    case = ANSWERS[name]
    request = request_of(
        case, case.stream_path, **({} if case.kind == "genai" else {"stream": True})
    )

    _, facts = observe(case, request, stream, content_type=SSE)

    assert facts.error_type is expected


@pytest.mark.parametrize(
    ("name", "fields", "limit"),
    [
        ("chat", {"max_tokens": 100}, 100),
        ("chat", {"max_completion_tokens": 200}, 200),
        ("responses", {"max_output_tokens": 300}, 300),
        ("completions", {"max_tokens": 5}, 5),
        ("messages", {"max_tokens": 400}, 400),
        ("generateContent, events", {"generationConfig": {"maxOutputTokens": 500}}, 500),
        ("embeddings", {}, None),
        ("chat", {}, None),
    ],
)
def test_the_limit_of_output_is_read(
    name: str, fields: dict[str, object], limit: int | None
) -> None:
    case = ANSWERS[name]

    assert request_of(case, case.path, **fields).output_tokens_max == limit


@pytest.mark.parametrize(
    ("name", "fields", "answers"),
    [
        ("chat", {"n": 3}, 3),
        ("completions", {"n": 128}, 128),
        ("generateContent, events", {"generationConfig": {"candidateCount": 2}}, 2),
        ("generateContent, events", {}, 1),
        ("chat", {}, 1),
        ("chat", {"n": None}, 1),
        ("chat", {"n": 0}, 1),
        ("chat", {"n": 129}, 1),
        ("chat", {"n": True}, 1),
        ("chat", {"n": "3"}, 1),
    ],
)
def test_how_many_answers_are_asked_for_is_read(
    name: str, fields: dict[str, object], answers: int
) -> None:
    """What no provider takes, it will refuse itself."""
    case = ANSWERS[name]

    assert request_of(case, case.path, **fields).answers == answers


@pytest.mark.parametrize("name", ["chat", "responses", "completions", "messages"])
@pytest.mark.parametrize("limit", [0, -1, 1.5, "many", 2**40, True, []])
def test_an_impossible_limit_is_refused(name: str, limit: object) -> None:
    case = ANSWERS[name]
    field = "max_output_tokens" if name == "responses" else "max_tokens"

    with pytest.raises(RefusedRequestError):
        request_of(case, case.path, **{field: limit})


def test_what_is_billed_beside_the_tokens_is_told() -> None:
    message = ANSWERS["messages"]
    body = json.loads(message.whole)
    body["usage"] |= {"speed": "fast", "server_tool_use": {"web_search_requests": 3}}
    response = ANSWERS["responses"]
    searched = json.loads(response.whole)
    searched["output"] = [{"type": "web_search_call"}, {"type": "message"}, {"type": None}]
    event = {"type": "response.completed", "response": searched}

    _, anthropic = observe(
        message, request_of(message, message.path), json.dumps(body).encode(), content_type=JSON
    )
    _, openai = observe(
        response,
        request_of(response, response.path),
        json.dumps(searched).encode(),
        content_type=JSON,
    )
    _, streamed = observe(
        response,
        request_of(response, response.path, stream=True),
        named_events(event),
        content_type=SSE,
    )

    assert (anthropic.tools, anthropic.service_tier) == (ToolCalls(web_search=3), "fast")
    assert openai.tools == streamed.tools == ToolCalls(web_search=1)
