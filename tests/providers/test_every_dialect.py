"""What holds of every dialect's observers, whatever a provider sends."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmeter.providers import (
    PROVIDER_KINDS,
    AnswerHead,
    RequestFacts,
    ResponseFacts,
    dialect_for,
)
from modelmeter.record import Operation

BOMB = b"[" * 100_000
NESTED = b'{"x":' + BOMB

REQUESTS = {
    "openai": [
        ("/chat/completions", b'{"model":"m","stream":true}'),
        ("/chat/completions", b'{"model":"m"}'),
        ("/responses", b'{"model":"m","stream":true}'),
        ("/embeddings", b'{"model":"m"}'),
    ],
    "anthropic": [
        ("/v1/messages", b'{"model":"m","stream":true}'),
        ("/v1/messages", b'{"model":"m"}'),
    ],
    "genai": [
        ("/v1beta/models/m:streamGenerateContent", b"{}"),
        ("/v1beta/models/m:generateContent", b"{}"),
        ("/v1beta/models/m:embedContent", b"{}"),
    ],
    "bedrock": [
        ("/model/anthropic.claude-x/converse", b"{}"),
        ("/model/anthropic.claude-x/converse-stream", b"{}"),
        ("/model/anthropic.claude-x/invoke", b"{}"),
        ("/model/anthropic.claude-x/invoke-with-response-stream", b"{}"),
    ],
}
CONTENT_TYPES = ["application/json", "text/event-stream", "application/vnd.amazon.eventstream", ""]

FRAGMENTS = st.sampled_from(
    [
        b"data: ", b"event: x\n", b"\n\n", b"\r\n", b"{}", b"[", b"]", b",", b'{"usage":', b"null",
        b'{"prompt_tokens":-1}', b'{"input_tokens":1e30}', b'{"usage":{"output_tokens":"7"}}', b"}",
        b'{"usageMetadata":{"promptTokenCount":5,"cachedContentTokenCount":9}}', b"NaN", b"\xff",
        b'{"choices":[{"delta":{"content":5}}]}', b'"\\ud800"', b"data: [DONE]\n\n", NESTED,
        b'data: {"type":"message_delta","usage":{"output_tokens":true}}\n\n', b"\x00\x00\x00\x10",
    ]
)  # fmt: skip
ANSWERS = st.one_of(st.binary(max_size=200), st.lists(FRAGMENTS, max_size=12).map(b"".join))


def requests() -> list[tuple[str, RequestFacts]]:
    """Every metered operation of every dialect."""
    found = []
    for kind in PROVIDER_KINDS:
        dialect = dialect_for(kind)
        for path, body in REQUESTS[kind]:
            operation = dialect.operation("POST", path)
            assert operation is not None
            found.append((kind, dialect.read_request(operation, path, body)))
    return found


def observe(
    kind: str, facts: RequestFacts, status: int, content_type: str, chunks: list[bytes]
) -> tuple[bytes, ResponseFacts]:
    """What is forwarded and what is known of an answer."""
    observer = dialect_for(kind).observe(
        facts, AnswerHead(status, [(b"content-type", content_type.encode())])
    )
    forwarded = b"".join(observer.feed(chunk) for chunk in chunks)
    forwarded += observer.end()
    return forwarded, observer.facts()


@pytest.mark.parametrize(("kind", "facts"), requests())
@given(
    answer=ANSWERS,
    cuts=st.lists(st.integers(0, 400), max_size=6),
    status=st.sampled_from([200, 400, 429, 500]),
    content_type=st.sampled_from(CONTENT_TYPES),
)
def test_any_answer_passes_and_means_the_same_at_any_split(
    kind: str, facts: RequestFacts, answer: bytes, cuts: list[int], status: int, content_type: str
) -> None:
    places = sorted({0, len(answer), *(cut % (len(answer) + 1) for cut in cuts)})
    chunks = [answer[start:end] for start, end in pairwise(places)]

    whole = observe(kind, facts, status, content_type, [answer])
    in_pieces = observe(kind, facts, status, content_type, chunks)

    assert in_pieces == whole
    tokens = whole[1].tokens
    assert tokens is None or min(tokens.by_type()) >= 0
    if not facts.hides_usage_chunk:
        assert whole[0] == answer


@pytest.mark.parametrize(("kind", "facts"), requests())
@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize(
    ("content_type", "answer"),
    [
        ("application/json", NESTED),
        ("application/json", BOMB),
        ("text/event-stream", b"data: " + NESTED + b"\n\n"),
    ],
)
def test_json_nested_without_end_is_survived(
    kind: str, facts: RequestFacts, status: int, content_type: str, answer: bytes
) -> None:
    forwarded, known = observe(kind, facts, status, content_type, [answer])

    assert forwarded == answer
    assert known.tokens is None


@pytest.mark.parametrize("kind", PROVIDER_KINDS)
@pytest.mark.parametrize("path", ["/", "/models", "/v1/files", "/chat/completions/x", "/model/x"])
def test_other_paths_and_methods_are_not_metered(kind: str, path: str) -> None:
    dialect = dialect_for(kind)

    assert dialect.operation("POST", path) is None
    assert all(dialect.operation("GET", metered) is None for metered, _ in REQUESTS[kind])


def test_operations_are_told_apart() -> None:
    assert [facts.operation for kind, facts in requests() if kind == "bedrock"] == [
        Operation.CONVERSE,
        Operation.CONVERSE,
        Operation.INVOKE_MODEL,
        Operation.INVOKE_MODEL,
    ]
