"""Bedrock's event streams: what they used, whatever the chunks, and nothing ever raised."""

import json
import struct
import zlib
from itertools import pairwise

import pytest
from bedrock_cases import EVENT_STREAM, STREAMS, WHOLE, chunk, event, exception, observed
from bedrock_cases import request_of as asked
from hypothesis import given
from hypothesis import strategies as st

from modelmeter.providers import AnswerHead, ResponseFacts
from modelmeter.providers.bedrock.dialect import BedrockDialect
from modelmeter.record import ErrorType, Operation, TokenCounts
from modelmeter.wire.event_stream import encode_event_stream_message

HEAD = AnswerHead(200, [(b"content-type", EVENT_STREAM.encode())])

UNBELIEVABLE: list[object] = [-1, 0.0, 1.5, "7", 10**30, True, [], {}, None]
NAMES = st.sampled_from(sorted(STREAMS))
CUTS = st.lists(st.integers(0, 3000), max_size=12)
OPERATIONS = st.sampled_from([Operation.CONVERSE, Operation.INVOKE_MODEL])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("usage", "metadata", "delta", "text", "type", "message", "content"),
                    *("contentBlockDelta", "reasoningContent", "toolUse", "input", "serviceTier"),
                    *("choices", "outputs", "results", "generation", "inputTokens", "cacheDetails"),
                    *("prompt_token_count", "inputTextTokenCount", "output", "bytes", "id"),
                    "amazon-bedrock-invocationMetrics",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


def streamed(operation: Operation, chunks: list[bytes]) -> tuple[bytes, ResponseFacts]:
    return observed(operation, chunks, content_type=EVENT_STREAM)


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_says_what_it_used_and_that_it_ended(name: str) -> None:
    case = STREAMS[name]

    out, facts = streamed(case.operation, [case.stream])

    assert out == case.stream
    assert facts.tokens == case.tokens
    assert facts.output_characters == case.characters
    assert (facts.ended, facts.error_type, facts.note) == (True, None, None)


@pytest.mark.parametrize("name", sorted(STREAMS.keys() & WHOLE.keys()))
def test_a_stream_used_the_same_as_the_whole_answer(name: str) -> None:
    whole = WHOLE[name]
    _, of_whole = observed(whole.operation, [json.dumps(whole.body).encode()])
    _, of_stream = streamed(whole.operation, [STREAMS[name].stream])

    assert of_stream.tokens == of_whole.tokens
    assert of_stream.service_tier == of_whole.service_tier


@given(NAMES, CUTS, st.binary(max_size=40))
def test_any_split_gives_the_same_facts_and_the_same_bytes(
    name: str, cuts: list[int], rest: bytes
) -> None:
    case = STREAMS[name]
    stream = case.stream + rest

    assert streamed(case.operation, pieces(stream, cuts)) == streamed(case.operation, [stream])


@pytest.mark.parametrize("name", STREAMS)
def test_only_the_last_message_finishes_a_stream(name: str) -> None:
    case = STREAMS[name]
    observer = BedrockDialect().observe(asked(case.operation), HEAD)

    finished = []
    for message in case.messages:
        observer.feed(message)
        finished.append(observer.finished)

    assert finished == [False] * (len(case.messages) - 1) + [True]


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_breaks_off_has_not_ended(name: str) -> None:
    case = STREAMS[name]

    out, facts = streamed(case.operation, [case.stream[:-1]])

    assert out == case.stream[:-1]
    assert not facts.ended


def test_a_chunk_is_passed_on_itself() -> None:
    observer = BedrockDialect().observe(asked(Operation.CONVERSE), HEAD)
    for chunk_in in (STREAMS["converse"].messages[0], b"\xff" * 40, b"after the fault"):
        assert observer.feed(chunk_in) is chunk_in


@pytest.mark.parametrize(
    ("name", "message", "kind"),
    [
        ("throttlingException", "Too many tokens", ErrorType.RATE_LIMIT),
        ("modelStreamErrorException", "it broke", ErrorType.SERVER_ERROR),
        ("internalServerException", "it broke", ErrorType.SERVER_ERROR),
        ("validationException", "Malformed input", ErrorType.INVALID_REQUEST),
        ("validationException", "Input is too long.", ErrorType.CONTEXT_LENGTH),
        ("serviceUnavailableException", "try later", ErrorType.OVERLOADED),
        ("modelTimeoutException", "too slow", ErrorType.TIMEOUT),
        ("somethingNewException", "?", ErrorType.SERVER_ERROR),
    ],
)
@pytest.mark.parametrize("case", ["converse", "claude"])
def test_an_exception_message_is_the_calls_error(
    case: str, name: str, message: str, kind: ErrorType
) -> None:
    stream = b"".join(STREAMS[case].messages[:3]) + exception(name, message)

    out, facts = streamed(STREAMS[case].operation, [stream])

    assert out == stream
    assert facts.error_type is kind
    assert facts.output_characters > 0
    assert not facts.ended


def test_an_error_message_names_its_code() -> None:
    headers = {":message-type": "error", ":error-code": "throttlingException"}
    _, facts = streamed(Operation.CONVERSE, [encode_event_stream_message(headers, b"")])

    assert facts.error_type is ErrorType.RATE_LIMIT


@pytest.mark.parametrize(
    "usage",
    [
        *({"inputTokens": bad, "outputTokens": 1} for bad in UNBELIEVABLE),
        *({"inputTokens": 1, "outputTokens": bad} for bad in UNBELIEVABLE),
        {},
        {"totalTokens": 5},
        [],
        "usage",
        7,
        {"inputTokens": 1, "outputTokens": 1, "cacheReadInputTokens": -4},
        {"inputTokens": 1, "outputTokens": 1, "cacheDetails": 3},
        {"inputTokens": 1, "outputTokens": 1, "cacheDetails": [{"ttl": "1h", "inputTokens": -1}]},
        {
            "inputTokens": 1,
            "outputTokens": 1,
            "cacheWriteInputTokens": 5,
            "cacheDetails": [{"ttl": "5m", "inputTokens": 6}],
        },
    ],
)
def test_counts_that_cannot_be_believed_are_noted_and_not_taken(usage: object) -> None:
    whole = json.dumps({"output": {}, "usage": usage}).encode()
    for _, facts in (
        streamed(Operation.CONVERSE, [event("metadata", {"usage": usage})]),
        observed(Operation.CONVERSE, [whole]),
        observed(Operation.INVOKE_MODEL, [whole]),
    ):
        assert facts.tokens is None
        assert facts.note
        assert facts.ended
        assert facts.error_type is None


@pytest.mark.parametrize(
    "metrics",
    [{}, [], 3, {"inputTokenCount": -1, "outputTokenCount": 2}, {"inputTokenCount": 5}],
)
def test_metrics_that_cannot_be_believed_are_noted_and_end_the_stream(metrics: object) -> None:
    stream = chunk({"outputText": "Hi", "amazon-bedrock-invocationMetrics": metrics})
    _, facts = streamed(Operation.INVOKE_MODEL, [stream])

    assert facts.tokens is None
    assert facts.note
    assert facts.ended


def test_bedrocks_own_metrics_stand_in_for_a_models_unbelievable_counts() -> None:
    messages = STREAMS["claude"].messages
    broken = chunk({"type": "message_delta", "delta": {}, "usage": {"output_tokens": -12}})
    stream = b"".join([*messages[:4], broken, messages[5]])

    _, facts = streamed(Operation.INVOKE_MODEL, [stream])

    assert facts.tokens == TokenCounts(input=30, output=12, cache_read=60, cache_write_5m=40)


def test_a_cache_write_that_only_the_details_tell_is_counted() -> None:
    usage = {
        "inputTokens": 1,
        "outputTokens": 2,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 9}, {"ttl": "5m", "inputTokens": 4}],
    }
    _, facts = streamed(Operation.CONVERSE, [event("metadata", {"usage": usage})])

    assert facts.tokens == TokenCounts(input=1, output=2, cache_write_5m=4, cache_write_1h=9)


def test_a_fault_behind_the_end_leaves_the_call_a_success() -> None:
    case = STREAMS["converse"]
    stream = case.stream + b"\xff" * 30

    out, facts = streamed(case.operation, [stream])

    assert out == stream
    assert (facts.tokens, facts.ended, facts.error_type) == (case.tokens, True, None)


def test_a_damaged_message_stops_the_observing_and_nothing_else() -> None:
    case = STREAMS["converse"]
    damaged = bytearray(case.stream)
    damaged[len(case.messages[0]) + 40] ^= 1

    out, facts = streamed(case.operation, [bytes(damaged)])

    assert out == damaged
    assert facts.tokens is None
    assert facts.note is not None
    assert "checksum" in facts.note


@pytest.mark.parametrize("length", [0, 15, 2**31, 2**32 - 1])
def test_a_message_of_an_impossible_length_is_a_bad_response(length: int) -> None:
    """No SDK reads on behind it: what came before is no whole answer."""
    prelude = struct.pack("!II", length, 0)
    case = STREAMS["converse"]
    stream = case.messages[0] + prelude + struct.pack("!I", zlib.crc32(prelude)) + b"x" * 64

    out, facts = streamed(case.operation, [stream])

    assert out == stream
    assert (facts.tokens, facts.error_type) == (None, ErrorType.BAD_RESPONSE)
    assert facts.note is not None


@pytest.mark.parametrize("data", [b"[" * 200_000, b'{"delta":' * 100_000, b"\xff", b"{", b""])
def test_json_that_cannot_be_read_is_noted_and_passed_on(data: bytes) -> None:
    headers = {":message-type": "event", ":event-type": "contentBlockDelta"}
    stream = encode_event_stream_message(headers, data)

    out, facts = streamed(Operation.CONVERSE, [stream])

    assert out == stream
    assert facts.note


@given(OPERATIONS, st.binary(max_size=300), CUTS)
def test_any_bytes_pass_unchanged_and_raise_nothing(
    operation: Operation, junk: bytes, cuts: list[int]
) -> None:
    assert streamed(operation, pieces(junk, cuts))[0] == junk
    assert observed(operation, pieces(junk, cuts))[0] == junk
    assert observed(operation, [junk], http_status=500)[1].error_type is not None


@given(
    OPERATIONS,
    st.lists(
        st.tuples(
            st.sampled_from(["contentBlockDelta", "metadata", "messageStart", "chunk"]), JSON
        ),
        max_size=4,
    ),
)
def test_any_json_passes_unchanged_and_raises_nothing(
    operation: Operation, events: list[tuple[str, object]]
) -> None:
    headers = {":message-type": "event"}
    messages = [
        encode_event_stream_message({**headers, ":event-type": kind}, json.dumps(body).encode())
        for kind, body in events
    ]
    messages += [chunk(body) for _, body in events if isinstance(body, dict)]
    stream = b"".join(messages)

    assert streamed(operation, [stream])[0] == stream
    for _, body in events:
        observed(operation, [json.dumps(body).encode()])
